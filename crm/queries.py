"""Reads of members wanted by more than one caller; the gate to a merchant's member."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from crm.errors import MemberNotFound
from crm.models import Member, MemberTag, Purchase, Tier
from crm.segments.compiling import everyone, matches, tree
from people import phones


def get_member(session: Session, merchant_id: int, member_id: int) -> Member:
    """The merchant's own member. Another merchant's is not found."""
    member = session.get(Member, member_id)
    if member is None or member.merchant_id != merchant_id:
        raise MemberNotFound
    return member


def get_member_by_no(session: Session, merchant_id: int, no: str) -> Member:
    member = session.scalars(
        select(Member).where(Member.merchant_id == merchant_id, Member.no == no)
    ).one_or_none()
    if member is None:
        raise MemberNotFound
    return member


def list_members(
    session: Session,
    merchant_id: int,
    *,
    q: str = "",
    rule: Any = None,
    tier: Tier | None = None,
    tag_id: int | None = None,
    store_id: int | None = None,
    before_id: int | None = None,
    limit: int = 50,
    now: datetime,
) -> list[Member]:
    """The newest first; `q` is part of a name, a whole member number or a whole phone number.

    A segment's `rule` is a filter like any other.
    """
    query = select(Member).where(everyone(merchant_id))
    if q := q.strip():
        query = query.where(
            or_(
                Member.name.contains(q, autoescape=True),
                Member.no == q[:16],
                Member.person_id == (_owner_of_phone(session, q) or 0),
            )
        )
    if rule is not None:
        query = query.where(matches(tree(rule), now))
    if tier is not None:
        query = query.where(Member.tier == tier)
    if tag_id is not None:
        tagged = select(MemberTag.member_id).where(MemberTag.tag_id == tag_id)
        query = query.where(Member.id.in_(tagged))
    if store_id is not None:
        query = query.where(Member.source_store_id == store_id)
    if before_id is not None:
        query = query.where(Member.id < before_id)
    return list(session.scalars(query.order_by(Member.id.desc()).limit(limit)))


def count_members(session: Session, merchant_id: int) -> int:
    return session.scalar(select(func.count(Member.id)).where(everyone(merchant_id))) or 0


def list_purchases(session: Session, member_id: int, *, limit: int = 20) -> list[Purchase]:
    """The newest first."""
    return list(
        session.scalars(
            select(Purchase)
            .where(Purchase.member_id == member_id)
            .order_by(Purchase.paid_at.desc())
            .limit(limit)
        )
    )


def names_of(session: Session, member_ids: Sequence[int]) -> dict[int, str]:
    """Names for lists of orders and coupons."""
    rows = session.execute(select(Member.id, Member.name).where(Member.id.in_(list(member_ids))))
    return dict(rows.all())


def _owner_of_phone(session: Session, q: str) -> int | None:
    try:
        person = phones.find_person(session, q)
    except phones.InvalidPhone:
        return None
    return person.id if person else None
