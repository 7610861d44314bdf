"""What a campaign may still give out: its budget, its day, and the coupons that lie unused.

Asked while the campaign's row is locked, so the answer is exact for however many workers. People
are taken in their order for as long as there is room. Once points are in a member's lots nobody can
tell whose they were: they count as unused, whatever became of them, until POINTS_TERM after their
campaign was last let give.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, case, func, select
from sqlalchemy.orm import Session

from core.clock import business_day, local
from core.money import format_yuan
from coupons.models import Coupon, CouponKind, CouponState, CouponTemplate
from crm import contacts
from crm.campaigns.offers import Offer
from crm.models import Campaign

POINTS_TERM = timedelta(days=90)
_IN_HAND = (CouponState.issued, CouponState.locked)


@dataclass(frozen=True)
class Room:
    """How many of the people asked for fit; of what did not, why, in words, and until when.

    `full` says what a campaign pauses for, `tomorrow` when its day's people are through.
    """

    people: int
    expected_fen: int = 0
    face_fen: int = 0
    full: str = ""
    tomorrow: datetime | None = None


def find_room(
    session: Session, campaign: Campaign, offers: Sequence[Offer], *, now: datetime
) -> Room:
    """How many of the next people, to whom `offers` are made, the caps leave room for."""
    number = len(offers)
    tomorrow = None
    if campaign.daily_people is not None:
        number = min(number, max(0, campaign.daily_people - count_today(campaign, now)))
        if number == 0 and offers:
            tomorrow = _midnight(now)
    spent, issued, full = campaign.expected_fen, campaign.face_fen, ""
    unused = _Unused(session, campaign, now)
    of_all = _UnusedOfAll(session, campaign, now)
    for position, offer in enumerate(offers[:number]):
        face, cost = offer.face_fen, offer.expected_fen
        if campaign.budget_fen is not None and spent + cost > campaign.budget_fen:
            full = f"预算 ¥{format_yuan(campaign.budget_fen)} 用完了"
        elif not unused.has_room(issued + face):
            full = f"没用掉的券和积分到了上限 ¥{format_yuan(campaign.liability_fen or 0)}"
        elif not of_all.has_room(issued + face - campaign.face_fen):
            full = f"所有活动没用掉的券和积分到了上限 ¥{format_yuan(of_all.cap or 0)}，见营销规则"
        if full:
            number = position
            break
        spent, issued = spent + cost, issued + face
    return Room(number, spent - campaign.expected_fen, issued - campaign.face_fen, full, tomorrow)


def count_today(campaign: Campaign, now: datetime) -> int:
    """The people who have had theirs on this day of the store's."""
    return campaign.today_people if campaign.today_on == business_day(now) else 0


class _Unused:
    """The worth of a campaign's coupons that are in people's hands. Counted only when it matters:
    as long as all that was ever issued stays under the cap there is nothing to count."""

    def __init__(self, session: Session, campaign: Campaign, now: datetime) -> None:
        self._session, self._campaign, self._now = session, campaign, now
        self._gone: int | None = None

    def has_room(self, issued_fen: int) -> bool:
        cap = self._campaign.liability_fen
        if cap is None or issued_fen <= cap:
            return True
        if self._gone is None:
            self._gone = self._campaign.face_fen - self._in_hand()
        return issued_fen - self._gone <= cap

    def _in_hand(self) -> int:
        mine = Coupon.campaign_id == self._campaign.id
        points = _points(self._session, Campaign.id == self._campaign.id, self._now)
        return _in_hand(self._session, mine, self._now) + points


class _UnusedOfAll:
    """The same over all campaigns of the merchant.

    Its rules are locked while there is a cap, so two campaigns cannot both take what is left. What
    was found to be gone is kept with the rules: coupons are counted only when, by what is known,
    there would be no room.
    """

    def __init__(self, session: Session, campaign: Campaign, now: datetime) -> None:
        self._session, self._merchant_id, self._now = session, campaign.merchant_id, now
        self.cap = contacts.rules_of(session, campaign.merchant_id).liability_fen
        self._issued, self._gone, self._counted = 0, 0, False
        if self.cap is not None:
            row = contacts.lock_rules(session, campaign.merchant_id)
            self.cap, self._gone = row.liability_fen, row.gone_fen
            mine = Campaign.merchant_id == campaign.merchant_id
            self._issued = int(session.scalar(select(func.sum(Campaign.face_fen)).where(mine)) or 0)

    def has_room(self, more_fen: int) -> bool:
        if self.cap is None or self._issued + more_fen - self._gone <= self.cap:
            return True
        if not self._counted:
            mine = Coupon.campaign_id.in_(
                select(Campaign.id).where(Campaign.merchant_id == self._merchant_id)
            )
            self._counted = True
            ours = Campaign.merchant_id == self._merchant_id
            points = _points(self._session, ours, self._now)
            self._gone = self._issued - _in_hand(self._session, mine, self._now) - points
            contacts.lock_rules(self._session, self._merchant_id).gone_fen = self._gone
            self._session.flush()
        return self._issued + more_fen - self._gone <= self.cap


def _in_hand(session: Session, whose: ColumnElement[bool], now: datetime) -> int:
    worth = case(
        (CouponTemplate.worth_fen > 0, CouponTemplate.worth_fen),
        (CouponTemplate.kind == CouponKind.amount, CouponTemplate.face_fen),
        else_=func.coalesce(CouponTemplate.cap_fen, 0),
    )
    counted = (
        select(func.sum(worth * Coupon.uses_left))
        .select_from(Coupon)
        .join(CouponTemplate, CouponTemplate.id == Coupon.template_id)
        .where(whose, Coupon.state.in_(_IN_HAND), Coupon.expires_at > now)
    )
    return int(session.scalar(counted) or 0)


def _points(session: Session, whose: ColumnElement[bool], now: datetime) -> int:
    counted = select(func.sum(Campaign.points_fen))
    return int(session.scalar(counted.where(whose, Campaign.allowed_at > now - POINTS_TERM)) or 0)


def _midnight(now: datetime) -> datetime:
    return local(now).replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
