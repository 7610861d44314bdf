"""Passwords of staff who log in on a desktop: scrypt, and a lock-out kept in the database."""

from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.security import check_password_hash, generate_password_hash

from core import lockouts
from core.config import current_config
from core.errors import Invalid
from merchants.models import Staff, StaffState

DEMO_PASSWORD = "linli-demo"  # noqa: S105 - everybody may try the demo, and nothing else with it
MIN_LENGTH = 8
TRIES = 10
TRIES_EVERYWHERE = 100
WINDOW = timedelta(seconds=60)
LOCK = timedelta(minutes=5)

# Checked when the user name is unknown, so that the answer takes as long as for a wrong password.
_NOBODY = generate_password_hash("nobody", method="scrypt")


class WeakPassword(Invalid):
    code = "weak_password"
    title = "密码至少 8 位"


def set_password(staff: Staff, password: str) -> None:
    if len(password) < MIN_LENGTH:
        raise WeakPassword(errors={"password": f"至少 {MIN_LENGTH} 位"})
    if _is_published(password):
        raise WeakPassword(errors={"password": "这是演示用的密码，换一个"})
    staff.password_hash = generate_password_hash(password, method="scrypt")


def authenticate(
    session: Session, username: str, password: str, now: datetime, *, place: str
) -> Staff | None:
    """The active staff member of a user name and password, or None.

    Ten failures within a minute lock the user name for five minutes where they came from, and a
    hundred lock it everywhere (raises TooMany): one stranger cannot keep the owner out. A failure
    is counted in this transaction, so the door commits before it refuses. The demo's password lets
    nobody in outside the demo, even into a database that the demo has filled.
    """
    name = username.lower()[:64]
    here, everywhere = f"password-at:{place} {name}", f"password:{name}"
    for subject in (here, everywhere):
        lockouts.check(session, subject, now=now)
    staff = session.scalar(select(Staff).where(Staff.username == username[:64]))
    known = staff.password_hash if staff and staff.state is StaffState.active else None
    if staff is None or known is None or not _is_right(known, password):
        if known is None:
            check_password_hash(_NOBODY, password)
        whose = staff.merchant_id if staff else None
        _count(session, here, TRIES, now, whose)
        _count(session, everywhere, TRIES_EVERYWHERE, now, whose)
        return None
    lockouts.clear(session, here, now=now)
    return staff


def verify(session: Session, staff: Staff, password: str, now: datetime) -> bool:
    """Whether somebody who is logged in knows their password; counted apart from log-ins.

    Ten failures within a minute lock this for five minutes (raises TooMany). The door commits
    before it refuses.
    """
    subject = f"stepup:staff:{staff.id}"
    lockouts.check(session, subject, now=now)
    known = staff.password_hash if staff.state is StaffState.active else None
    if known is None or not _is_right(known, password):
        _count(session, subject, TRIES, now, staff.merchant_id)
        return False
    lockouts.clear(session, subject, now=now)
    return True


def _count(
    session: Session, subject: str, limit: int, now: datetime, merchant_id: int | None
) -> None:
    lockouts.fail(
        session, subject, now=now, limit=limit, window=WINDOW, lock=LOCK, merchant_id=merchant_id
    )


def _is_right(known: str, password: str) -> bool:
    return check_password_hash(known, password) and not _is_published(password)


def list_published(session: Session, limit: int = 50) -> list[str]:
    """User names of active staff whose password is the demo's, which everybody knows."""
    found = (
        select(Staff.username, Staff.password_hash)
        .where(Staff.state == StaffState.active, Staff.password_hash.is_not(None))
        .order_by(Staff.id)
        .limit(limit)
    )
    return [
        username or ""
        for username, known in session.execute(found)
        if known and check_password_hash(known, DEMO_PASSWORD)
    ]


def _is_published(password: str) -> bool:
    return password == DEMO_PASSWORD and not current_config().app.demo
