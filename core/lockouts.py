"""Lockouts that must survive a flushed Redis: wrong passwords, wrong pickup and coupon codes."""

from datetime import datetime, timedelta

from sqlalchemy import select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from core import security_events
from core.database import Base, Code, Id, claim, insert_ignore
from core.errors import TooMany


class LockedOut(TooMany):
    code, title = "locked_out", "错的次数太多，先歇一会儿"


class Lockout(Base):
    """Failures of one subject (`password:owner`, `codes:staff:7`) in the current window."""

    __tablename__ = "lockouts"

    id: Mapped[Id]
    subject: Mapped[str] = mapped_column(Code(128), unique=True)
    failures: Mapped[int] = mapped_column(default=0)
    window_ends_at: Mapped[datetime]
    locked_until: Mapped[datetime | None]


def check(session: Session, subject: str, *, now: datetime) -> None:
    """Raise LockedOut while `subject` is locked."""
    locked_until = session.scalar(select(Lockout.locked_until).where(Lockout.subject == subject))
    if locked_until is not None and locked_until > now:
        raise LockedOut(retry_after=int((locked_until - now).total_seconds()) + 1)


def fail(
    session: Session,
    subject: str,
    *,
    now: datetime,
    limit: int = 10,
    window: timedelta = timedelta(minutes=1),
    lock: timedelta = timedelta(minutes=5),
    merchant_id: int | None = None,
) -> bool:
    """Count a failure; True when this one locked the subject, which is kept as an event.

    It must be committed even though the act failed: call it in a transaction of its own.
    """
    fresh = {"subject": subject, "failures": 1, "window_ends_at": now + window}
    if insert_ignore(session, Lockout, [fresh]) == 1:
        return False
    mine = Lockout.subject == subject
    restarted = claim(
        session,
        update(Lockout)
        .where(mine, Lockout.window_ends_at <= now)
        .values(failures=1, window_ends_at=now + window),
    )
    if restarted:
        return False
    claim(session, update(Lockout).where(mine).values(failures=Lockout.failures + 1))
    locking = update(Lockout).where(mine, Lockout.failures >= limit)
    values = {"failures": 0, "window_ends_at": now, "locked_until": now + lock}
    if claim(session, locking.values(values)) != 1:
        return False
    security_events.record(session, "locked_out", subject, merchant_id=merchant_id, now=now)
    return True


def clear(session: Session, subject: str, *, now: datetime) -> None:
    """Forget the failures of `subject` after a success."""
    claim(
        session,
        update(Lockout)
        .where(Lockout.subject == subject)
        .values(failures=0, window_ends_at=now, locked_until=None),
    )
