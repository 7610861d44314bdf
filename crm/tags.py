"""Tags by hand: short words that staff put on members."""

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from core.database import claim, insert_ignore
from crm import events
from crm.errors import TagInvalid, TagNotFound
from crm.models import Member, MemberTag, Tag
from people.models import Identity

MAX_LENGTH = 16


def ensure_tag(
    session: Session, merchant_id: int, name: str, *, now: datetime, mirrored: bool = False
) -> Tag:
    """The merchant's tag of this name, made if there was none; `mirrored` counts for a new one."""
    name = name.strip()
    if not 1 <= len(name) <= MAX_LENGTH:
        raise TagInvalid(errors={"name": TagInvalid.title})
    row = {"merchant_id": merchant_id, "name": name, "mirrored": mirrored, "created_at": now}
    insert_ignore(session, Tag, [row])
    return session.scalars(
        select(Tag).where(Tag.merchant_id == merchant_id, Tag.name == name)
    ).one()


def get_tag(session: Session, merchant_id: int, tag_id: int) -> Tag:
    tag = session.get(Tag, tag_id)
    if tag is None or tag.merchant_id != merchant_id:
        raise TagNotFound
    return tag


def put(session: Session, tag: Tag, member_ids: Sequence[int], *, actor: str, now: datetime) -> int:
    """Tag these members of the tag's merchant; how many did not have it before."""
    new = session.scalars(
        select(Member.id).where(
            Member.merchant_id == tag.merchant_id,
            Member.id.in_(member_ids),
            Member.id.not_in(select(MemberTag.member_id).where(MemberTag.tag_id == tag.id)),
        )
    ).all()
    rows = [
        {"member_id": member_id, "tag_id": tag.id, "tagged_at": now, "tagged_by": actor}
        for member_id in new
    ]
    note_put(session, tag, new, now=now)
    return insert_ignore(session, MemberTag, rows)


def note_put(session: Session, tag: Tag, member_ids: Sequence[int], *, now: datetime) -> None:
    """On the timeline of each, and to the journeys that wait for it."""
    facts = {"tag_id": tag.id, "name": tag.name}
    events.record_of_many(session, "tagged", dict.fromkeys(member_ids, facts), now=now)


def take_off(session: Session, tag: Tag, member_ids: Sequence[int]) -> int:
    """Remove the tag from these members; how many had it."""
    return claim(
        session,
        delete(MemberTag).where(
            MemberTag.tag_id == tag.id, MemberTag.member_id.in_(list(member_ids))
        ),
    )


def list_tags(session: Session, merchant_id: int) -> list[tuple[Tag, int]]:
    """The merchant's tags with how many members have each, the most used first."""
    count = func.count(MemberTag.member_id)
    return [
        (tag, used)
        for tag, used in session.execute(
            select(Tag, count)
            .outerjoin(MemberTag, MemberTag.tag_id == Tag.id)
            .where(Tag.merchant_id == merchant_id)
            .group_by(Tag.id)
            .order_by(count.desc(), Tag.name)
        )
    ]


def tags_of(session: Session, member_ids: Sequence[int]) -> dict[int, list[Tag]]:
    """The tags of each of these members."""
    found: dict[int, list[Tag]] = {member_id: [] for member_id in member_ids}
    for member_id, tag in session.execute(
        select(MemberTag.member_id, Tag)
        .join(Tag, Tag.id == MemberTag.tag_id)
        .where(MemberTag.member_id.in_(list(member_ids)))
        .order_by(MemberTag.tagged_at)
    ):
        found[member_id].append(tag)
    return found


def set_mirrored(session: Session, tag: Tag, mirrored: bool) -> bool:
    """Whether the tag is kept the same at WeChat from now on; False when that was so."""
    other = update(Tag).where(Tag.id == tag.id, Tag.mirrored.is_not(mirrored))
    return claim(session, other.values(mirrored=mirrored)) == 1


def list_mirrored(session: Session, merchant_id: int) -> list[Tag]:
    """The oldest first: WeChat takes a hundred."""
    found = select(Tag).where(Tag.merchant_id == merchant_id, Tag.mirrored.is_(True))
    return list(session.scalars(found.order_by(Tag.id)))


def wearers(session: Session, tag_id: int, appid: str) -> dict[str, int]:
    """The members with a tag who are known at an account: openid → member id."""
    found = (
        select(Identity.openid, Member.id)
        .join(Member, Member.person_id == Identity.person_id)
        .join(MemberTag, MemberTag.member_id == Member.id)
        .where(MemberTag.tag_id == tag_id, Identity.appid == appid)
    )
    return dict(session.execute(found).all())


def members_of(
    session: Session, merchant_id: int, appid: str, openids: Collection[str]
) -> dict[str, int]:
    """The merchant's members behind these openids; strangers are left out."""
    found: dict[str, int] = {}
    given = sorted(openids)
    for start in range(0, len(given), 1_000):
        known = (
            select(Identity.openid, Member.id)
            .join(Member, Member.person_id == Identity.person_id)
            .where(
                Identity.appid == appid,
                Identity.openid.in_(given[start : start + 1_000]),
                Member.merchant_id == merchant_id,
                Member.merged_into_id.is_(None),
            )
        )
        found |= dict(session.execute(known).all())
    return found
