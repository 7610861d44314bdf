"""A visit: somebody stood in the store (picked up, was served, redeemed a coupon)."""

from datetime import datetime

from sqlalchemy import bindparam, case, update
from sqlalchemy.orm import Session

from core import rows
from core.clock import business_day, local
from core.database import UTCDateTime
from crm import events
from crm.models import Member, MemberVisit

_MEMBERS = rows.table_of(Member).c
_AT = bindparam("at", type_=UTCDateTime())
_SEEN = (
    update(rows.table_of(Member))
    .where(_MEMBERS.id == bindparam("seen_id"), _MEMBERS.merged_into_id.is_(None))
    .values(last_visit_at=case((_MEMBERS.last_visit_at > _AT, _MEMBERS.last_visit_at), else_=_AT))
)


def record_visit(
    session: Session,
    member_id: int,
    store_id: int,
    now: datetime,
    *,
    cause: dict[str, int] | None = None,
) -> None:
    """Remember the visit; the last visit only moves forward, and a day in a store counts once.

    `cause` is what brought them, for the timeline: {"order_id": …} or {"coupon_id": …}.
    """
    if rows.run(session, _SEEN, {"seen_id": member_id, "at": now}) == 0:
        merged = session.get_one(Member, member_id, populate_existing=True)
        if merged.merged_into_id is not None:
            record_visit(session, merged.merged_into_id, store_id, now, cause=cause)
        return
    rows.reread(session, Member, member_id)
    here = local(now)
    visit = {
        "member_id": member_id,
        "store_id": store_id,
        "day": business_day(now),
        "at": now,
        "weekday": here.isoweekday(),
        "hour": here.hour,
    }
    rows.add_new(session, MemberVisit, visit)
    events.record(session, member_id, "visited", now=now, store_id=store_id, data=cause)
