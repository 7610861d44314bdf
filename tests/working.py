"""A worker's part, without RQ."""

from typing import Any

from core import clock, outbox
from core.database import transaction
from tasks.runner import execute


def run_inline(name: str, **args: Any) -> None:
    """Run the job now, as the live attempt of an outbox row of its own."""
    with transaction() as session:
        row = outbox.OutboxJob(name=name, args=args, run_at=clock.now(), created_at=clock.now())
        row.state, row.attempt = outbox.JobState.pushed, 1
        session.add(row)
        session.flush()
    execute(row.id, 1)
