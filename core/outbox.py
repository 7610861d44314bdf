"""The outbox: a job is a row first, written in the transaction of its cause.

The relay (`tasks.relay`) pushes rows to RQ after the commit and pushes overdue ones again; the job
marks its row done in its own transaction. So a crash, a killed worker or a flushed Redis loses no
job, and a copy of a job finds that there is nothing left to do.
"""

from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Index, String, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from core import clock, later, rows
from core.database import Base, Code, Id, LongText, State, after_commit, claim
from core.redis import announce

WAKE_CHANNEL = "linli:outbox:wake"


class JobState(StrEnum):
    waiting = "waiting"
    pushed = "pushed"
    done = "done"
    dead = "dead"


class OutboxJob(Base):
    """A job to run at `run_at` or later. `key` is unique: the same key is enqueued once."""

    __tablename__ = "outbox_jobs"
    __table_args__ = (
        Index("ix_outbox_jobs_state_run_at", "state", "run_at"),
        Index("ix_outbox_jobs_name_state", "name", "state"),
    )

    id: Mapped[Id]
    name: Mapped[str] = mapped_column(Code(64))
    args: Mapped[dict[str, Any]]
    key: Mapped[str | None] = mapped_column(Code(128), unique=True)
    state: Mapped[JobState] = mapped_column(State(JobState), default=JobState.waiting)
    attempt: Mapped[int] = mapped_column(default=0)
    failures: Mapped[int] = mapped_column(default=0)
    run_at: Mapped[datetime]
    pushed_at: Mapped[datetime | None]
    lease_until: Mapped[datetime | None]
    done_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    last_error: Mapped[LongText | None]
    request_id: Mapped[str] = mapped_column(String(64), default="")


def enqueue(
    session: Session,
    name: str,
    *,
    run_at: datetime | None = None,
    key: str | None = None,
    **args: Any,
) -> bool:
    """Write the job `name` in this transaction; False when `key` was enqueued before.

    `args` must be JSON: ids, never objects. Without `run_at` it runs as soon as the commit is
    through.
    """
    now = clock.now()
    row = _row(name, key, run_at or now, now, args)
    if key is None:
        later.add(session, OutboxJob, row)
    elif rows.add_new(session, OutboxJob, row) is None:
        return False
    if run_at is None or run_at <= now:
        after_commit(session, wake)
    return True


def enqueue_first(session: Session, name: str, *, key: str, **args: Any) -> None:
    """`enqueue` at once for what a compare-and-set lets happen once: a `key` that is there already
    is no repetition but a bug, and nothing of the transaction stays. Nobody waits for the answer.
    """
    now = clock.now()
    later.add(session, OutboxJob, _row(name, key, now, now, args))
    after_commit(session, wake)


def _row(
    name: str, key: str | None, run_at: datetime, now: datetime, args: dict[str, Any]
) -> dict[str, Any]:
    return {
        "name": name,
        "args": args,
        "key": key,
        "state": JobState.waiting,
        "attempt": 0,
        "failures": 0,
        "run_at": run_at,
        "created_at": now,
        "request_id": _request_id(),
    }


def wake() -> None:
    """Tell the relay that something waits. Losing this costs a second: the relay also polls."""
    announce(WAKE_CHANNEL)


def due(
    session: Session,
    *,
    now: datetime,
    limit: int,
    only: Collection[str] = (),
    without: Collection[str] = (),
) -> list[OutboxJob]:
    """The jobs to push now, oldest first; `only` these names, or all `without` these."""
    asked = select(OutboxJob).where(OutboxJob.state == JobState.waiting, OutboxJob.run_at <= now)
    if only:
        asked = asked.where(OutboxJob.name.in_(only))
    if without:
        asked = asked.where(OutboxJob.name.not_in(without))
    return list(session.scalars(asked.order_by(OutboxJob.run_at, OutboxJob.id).limit(limit)))


def take(session: Session, job_id: int, *, lease: timedelta, now: datetime) -> bool:
    """waiting → pushed under the next attempt; False when another relay was faster."""
    moved = claim(
        session,
        update(OutboxJob)
        .where(OutboxJob.id == job_id, OutboxJob.state == JobState.waiting)
        .values(
            state=JobState.pushed,
            attempt=OutboxJob.attempt + 1,
            pushed_at=now,
            lease_until=now + lease,
        ),
    )
    return moved == 1


def overdue(session: Session, *, now: datetime, limit: int) -> list[tuple[int, int]]:
    """Pushed rows whose lease ran out, with their attempts: their worker died, Redis forgot them,
    or nobody has come to them yet."""
    over = OutboxJob.state == JobState.pushed, OutboxJob.lease_until < now
    found = session.execute(select(OutboxJob.id, OutboxJob.attempt).where(*over).limit(limit))
    return [(job_id, attempt) for job_id, attempt in found]


def reclaim(session: Session, job_ids: Collection[int], *, now: datetime) -> int:
    """Pushed rows among these whose lease is still over wait again."""
    return claim(
        session,
        update(OutboxJob)
        .where(
            OutboxJob.id.in_(job_ids),
            OutboxJob.state == JobState.pushed,
            OutboxJob.lease_until < now,
        )
        .values(state=JobState.waiting, run_at=now),
    )


def renew(session: Session, job_id: int, attempt: int, *, until: datetime) -> bool:
    """The lease of this attempt runs until then; False when it is no longer the live one."""
    return claim(session, _attempt(job_id, attempt).values(lease_until=until)) == 1


def live_keys(session: Session, name: str, *, pushed_after: datetime | None = None) -> list[str]:
    """The keys of this name's jobs that wait or run; of those that run, only what was pushed after
    a moment, where a killed worker's is not to be waited for."""
    live: ColumnElement[bool] = OutboxJob.state.in_([JobState.waiting, JobState.pushed])
    if pushed_after is not None:
        pushed = (OutboxJob.state == JobState.pushed) & (OutboxJob.pushed_at > pushed_after)
        live = (OutboxJob.state == JobState.waiting) | pushed
    found = select(OutboxJob.key).where(OutboxJob.name == name, live, OutboxJob.key.is_not(None))
    return [key for key in session.scalars(found) if key is not None]


def live_args(session: Session, name: str) -> list[dict[str, Any]]:
    """What this name's jobs that wait or run were given."""
    live = OutboxJob.state.in_([JobState.waiting, JobState.pushed])
    return list(session.scalars(select(OutboxJob.args).where(OutboxJob.name == name, live)))


def withdraw(session: Session, key: str, *, now: datetime) -> bool:
    """waiting → done of a job that was never begun; False when it may have done something."""
    unbegun = {"key": key, "state": JobState.waiting, "attempt": 0}
    done = {"state": JobState.done, "done_at": now}
    return rows.compare_and_set(session, OutboxJob, unbegun, done) == 1


def finish(session: Session, job_id: int, attempt: int, *, now: datetime) -> bool:
    """pushed → done for this very attempt; False when the attempt is no longer the live one."""
    live = {"id": job_id, "state": JobState.pushed, "attempt": attempt}
    done = {"state": JobState.done, "done_at": now, "last_error": None}
    return rows.compare_and_set(session, OutboxJob, live, done) == 1


def postpone(
    session: Session, job_id: int, attempt: int, *, until: datetime, error: str | None
) -> bool:
    """pushed → waiting until `until`; with an `error` it counts as a failure."""
    values = {"state": JobState.waiting, "run_at": until, "last_error": error}
    if error is not None:
        values["failures"] = OutboxJob.failures + 1
    return claim(session, _attempt(job_id, attempt).values(**values)) == 1


def bury(session: Session, job_id: int, attempt: int, *, error: str, now: datetime) -> bool:
    """pushed → dead: somebody has to look."""
    values = {"state": JobState.dead, "done_at": now, "last_error": error}
    return claim(session, _attempt(job_id, attempt).values(**values)) == 1


def _attempt(job_id: int, attempt: int) -> Any:
    return update(OutboxJob).where(
        OutboxJob.id == job_id,
        OutboxJob.state == JobState.pushed,
        OutboxJob.attempt == attempt,
    )


_request_id: Callable[[], str] = lambda: ""  # noqa: E731


def name_requests(request_id: Callable[[], str]) -> None:
    """Let rows remember the request that caused them."""
    global _request_id
    _request_id = request_id
