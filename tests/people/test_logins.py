"""Log-in sessions: opaque, hashed, ending."""

from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from people import logins
from people.models import Audience, LoginSession
from tests.factories.merchants import make_staff
from tests.factories.people import make_recognition, make_token


def test_a_token_opens_its_session_and_is_stored_only_as_a_hash(
    session: Session, now: datetime
) -> None:
    known = make_recognition(session)

    token = make_token(session, known)

    login = logins.find_session(session, token, now)
    assert login is not None
    assert (login.person_id, login.identity_id) == (known.person.id, known.identity.id)
    assert token not in str(session.execute(select(LoginSession.token_hash)).scalar_one())
    assert len(token) >= 40


def test_an_expired_or_unknown_token_opens_nothing(session: Session, now: datetime) -> None:
    token = make_token(session, lifetime=timedelta(hours=1))

    assert logins.find_session(session, token, now + timedelta(minutes=59)) is not None
    assert logins.find_session(session, token, now + timedelta(hours=1)) is None
    assert logins.find_session(session, token + "x", now) is None
    assert logins.find_session(session, "", now) is None


def test_logging_out_ends_the_session_once(session: Session, now: datetime) -> None:
    token = make_token(session)

    assert logins.close_session(session, token, now)
    assert not logins.close_session(session, token, now)
    assert logins.find_session(session, token, now) is None


def test_a_leaving_clerk_loses_every_session(session: Session, now: datetime) -> None:
    staff = make_staff(session)
    opened = [
        logins.open_session(
            session,
            person=None,
            identity=None,
            audience=Audience.staff,
            lifetime=timedelta(hours=12),
            now=now,
            staff_id=staff.id,
        )
        for _ in range(2)
    ]

    assert logins.close_all_of_staff(session, staff.id, now) == 2
    assert [logins.find_session(session, token, now) for token in opened] == [None, None]


def test_old_sessions_are_forgotten_a_slice_at_a_time(session: Session, now: datetime) -> None:
    for _ in range(3):
        make_token(session, lifetime=timedelta(hours=1))
    kept = make_token(session, lifetime=timedelta(days=30))
    later = now + timedelta(days=2)

    assert logins.forget_old(session, later, limit=2) == 2
    assert logins.forget_old(session, later, limit=2) == 1
    assert logins.find_session(session, kept, later) is not None
