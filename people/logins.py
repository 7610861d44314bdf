"""Log-in sessions: opaque tokens, stored hashed, with an end and a way to end them at once."""

from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, delete, select, update
from sqlalchemy.orm import Session

from core.database import claim
from core.numbers import new_token, token_hash
from people.models import Audience, Identity, LoginSession, Person


def open_session(
    session: Session,
    *,
    person: Person | None,
    identity: Identity | None,
    audience: Audience | str,
    lifetime: timedelta,
    now: datetime,
    staff_id: int | None = None,
) -> str:
    """Log somebody in; the token is returned once and kept only as its hash.

    Staff who log in by password may have neither person nor identity, only `staff_id`.
    """
    token = new_token()
    session.add(
        LoginSession(
            token_hash=token_hash(token),
            person_id=person.id if person else None,
            identity_id=identity.id if identity else None,
            audience=Audience(audience),
            staff_id=staff_id,
            created_at=now,
            expires_at=now + lifetime,
        )
    )
    session.flush()
    return token


def find_session(session: Session, token: str, now: datetime) -> LoginSession | None:
    """The live session of a token; None when unknown, expired or ended."""
    return session.scalar(select(LoginSession).where(is_live(token, now)))


def is_live(token: str, now: datetime) -> ColumnElement[bool]:
    """The condition of `find_session`, for a door that reads more in the same query."""
    return and_(
        LoginSession.token_hash == token_hash(token),
        LoginSession.revoked_at.is_(None),
        LoginSession.expires_at > now,
    )


def close_session(session: Session, token: str, now: datetime) -> bool:
    """Log out. False: there was nothing to end."""
    return _revoke(session, LoginSession.token_hash == token_hash(token), now) == 1


def close_all_of_staff(session: Session, staff_id: int, now: datetime) -> int:
    """End every session of a staff member, as when they leave or change their password."""
    return _revoke(session, LoginSession.staff_id == staff_id, now)


def forget_old(session: Session, before: datetime, limit: int = 1000) -> int:
    """Delete sessions that ended before a moment, a slice at a time; returns how many went."""
    old = select(LoginSession.id).where(LoginSession.expires_at < before).limit(limit)
    ids = list(session.scalars(old))
    return claim(session, delete(LoginSession).where(LoginSession.id.in_(ids))) if ids else 0


def _revoke(session: Session, which: object, now: datetime) -> int:
    ending = update(LoginSession).where(which, LoginSession.revoked_at.is_(None))  # type: ignore[arg-type]
    return claim(session, ending.values(revoked_at=now))
