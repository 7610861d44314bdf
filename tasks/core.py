"""Housekeeping of the core's own tables."""

from datetime import timedelta

from sqlalchemy import delete

from core import clock
from core.database import claim
from core.idempotency import IdempotencyRecord
from core.outbox import JobState, OutboxJob
from tasks.registry import Run, job

KEEP_DONE = timedelta(days=7)
KEEP_KEYS = timedelta(days=30)


@job("core.tidy", queue="default")
def tidy(run: Run) -> None:
    """Forget finished outbox rows after a week and idempotency keys after a month."""
    now = clock.now()
    with run.transaction() as session:
        claim(
            session,
            delete(OutboxJob).where(
                OutboxJob.state == JobState.done, OutboxJob.run_at < now - KEEP_DONE
            ),
        )
    with run.finish() as session:
        claim(
            session,
            delete(IdempotencyRecord).where(IdempotencyRecord.created_at < now - KEEP_KEYS),
        )
