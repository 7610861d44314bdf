"""A visit: somebody stood in the store (picked up, was served, redeemed a coupon)."""

from datetime import datetime

from sqlalchemy import or_, update
from sqlalchemy.orm import Session

from core.database import claim
from crm import events
from crm.models import Member


def record_visit(
    session: Session,
    member_id: int,
    store_id: int,
    now: datetime,
    *,
    cause: dict[str, int] | None = None,
) -> None:
    """Remember the visit; the last visit only moves forward.

    `cause` is what brought them, for the timeline: {"order_id": …} or {"coupon_id": …}.
    """
    claim(
        session,
        update(Member)
        .where(
            Member.id == member_id,
            or_(Member.last_visit_at.is_(None), Member.last_visit_at < now),
        )
        .values(last_visit_at=now),
    )
    member = session.get_one(Member, member_id, populate_existing=True)
    if member.merged_into_id is not None:
        return record_visit(session, member.merged_into_id, store_id, now, cause=cause)
    events.record(session, member_id, "visited", now=now, store_id=store_id, data=cause)
    return None
