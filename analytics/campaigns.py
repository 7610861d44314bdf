"""The report of a campaign: redemption, and what it brought against the hold-out.

Who was sent what is `crm.campaigns.queries.progress`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, case, func, select
from sqlalchemy.orm import Session

from analytics import measuring, profit, templates
from analytics.lift import Group, Lift, compare
from analytics.measuring import Measured
from analytics.models import ProfitAssumption
from analytics.sums import known_share
from coupons.locking import USES, WAS_USED
from coupons.models import Coupon, CouponEntry, CouponState, CouponTemplate
from crm.campaigns import tallies
from crm.models import Campaign, CampaignState
from orders.models import Order


@dataclass(frozen=True)
class Redemption:
    """`redeemed` coupons were used at least once, `ended` are used up; `uses` counts every use that
    stands.
    """

    issued: int
    redeemed: int
    ended: int
    uses: int
    cost_fen: int
    revenue_fen: int
    """What was paid, coupon taken off: for orders that used one, and in store for the bills that
    the clerk entered."""


@dataclass(frozen=True)
class Spending:
    """What both groups spent, and what is kept of it where the merchant has said how much.

    `known` is the share of what was bought whose cost is known, 0 to 1; without a `margin_bp` there
    is a profit only when that is all of it.
    """

    measured: Measured
    lift: Lift
    profit: Lift | None
    margin_bp: int | None
    message_fen: float
    known: float

    @property
    def reached(self) -> Group:
        return self.measured.part(measuring.REACH).revenue

    @property
    def held(self) -> Group:
        return self.measured.part(measuring.HOLDOUT).revenue

    @property
    def since(self) -> datetime:
        return self.measured.since

    @property
    def until(self) -> datetime:
        return self.measured.until

    @property
    def total_fen(self) -> float:
        """The lift of everybody who was reached, taken together."""
        return self.lift.point * self.reached.people


@dataclass(frozen=True)
class Trial:
    """A variant against the hold-out, and against the first of the variants."""

    no: int
    people: int
    against_held: Lift
    against_first: Lift | None


def trials(measured: Measured) -> list[Trial]:
    """How the variants did; each interval is as wide as so many comparisons at once demand."""
    tried = measured.tried
    if not tried:
        return []
    held = measured.part(measuring.HOLDOUT).revenue
    first = next(iter(tried.values())).revenue
    number = 2 * len(tried) - 1
    return [
        Trial(
            no,
            part.people,
            compare(part.revenue, held, comparisons=number),
            compare(part.revenue, first, comparisons=number) if index else None,
        )
        for index, (no, part) in enumerate(tried.items())
    ]


def redemption(session: Session, campaign_id: int) -> Redemption:
    mine, once = Coupon.campaign_id == campaign_id, CouponTemplate.uses_total == 1
    used, once_used = WAS_USED, and_(WAS_USED, once)
    in_store = case((used, Coupon.bill_fen - Coupon.discount_fen), else_=0)
    over = Coupon.state == CouponState.redeemed
    issued, redeemed, ended, single, cost, billed = session.execute(
        select(
            func.count(),
            func.coalesce(func.sum(case((used, 1), else_=0)), 0),
            func.coalesce(func.sum(case((over, 1), else_=0)), 0),
            func.coalesce(func.sum(case((once_used, 1), else_=0)), 0),
            func.coalesce(func.sum(case((once_used, Coupon.discount_fen), else_=0)), 0),
            func.coalesce(func.sum(in_store), 0),
        )
        .join(CouponTemplate, CouponTemplate.id == Coupon.template_id)
        .where(mine)
    ).one()
    several = templates.uses(session, mine)
    revenue = _paid_fen(session, campaign_id, several=bool(several))
    return Redemption(
        issued=int(issued),
        redeemed=int(redeemed),
        ended=int(ended),
        uses=int(single) + sum(use.times for use in several),
        cost_fen=int(cost) + sum(use.fen for use in several),
        revenue_fen=revenue + int(billed),
    )


def _paid_fen(session: Session, campaign_id: int, *, several: bool) -> int:
    """What orders paid that used coupons of the campaign; each counts once."""
    paid = select(func.coalesce(func.sum(Order.paid_fen - Order.refunded_fen), 0))
    paid = paid.where(Order.paid_at.is_not(None))
    last = paid.join(Coupon, Coupon.order_id == Order.id).where(
        Coupon.campaign_id == campaign_id, Coupon.state == CouponState.redeemed
    )
    fen = int(session.scalar(last) or 0)
    if not several:
        return fen
    # A coupon of several uses names its last order at most, and only once it is used up.
    named = select(Coupon.id).where(
        Coupon.order_id == Order.id,
        Coupon.campaign_id == campaign_id,
        Coupon.state == CouponState.redeemed,
    )
    orders = select(CouponEntry.order_id).where(
        CouponEntry.campaign_id == campaign_id,
        CouponEntry.kind.in_(USES),
        CouponEntry.order_id.is_not(None),
    )
    earlier = paid.where(Order.id.in_(orders), ~named.exists())
    return fen + int(session.scalar(earlier) or 0)


def redeemed_of(session: Session, campaign_ids: Iterable[int]) -> dict[int, int]:
    """How many coupons of each campaign were used, be it once of several times, for a list."""
    rows = session.execute(
        select(Coupon.campaign_id, func.count())
        .join(CouponTemplate, CouponTemplate.id == Coupon.template_id)
        .where(Coupon.campaign_id.in_(list(campaign_ids)), WAS_USED)
        .group_by(Coupon.campaign_id)
    )
    return {int(campaign_id): number for campaign_id, number in rows if campaign_id is not None}


def spending(session: Session, campaign: Campaign, now: datetime) -> Spending | None:
    """What both groups spent since the launch. None before it, and while it is being counted."""
    return spendings(session, [campaign], now).get(campaign.id)


def spendings(
    session: Session, campaigns: Sequence[Campaign], now: datetime
) -> dict[int, Spending]:
    """The same of several campaigns of a merchant, those that there is something to say of."""
    found = measuring.latest_many(session, campaigns, now)
    if not found:
        return {}
    said = profit.find(session, campaigns[0].merchant_id)
    sent = tallies.count_sent(session, list(found)) if said and said.message_fen else {}
    points = {campaign.id: campaign.points_fen for campaign in campaigns}
    return {
        campaign_id: _spending(measured, said, sent.get(campaign_id, 0), points[campaign_id])
        for campaign_id, measured in found.items()
    }


def _spending(
    measured: Measured, said: ProfitAssumption | None, sent: int, points_fen: int
) -> Spending:
    """Points cost what they are worth, messages what the merchant says: everybody's part alike."""
    reached, held = measured.part(measuring.REACH), measured.part(measuring.HOLDOUT)
    lift = compare(reached.revenue, held.revenue)
    known = known_share([reached.sums, held.sums])
    if said is None and known < 1:
        return Spending(measured, lift, None, None, 0.0, known)
    margin_bp, message_fen = (said.margin_bp, said.message_fen) if said else (None, 0.0)
    told = (message_fen * sent + points_fen) / reached.people if reached.people else 0.0
    kept = compare(reached.profit(margin_bp or 0, told), held.profit(margin_bp or 0))
    return Spending(measured, lift, kept, margin_bp, message_fen, known)


def known_lifts(session: Session, campaigns: Sequence[Campaign]) -> dict[int, Lift]:
    """What the job has counted of them last: nothing is counted here, so a long list costs one
    query."""
    found = measuring.read_many(session, campaigns)
    return {
        campaign_id: compare(
            measured.part(measuring.REACH).revenue, measured.part(measuring.HOLDOUT).revenue
        )
        for campaign_id, measured in found.items()
    }


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
