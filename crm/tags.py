"""Tags by hand: short words that staff put on members."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from core.database import claim, insert_ignore
from crm import listening
from crm.errors import TagInvalid, TagNotFound
from crm.models import Member, MemberTag, Tag

MAX_LENGTH = 16


def ensure_tag(session: Session, merchant_id: int, name: str, *, now: datetime) -> Tag:
    """The merchant's tag of this name, made if there was none."""
    name = name.strip()
    if not 1 <= len(name) <= MAX_LENGTH:
        raise TagInvalid(errors={"name": TagInvalid.title})
    insert_ignore(session, Tag, [{"merchant_id": merchant_id, "name": name, "created_at": now}])
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
    for member_id in new:
        listening.tell(session, member_id, [("tagged", now, {"tag_id": tag.id})])
    return insert_ignore(session, MemberTag, rows)


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
