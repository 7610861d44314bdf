"""Factories of people."""

from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from core.numbers import random_code
from people import identities, logins
from people.models import Audience, IdentityKind, Person
from tests.conftest import NOW

MINI = "wxa41f0c6d8e2b7593"
OFFICIAL = "wx7c3e1a905b2d4f60"


def make_person(session: Session, *, nickname: str = "阿青", union_id: str | None = None) -> Person:
    person = Person(nickname=nickname, union_id=union_id, created_at=NOW)
    session.add(person)
    session.flush()
    return person


def make_recognition(
    session: Session,
    *,
    kind: IdentityKind = IdentityKind.mini,
    appid: str | None = None,
    openid: str | None = None,
    union_id: str | None = None,
    now: datetime = NOW,
) -> identities.Recognition:
    chosen = appid or (MINI if kind is IdentityKind.mini else OFFICIAL)
    openid = openid or f"o{random_code(20)}"
    return identities.recognise(
        session, kind=kind, appid=chosen, openid=openid, union_id=union_id, now=now
    )


def make_token(
    session: Session,
    recognition: identities.Recognition | None = None,
    *,
    audience: Audience = Audience.member,
    lifetime: timedelta = timedelta(days=30),
    now: datetime = NOW,
) -> str:
    known = recognition or make_recognition(session)
    return logins.open_session(
        session,
        person=known.person,
        identity=known.identity,
        audience=audience,
        lifetime=lifetime,
        now=now,
    )
