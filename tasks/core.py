"""Housekeeping of the core's own tables."""

from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, delete, or_, select

from core import clock
from core.clock import business_day
from core.database import claim
from core.idempotency import IdempotencyRecord
from core.inbox import EventState, InboundEvent
from core.lockouts import Lockout
from core.outbox import JobState, OutboxJob
from coupons.models import DailyCount
from messaging.inbox import GIVEN_UP
from payments.models.statements import StatementLine
from payments.recon import days as statement_days
from tasks.registry import Run, job

KEEP_DONE = timedelta(days=7)
KEEP_KEYS = timedelta(days=30)
KEEP_EVENTS = timedelta(days=30)
"""WeChat repeats a message for seconds and a payment notice for a day. What was said in a chat and
what was paid have tables of their own; the inbox holds openids and raw bodies, so it forgets."""
KEEP_LINES = timedelta(days=90)
"""As long as a channel gives out a bill again. Of an older day its sums stay, its differences and
what was booked."""
SLICE = 1_000


@job("core.tidy", queue="default", timeout=300)
def tidy(run: Run) -> None:
    """Forget finished outbox rows after a week, idempotency keys and events that were acted upon
    or given up after a month, and failures once they count no more: anybody can make up a name to
    log in with. Counters of a day are kept for a week, the rows of channels' bills for
    ninety days."""
    now = clock.now()
    done = OutboxJob.state == JobState.done
    acted = InboundEvent.state == EventState.done
    _forget(run, OutboxJob, done, OutboxJob.run_at < now - KEEP_DONE)
    _forget(run, IdempotencyRecord, IdempotencyRecord.created_at < now - KEEP_KEYS)
    _forget(run, InboundEvent, acted, InboundEvent.received_at < now - KEEP_EVENTS)
    left = (InboundEvent.state == EventState.received, InboundEvent.outcome == GIVEN_UP)
    _forget(run, InboundEvent, *left, InboundEvent.received_at < now - KEEP_EVENTS)
    free = or_(Lockout.locked_until.is_(None), Lockout.locked_until <= now)
    _forget(run, Lockout, Lockout.window_ends_at <= now, free)
    _forget(run, DailyCount, DailyCount.day < business_day(now - KEEP_DONE))
    with run.transaction() as session:
        old = statement_days.list_forgotten(session, business_day(now - KEEP_LINES))
    for day_id in old:
        _forget(run, StatementLine, StatementLine.day_id == day_id)


def _forget(run: Run, model: Any, *old: ColumnElement[bool]) -> None:
    """In slices, each a transaction: an hour's rows at once would hold their locks for as long."""
    while True:
        with run.transaction() as session:
            ids = session.scalars(select(model.id).where(*old).limit(SLICE)).all()
            claim(session, delete(model).where(model.id.in_(ids)))
        if len(ids) < SLICE:
            return
