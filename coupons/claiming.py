"""A member takes a coupon: so many per person by unique keys, in all and a day by counters."""

from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from core.clock import business_day
from coupons import counting
from coupons.errors import ClaimLimit, DailyLimit, NotClaimable, TemplateNotFound
from coupons.issuing import get_template, issue
from coupons.models import Coupon, CouponTemplate


def claim_one(
    session: Session, template_id: int, member_id: int, *, merchant_id: int, now: datetime
) -> Coupon:
    """The member's next coupon of a claimable template of their merchant.

    Raises NotClaimable, ClaimLimit (this person had theirs), DailyLimit or GoneAlready (all gone),
    and then the caller's transaction must roll back. Claims that race for the same place are told
    apart by the key `claim:<template>:<member>:<n>`.
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
            _count_day(session, template, member_id, now)
            return coupon
    raise ClaimLimit(f"每人最多领 {template.per_member_limit} 张")


def _count_day(session: Session, template: CouponTemplate, member_id: int, now: datetime) -> None:
    """Under the template's lock: the last claims of a day queue, they do not deadlock."""
    today = business_day(now)
    mine, all_ = template.member_daily_limit, template.daily_limit
    if mine is not None:
        subject = f"claim:{template.id}:{member_id}"
        if not counting.take(session, subject, today, mine):
            raise DailyLimit(f"每人每天最多领 {mine} 张，明天再来")
    if all_ is not None and not counting.take(session, f"claim:{template.id}", today, all_):
        raise DailyLimit(f"今天的 {all_} 张领完了，明天再来")


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
