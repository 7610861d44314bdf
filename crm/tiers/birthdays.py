"""What a tier gives on a birthday: once a year whatever tier they have moved to since, for as many
as the coupon's total still allows.
"""

from collections.abc import Sequence
from datetime import date, datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from coupons import issuing
from coupons.models import Coupon

LATE = 3
"""Days that are looked at again, should the day's job never have run."""


def days(today: date) -> list[date]:
    return [today - timedelta(days=ago) for ago in range(LATE)]


def give(
    session: Session, template_id: int, born: Sequence[int], day: date, *, now: datetime
) -> bool:
    """A coupon to those who have none of this year's yet; False: not all of them, it has run out.

    Raises NotClaimable while the template does not give out coupons.
    """
    source = f"birthday:{day.year}"
    template = issuing.lock_template(session, template_id)
    given = select(Coupon.member_id).where(Coupon.source == source, Coupon.member_id.in_(born))
    have = set(session.scalars(given))
    fresh = [member_id for member_id in born if member_id not in have]
    room = fresh if template.left is None else fresh[: template.left]
    if room:
        issuing.issue_many(session, template, room, source=source, now=now)
    return len(room) == len(fresh)
