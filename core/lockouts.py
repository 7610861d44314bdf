"""Lockouts that must survive a flushed Redis: wrong passwords, wrong pickup and coupon codes."""

from datetime import datetime, timedelta

from sqlalchemy import or_, select, update
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
    return missed(session, subject, now=now, limit=limit, lock=lock, merchant_id=merchant_id)


def attempt(
    session: Session,
    subject: str,
    *,
    now: datetime,
    limit: int = 10,
    window: timedelta = timedelta(minutes=1),
) -> None:
    """Count a guess before it is made, so that guesses made at once are no more than `limit`.

    Commit, look, then say `missed` or `take_back`. Raises LockedOut.
    """
    check(session, subject, now=now)
    fresh = {"subject": subject, "failures": 1, "window_ends_at": now + window}
    if insert_ignore(session, Lockout, [fresh]) == 1:
        return
    mine = Lockout.subject == subject
    free = or_(Lockout.locked_until.is_(None), Lockout.locked_until <= now)
    over = update(Lockout).where(mine, free, Lockout.window_ends_at <= now)
    if claim(session, over.values(failures=1, window_ends_at=now + window)) == 1:
        return
    one_more = update(Lockout).where(mine, free, Lockout.failures < limit)
    if claim(session, one_more.values(failures=Lockout.failures + 1)) != 1:
        raise LockedOut(retry_after=int(window.total_seconds()))


def missed(
    session: Session,
    subject: str,
    *,
    now: datetime,
    limit: int = 10,
    lock: timedelta = timedelta(minutes=5),
    merchant_id: int | None = None,
) -> bool:
    """The guess that was counted was wrong: the last one allowed locks, and is kept as an event.

    True for the one that locked.
    """
    full = update(Lockout).where(Lockout.subject == subject, Lockout.failures >= limit)
    values = {"failures": 0, "window_ends_at": now, "locked_until": now + lock}
    if claim(session, full.values(values)) != 1:
        return False
    security_events.record(session, "locked_out", subject, merchant_id=merchant_id, now=now)
    return True


def take_back(session: Session, subject: str) -> None:
    """The guess that was counted was none."""
    counted = update(Lockout).where(Lockout.subject == subject, Lockout.failures > 0)
    claim(session, counted.values(failures=Lockout.failures - 1))


def clear(session: Session, subject: str, *, now: datetime) -> None:
    """Forget the failures of `subject` after a success."""
    claim(
        session,
        update(Lockout)
        .where(Lockout.subject == subject)
        .values(failures=0, window_ends_at=now, locked_until=None),
    )
