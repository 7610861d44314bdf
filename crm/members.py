"""Who somebody is at one merchant: the member is found, made, or recognised from WeChat."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.database import insert_ignore
from core.numbers import DIGITS, random_code
from crm import merging
from crm.errors import MemberNotFound
from crm.models import Member
from people import identities
from people.models import Person


def find(session: Session, *, merchant_id: int, person_id: int) -> Member | None:
    """The person's member at the merchant; of a merged one, the member it went into."""
    member = session.scalars(
        select(Member).where(Member.merchant_id == merchant_id, Member.person_id == person_id)
    ).one_or_none()
    return member and living(session, member.id)


def living(session: Session, member_id: int) -> Member:
    """The member, or the one it was merged into."""
    member = session.get(Member, member_id)
    while member is not None and member.merged_into_id is not None:
        member = session.get(Member, member.merged_into_id)
    if member is None:
        raise MemberNotFound
    return member


def ensure(
    session: Session,
    *,
    merchant_id: int,
    person: Person,
    source_store_id: int | None = None,
    source_scene: str = "",
    name: str = "",
    now: datetime,
) -> Member:
    """The person's member at the merchant, made if there was none: under `name`, else under what
    they call themselves.

    The source is what brought the member first and never changes; a member that came without a
    store takes the first store that is told.
    """
    member = find(session, merchant_id=merchant_id, person_id=person.id)
    if member is None:
        member = _join(session, merchant_id, person, source_store_id, source_scene, name, now)
    if member.source_store_id is None and source_store_id is not None:
        member.source_store_id = source_store_id
        member.source_scene = member.source_scene or source_scene
        session.flush()
    return member


def recognise(
    session: Session,
    *,
    merchant_id: int,
    kind: str,
    appid: str,
    openid: str,
    union_id: str | None = None,
    source_store_id: int | None = None,
    source_scene: str = "",
    now: datetime,
) -> Member:
    """The member behind an openid. When that joins two persons, their members are merged."""
    seen = identities.recognise(
        session, kind=kind, appid=appid, openid=openid, union_id=union_id, now=now
    )
    if seen.absorbed is not None:
        merging.join_persons(session, kept=seen.person, absorbed=seen.absorbed, now=now)
    return ensure(
        session,
        merchant_id=merchant_id,
        person=seen.person,
        source_store_id=source_store_id,
        source_scene=source_scene,
        now=now,
    )


def _join(
    session: Session,
    merchant_id: int,
    person: Person,
    source_store_id: int | None,
    source_scene: str,
    name: str,
    now: datetime,
) -> Member:
    row = {
        "merchant_id": merchant_id,
        "person_id": person.id,
        "name": name or person.nickname or "",
        "source_store_id": source_store_id,
        "source_scene": source_scene,
        "joined_at": now,
    }
    for _ in range(5):  # a number that was drawn before is refused like a repeat: draw again
        insert_ignore(session, Member, [{**row, "no": random_code(12, DIGITS)}])
        member = find(session, merchant_id=merchant_id, person_id=person.id)
        if member is not None:
            return member
    raise RuntimeError("no free member number")
