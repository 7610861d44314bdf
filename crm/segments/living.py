"""Live membership: who is in a segment now, who came and who went since the last look.

A refresh goes through the merchant's members once, slice by slice, and asks each whether the rule
and the kept membership agree. Where nothing changed it reads and writes nothing. A refresh that
dies half-way has done its slices; two at once find each other's work done.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import (
    ColumnElement,
    and_,
    case,
    delete,
    exists,
    func,
    select,
    update,
)
from sqlalchemy.orm import Session

from core import rows
from core.bulk import insert_ignore_alike
from core.clock import business_day
from core.database import claim
from core.outbox import enqueue
from crm import tags
from crm.models import Member, MemberTag, Segment, SegmentDay, SegmentMember, Tag
from crm.segments.compiling import customers, matches, tree
from crm.segments.slicing import between, end_of_slice, pieces

SLICE = 100_000
WRITE = 5_000


@dataclass(frozen=True)
class Slice:
    """`last_id` None: there are no more members."""

    last_id: int | None
    came: int
    went: int


def refresh_slice(
    session: Session, segment: Segment, *, after_id: int, now: datetime, limit: int = SLICE
) -> Slice:
    """Bring the membership of the next `limit` members up to date.

    What the first refresh finds was in already: nobody came on that day.
    """
    last_id = end_of_slice(session, segment.merchant_id, after_id, limit)
    came, went = _changes(session, segment, after_id, last_id, now)
    entered = sum(_enter(session, segment, some, now) for some in pieces(came, WRITE))
    left = sum(_leave(session, segment.id, some, now) for some in pieces(went, WRITE))
    if segment.tag_id is not None:
        _mirror(session, segment, segment.tag_id, after_id, last_id, now)
    if segment.refreshed_at is not None and (entered or left):
        day = _day(session, segment.id, business_day(now))
        claim(
            session,
            update(SegmentDay)
            .where(*day)
            .values(came=SegmentDay.came + entered, went=SegmentDay.went + left),
        )
    return Slice(last_id, entered, left)


def settle(session: Session, segment: Segment, now: datetime) -> int:
    """After the last slice: note how many are in, and when that was."""
    number = session.scalar(
        select(func.count())
        .select_from(SegmentMember)
        .where(SegmentMember.segment_id == segment.id, SegmentMember.left_at.is_(None))
    )
    segment.members_count, segment.refreshed_at = number or 0, now
    session.flush()
    day = _day(session, segment.id, business_day(now))
    claim(session, update(SegmentDay).where(*day).values(members=segment.members_count))
    return segment.members_count


def refresh(session: Session, segment: Segment, now: datetime) -> int:
    """All slices in one transaction, for small merchants; how many are in."""
    last_id: int | None = 0
    while last_id is not None:
        last_id = refresh_slice(session, segment, after_id=last_id, now=now).last_id
    return settle(session, segment, now)


def refresh_soon(session: Session, segment: Segment) -> None:
    """A job looks at once, for a segment that was just drawn."""
    enqueue(session, "crm.refresh_segment", segment_id=segment.id)


def recent(
    session: Session, segment_id: int, *, left: bool = False
) -> list[tuple[Member, datetime]]:
    """Who came in last, or went out last, with the moment; ten of them."""
    at = SegmentMember.left_at if left else SegmentMember.entered_at
    inside = and_(SegmentMember.left_at.is_(None), SegmentMember.came.is_(True))
    state = at.is_not(None) if left else inside
    found = (
        select(Member, at)
        .join(SegmentMember, SegmentMember.member_id == Member.id)
        .where(SegmentMember.segment_id == segment_id, state)
        .order_by(at.desc(), SegmentMember.member_id)
        .limit(10)
    )
    return [(member, moment) for member, moment in session.execute(found) if moment]


def days(session: Session, segment_id: int, now: datetime, number: int = 14) -> list[SegmentDay]:
    """The last days that were counted, the oldest first."""
    first = business_day(now) - timedelta(days=number - 1)
    return list(
        session.scalars(
            select(SegmentDay)
            .where(SegmentDay.segment_id == segment_id, SegmentDay.day >= first)
            .order_by(SegmentDay.day)
        )
    )


def moves(
    session: Session, segment_ids: Sequence[int], now: datetime, number: int = 7
) -> dict[int, tuple[int, int]]:
    """How many came into each segment and went out of it in the last days, where anybody did."""
    first = business_day(now) - timedelta(days=number - 1)
    found = session.execute(
        select(SegmentDay.segment_id, func.sum(SegmentDay.came), func.sum(SegmentDay.went))
        .where(SegmentDay.segment_id.in_(segment_ids), SegmentDay.day >= first)
        .group_by(SegmentDay.segment_id)
    )
    return {id_: (int(came), int(went)) for id_, came, went in found}


def _changes(
    session: Session, segment: Segment, after_id: int, last_id: int | None, now: datetime
) -> tuple[list[int], list[int]]:
    """Whom the rule takes in and the kept membership does not know, and the other way round."""
    kept = SegmentMember.member_id.is_not(None)
    fits = and_(customers(segment.merchant_id), matches(tree(segment.rule), now))
    is_in, was_in = case((fits, 1), else_=0), case((kept, 1), else_=0)
    live = and_(
        SegmentMember.segment_id == segment.id,
        SegmentMember.member_id == Member.id,
        SegmentMember.left_at.is_(None),
    )
    changed = session.execute(
        select(Member.id, was_in)
        .outerjoin(SegmentMember, live)
        .where(
            Member.merchant_id == segment.merchant_id,
            *between(Member.id, after_id, last_id),
            is_in != was_in,
        )
        .order_by(Member.id)
    ).all()
    came = [id_ for id_, was in changed if not was]
    return came, [id_ for id_, was in changed if was]


def _enter(session: Session, segment: Segment, ids: Sequence[int], now: datetime) -> int:
    stay = {"entered_at": now, "came": segment.refreshed_at is not None}
    again = claim(
        session,
        update(SegmentMember)
        .where(
            SegmentMember.segment_id == segment.id,
            SegmentMember.member_id.in_(ids),
            SegmentMember.left_at.is_not(None),
        )
        .values(**stay, left_at=None),
    )
    common = {"segment_id": segment.id, **stay}
    given = [(id_,) for id_ in ids]
    return again + insert_ignore_alike(session, SegmentMember, common, ["member_id"], given)


def _leave(session: Session, segment_id: int, ids: Sequence[int], now: datetime) -> int:
    return claim(
        session,
        update(SegmentMember)
        .where(
            SegmentMember.segment_id == segment_id,
            SegmentMember.member_id.in_(ids),
            SegmentMember.left_at.is_(None),
        )
        .values(left_at=now),
    )


def _mirror(
    session: Session,
    segment: Segment,
    tag_id: int,
    after_id: int,
    last_id: int | None,
    now: datetime,
) -> None:
    """The tag of a segment is on its members and, where the segment put it, on nobody else."""
    by = f"segment:{segment.id}"
    live = and_(
        SegmentMember.segment_id == segment.id,
        SegmentMember.left_at.is_(None),
        *between(SegmentMember.member_id, after_id, last_id),
    )
    has = exists().where(MemberTag.member_id == SegmentMember.member_id, MemberTag.tag_id == tag_id)
    missing = select(SegmentMember.member_id).where(live, ~has)
    fresh = session.scalars(missing.order_by(SegmentMember.member_id)).all()
    common = {"tag_id": tag_id, "tagged_at": now, "tagged_by": by}
    tag = session.get_one(Tag, tag_id)
    for some in pieces(fresh, WRITE):
        insert_ignore_alike(session, MemberTag, common, ["member_id"], [(id_,) for id_ in some])
        tags.note_put(session, tag, some, now=now)
    still = select(SegmentMember.member_id).where(live)
    mine = (
        MemberTag.tag_id == tag_id,
        MemberTag.tagged_by == by,
        *between(MemberTag.member_id, after_id, last_id),
    )
    claim(session, delete(MemberTag).where(*mine, MemberTag.member_id.not_in(still)))


def _day(session: Session, segment_id: int, day: date) -> tuple[ColumnElement[bool], ...]:
    """The row of a segment's day, made if it is the first of it."""
    rows.add_new(
        session,
        SegmentDay,
        {"segment_id": segment_id, "day": day, "came": 0, "went": 0, "members": 0},
    )
    return (SegmentDay.segment_id == segment_id, SegmentDay.day == day)
