"""A member takes a coupon: so many per person by unique keys, so many in all by the counter."""

from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from coupons.errors import ClaimLimit, NotClaimable, TemplateNotFound
from coupons.issuing import get_template, issue
from coupons.models import Coupon


def claim_one(
    session: Session, template_id: int, member_id: int, *, merchant_id: int, now: datetime
) -> Coupon:
    """The member's next coupon of a claimable template of their merchant.

    Raises NotClaimable, ClaimLimit (this person had theirs) or GoneAlready (all gone). Claims that
    race for the same place are told apart by the key `claim:<template>:<member>:<n>`.
    """
    template = get_template(session, template_id)
    if template.merchant_id != merchant_id:
        raise TemplateNotFound
    if not template.claimable:
        raise NotClaimable("这张券不能自己领")
    had = count_claimed(session, template_id, member_id)
    for place in range(had + 1, template.per_member_limit + 1):
        key = f"claim:{template_id}:{member_id}:{place}"
        coupon = issue(
            session,
            template_id,
            member_id,
            source="claim",
            key=key,
            actor=f"member:{member_id}",
            now=now,
        )
        if coupon is not None:
            return coupon
    raise ClaimLimit(f"每人最多领 {template.per_member_limit} 张")


def count_claimed(session: Session, template_id: int, member_id: int) -> int:
    return (
        session.scalar(
            select(func.count()).where(
                Coupon.template_id == template_id,
                Coupon.member_id == member_id,
                Coupon.source == "claim",
            )
        )
        or 0
    )
