"""Recognising somebody by (appid, openid), and joining what belongs to one person by UnionID."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from core.database import claim, insert_ignore
from people import merging
from people.models import Identity, IdentityKind, MergeReason, Person


@dataclass(frozen=True)
class Recognition:
    """`absorbed` is the person that has just been merged into `person`, once, by this call."""

    identity: Identity
    person: Person
    absorbed: Person | None = None


def recognise(
    session: Session,
    *,
    kind: IdentityKind | str,
    appid: str,
    openid: str,
    union_id: str | None = None,
    now: datetime,
) -> Recognition:
    """The person behind an identity, created on the first meeting.

    Works in either order: an identity that was met without a UnionID joins the person of that
    UnionID as soon as it is known. Safe when called twice at once: unique keys decide.
    """
    identity = find_identity(session, appid, openid)
    if identity is None:
        identity = _meet(session, IdentityKind(kind), appid, openid, union_id or None, now)
    person = session.get_one(Person, identity.person_id)
    if not union_id or person.union_id == union_id:
        return Recognition(identity, person)
    if person.union_id is not None:
        return Recognition(identity, person)  # a second UnionID: the account was bound elsewhere
    return _join(session, identity, person, union_id, now)


def find_identity(session: Session, appid: str, openid: str) -> Identity | None:
    return session.scalar(
        select(Identity)
        .where(Identity.appid == appid, Identity.openid == openid)
        .execution_options(populate_existing=True)
    )


def list_identities(session: Session, person_id: int) -> list[Identity]:
    """Every WeChat identity of a person, oldest first; of an absorbed one, those of who stayed.

    Staff and orders go on naming the person they knew, so their messages must still arrive.
    """
    found = (
        select(Identity)
        .join(Person, Identity.person_id == func.coalesce(Person.merged_into_id, Person.id))
        .where(Person.id == person_id)
        .order_by(Identity.id)
    )
    return list(session.scalars(found.execution_options(populate_existing=True)))


def find_person_by_union(session: Session, union_id: str) -> Person | None:
    return session.scalar(select(Person).where(Person.union_id == union_id))


def _meet(
    session: Session,
    kind: IdentityKind,
    appid: str,
    openid: str,
    union_id: str | None,
    now: datetime,
) -> Identity:
    """Write the identity, with the person of its UnionID or a new one; the unique key decides."""
    person_id = _person_for(session, union_id, now)
    row = {
        "person_id": person_id,
        "kind": kind,
        "appid": appid,
        "openid": openid,
        "created_at": now,
    }
    if not insert_ignore(session, Identity, [row]) and union_id is None:
        claim(session, delete(Person).where(Person.id == person_id))  # somebody else was first
    identity = find_identity(session, appid, openid)
    assert identity is not None
    return identity


def _person_for(session: Session, union_id: str | None, now: datetime) -> int:
    if union_id is None:
        person = Person(created_at=now)
        session.add(person)
        session.flush()
        session.expunge(person)
        return person.id
    known = find_person_by_union(session, union_id)
    if known is None:
        row = {"union_id": union_id, "nickname": "", "avatar": "", "created_at": now}
        insert_ignore(session, Person, [row])
        known = find_person_by_union(session, union_id)
    assert known is not None
    return known.id


def _join(
    session: Session, identity: Identity, person: Person, union_id: str, now: datetime
) -> Recognition:
    """A person without a UnionID learns it: it takes it, or joins the person who holds it."""
    keeper = find_person_by_union(session, union_id)
    if keeper is None and _take_union(session, person, union_id):
        return Recognition(identity, person)
    keeper = keeper or find_person_by_union(session, union_id)
    assert keeper is not None
    absorbed = merging.absorb(session, keeper, person, reason=MergeReason.union_id, now=now)
    session.refresh(identity)
    person = session.get_one(Person, identity.person_id)
    return Recognition(identity, person, absorbed)


def _take_union(session: Session, person: Person, union_id: str) -> bool:
    taking = update(Person).where(Person.id == person.id, Person.union_id.is_(None))
    try:
        with session.begin_nested():
            taken = claim(session, taking.values(union_id=union_id)) == 1
    except IntegrityError:  # another identity of the same human was quicker
        return False
    session.refresh(person)
    return taken or person.union_id == union_id
