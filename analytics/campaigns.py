"""The report of a campaign: redemption, and what it brought against the hold-out.

Who was sent what is `crm.campaigns.queries.progress`.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import case, func, select
from sqlalchemy.orm import Session

from analytics.lift import Group, Lift, compare
from coupons.models import Coupon, CouponState
from crm.models import Arm, Campaign, CampaignState, Purchase, Recipient
from orders.models import Order

WINDOW = timedelta(days=14)
"""Spending counts for two weeks from the launch, for both groups alike."""


@dataclass(frozen=True)
class Redemption:
    issued: int
    redeemed: int
    cost_fen: int
    revenue_fen: int
    """What was paid, coupon taken off: for orders that used one, and in store for the bills that
    the clerk entered."""


@dataclass(frozen=True)
class Spending:
    reached: Group
    held: Group
    lift: Lift
    since: datetime
    until: datetime

    @property
    def total_fen(self) -> float:
        """The lift of everybody who was reached, taken together."""
        return self.lift.point * self.reached.people


def redemption(session: Session, campaign_id: int) -> Redemption:
    used = Coupon.state == CouponState.redeemed
    in_store = case((used, Coupon.bill_fen - Coupon.discount_fen), else_=0)
    issued, redeemed, cost, billed = session.execute(
        select(
            func.count(),
            func.coalesce(func.sum(case((used, 1), else_=0)), 0),
            func.coalesce(func.sum(case((used, Coupon.discount_fen), else_=0)), 0),
            func.coalesce(func.sum(in_store), 0),
        ).where(Coupon.campaign_id == campaign_id)
    ).one()
    revenue = session.scalar(
        select(func.coalesce(func.sum(Order.paid_fen - Order.refunded_fen), 0))
        .join(Coupon, Coupon.order_id == Order.id)
        .where(Coupon.campaign_id == campaign_id, used, Order.paid_at.is_not(None))
    )
    return Redemption(int(issued), int(redeemed), int(cost), int(revenue or 0) + int(billed))


def redeemed_of(session: Session, campaign_ids: Iterable[int]) -> dict[int, int]:
    """How many coupons of each campaign were redeemed, for a list."""
    rows = session.execute(
        select(Coupon.campaign_id, func.count())
        .where(Coupon.campaign_id.in_(list(campaign_ids)), Coupon.state == CouponState.redeemed)
        .group_by(Coupon.campaign_id)
    )
    return {int(campaign_id): number for campaign_id, number in rows if campaign_id is not None}


def spending(session: Session, campaign: Campaign, now: datetime) -> Spending | None:
    """What both groups spent since the launch. None before it."""
    if campaign.launched_at is None:
        return None
    since, until = campaign.launched_at, min(campaign.launched_at + WINDOW, now)
    groups = _groups(session, campaign.id, since, until)
    nobody = Group(0, 0, 0, 0)
    reached, held = groups.get(Arm.reach, nobody), groups.get(Arm.holdout, nobody)
    return Spending(reached, held, compare(reached, held), since, until)


def _groups(
    session: Session, campaign_id: int, since: datetime, until: datetime
) -> dict[Arm, Group]:
    """People, buyers, sum and sum of squares of each arm, in one statement."""
    each = (
        select(
            Recipient.arm.label("arm"),
            func.coalesce(func.sum(Purchase.amount_fen - Purchase.refunded_fen), 0).label("spent"),
        )
        .select_from(Recipient)
        .outerjoin(
            Purchase,
            (Purchase.member_id == Recipient.member_id)
            & (Purchase.paid_at >= since)
            & (Purchase.paid_at < until),
        )
        .where(Recipient.campaign_id == campaign_id, Recipient.arm.in_([Arm.reach, Arm.holdout]))
        .group_by(Recipient.arm, Recipient.member_id)
        .subquery()
    )
    rows = session.execute(
        select(
            each.c.arm,
            func.count(),
            func.sum(case((each.c.spent > 0, 1), else_=0)),
            func.sum(each.c.spent),
            func.sum(each.c.spent * each.c.spent),
        ).group_by(each.c.arm)
    )
    return {Arm(arm): Group(*(int(number) for number in numbers)) for arm, *numbers in rows}


def cumulative(session: Session, campaign: Campaign, edges: list[datetime]) -> dict[Arm, list[int]]:
    """Fen spent by each arm up to each of the `edges` after the first: a running sum."""
    slot = case(
        *((Purchase.paid_at < edge, index) for index, edge in enumerate(edges[1:])),
        else_=len(edges) - 1,
    ).label("slot")
    rows = session.execute(
        select(Recipient.arm, slot, func.sum(Purchase.amount_fen - Purchase.refunded_fen))
        .join(Purchase, Purchase.member_id == Recipient.member_id)
        .where(
            Recipient.campaign_id == campaign.id,
            Recipient.arm.in_([Arm.reach, Arm.holdout]),
            Purchase.paid_at >= edges[0],
            Purchase.paid_at < edges[-1],
        )
        .group_by(Recipient.arm, slot)
    )
    sums = {arm: [0] * (len(edges) - 1) for arm in (Arm.reach, Arm.holdout)}
    for arm, index, fen in rows:
        sums[arm][int(index)] += int(fen)
    return {arm: _running(parts) for arm, parts in sums.items()}


def latest_launched(session: Session, merchant_id: int, limit: int = 4) -> list[Campaign]:
    launched = [CampaignState.running, CampaignState.paused, CampaignState.finished]
    return list(
        session.scalars(
            select(Campaign)
            .where(
                Campaign.merchant_id == merchant_id,
                Campaign.state.in_(launched),
                Campaign.launched_at.is_not(None),
            )
            .order_by(Campaign.id.desc())
            .limit(limit)
        )
    )


def running(session: Session, merchant_id: int, limit: int = 3) -> list[Campaign]:
    found = select(Campaign).where(
        Campaign.merchant_id == merchant_id, Campaign.state == CampaignState.running
    )
    return list(session.scalars(found.order_by(Campaign.id.desc()).limit(limit)))


def _running(parts: list[int]) -> list[int]:
    total, sums = 0, []
    for part in parts:
        total += part
        sums.append(total)
    return sums
