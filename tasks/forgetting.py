"""What was said, sent and counted long ago is forgotten: it holds openids, names and words."""

from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, delete, func, select, update

from core import clock
from core.config import current_config
from core.database import claim
from messaging.broadcasts import quotas
from messaging.broadcasts.models import BroadcastQuota
from messaging.cards.models import ServiceCard
from messaging.models import (
    ChatMessage,
    Dialogue,
    MessageWindow,
    OutboundMessage,
    OutboundState,
    Suppression,
)
from tasks.registry import Run, job

KEEP_OVER = timedelta(days=30)
"""Windows, suppressions and service cards that are over."""
KEEP_DIALOGUES = timedelta(days=1)
LAST_MONTH = timedelta(days=35)
"""A broadcast of last month may still be refused, and gives back what it took."""
CATCH_UP = timedelta(days=14)
SLICE = 5_000
ENDED = (OutboundState.sent, OutboundState.failed, OutboundState.unknown)


@job("messaging.tidy", queue="bulk", timeout=1_800)
def tidy(run: Run) -> None:
    """Chats and the words of what we sent after as many days as the configuration says (the row of
    a message stays: it is counted on), what is over after a month, the four of past months."""
    now, kept = clock.now(), current_config().retention
    _forget(run, ChatMessage, ChatMessage.at < now - timedelta(days=kept.chat_days))
    _forget(run, MessageWindow, MessageWindow.expires_at < now - KEEP_OVER)
    _forget(run, Suppression, Suppression.until < now - KEEP_OVER)
    _forget(run, ServiceCard, ServiceCard.until < now - KEEP_OVER)
    _forget(run, Dialogue, Dialogue.expires_at < now - KEEP_DIALOGUES)
    _forget(run, BroadcastQuota, BroadcastQuota.month < quotas.month_of(now - LAST_MONTH))
    before = now - timedelta(days=kept.words_days)
    for state in ENDED:
        _blank(run, state, before - CATCH_UP, before)


def _forget(run: Run, model: Any, old: ColumnElement[bool]) -> None:
    """Along the ids, once: without an index of its own each slice would read what was kept anew."""
    last = 0
    while True:
        with run.transaction() as session:
            page = select(model.id).where(model.id > last).order_by(model.id).limit(SLICE)
            end = session.scalar(select(func.max(page.subquery().c.id)))
            if end is None:
                return
            claim(session, delete(model).where(model.id > last, model.id <= end, old))
        last = end


def _blank(run: Run, state: OutboundState, since: Any, before: Any) -> None:
    """Of messages that ended in this span; a fortnight, should the job not have run for days."""
    last = since
    while last < before:
        until = min(last + timedelta(hours=6), before)
        ended = (
            OutboundMessage.state == state,
            OutboundMessage.changed_at >= last,
            OutboundMessage.changed_at < until,
        )
        with run.transaction() as session:
            claim(session, update(OutboundMessage).where(*ended).values(payload={}))
        last = until
