"""A/B/n: offers, words and hours that a campaign tries against one another.

Who gets which is drawn among the reachable by a hash of the member, in equal parts, so the parts
differ by nothing but what they were given. A winner is named only where the interval is clear.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, case, exists, func, literal, select
from sqlalchemy.orm import Session

from coupons.locking import WAS_USED
from coupons.models import Coupon, CouponTemplate
from crm.campaigns.holdout import PRIME, WHOLE, hash_of
from crm.models import Arm, Campaign, CampaignVariant, Purchase, Recipient, RecipientState

MOST = 4
FEWEST = 30
"""So many people each before anybody is compared."""
_Z = 1.96


@dataclass(frozen=True)
class Variant:
    """`send_hour`: the hour of the store's day at which it goes out; None: at once."""

    no: int
    template_id: int | None
    message: str
    send_hour: int | None = None
    points: int = 0

    @property
    def letter(self) -> str:
        return "ABCD"[self.no]


class Score(NamedTuple):
    """Of `people`, `used` have used their coupon; where not all were given one, have bought."""

    people: int
    used: int


def list_variants(session: Session, campaign: Campaign) -> list[Variant]:
    """The campaign's own is A and always there."""
    others = session.scalars(
        select(CampaignVariant)
        .where(CampaignVariant.campaign_id == campaign.id)
        .order_by(CampaignVariant.no)
    )
    first = Variant(0, campaign.template_id, campaign.message, campaign.send_hour, campaign.points)
    return [
        first,
        *(Variant(v.no, v.template_id, v.message, v.send_hour, v.points) for v in others),
    ]


def by_coupons(offers: Sequence[Variant]) -> bool:
    """Whether they are told apart by coupons that were used: everybody is given one."""
    return all(offer.template_id is not None for offer in offers)


def drawn(member_id: Any, *, seed: int, number: int) -> ColumnElement[int]:
    """Which of `number` variants a member gets, as an expression."""
    if number < 2:
        return literal(0)
    share = hash_of(member_id, f"variant:{seed}")
    steps = [(share < PRIME * (no + 1) // number, no) for no in range(number - 1)]
    return case(*steps, else_=number - 1)


def in_pilot(member_id: Any, *, seed: int, share_bp: int) -> ColumnElement[bool]:
    """Whether a member is among those who get theirs first, for the others to learn from."""
    chosen: ColumnElement[bool] = hash_of(member_id, f"pilot:{seed}") < PRIME * share_bp // WHOLE
    return chosen


def scores(session: Session, campaign: Campaign) -> dict[int, Score]:
    """By variant: coupons that were used of those given, or buyers of those written to."""
    if by_coupons(list_variants(session, campaign)):
        return _used(session, campaign.id)
    return _bought(session, campaign)


def _bought(session: Session, campaign: Campaign) -> dict[int, Score]:
    """Who has bought anything since the launch: what all variants can be told apart by."""
    bought = exists().where(
        Purchase.member_id == Recipient.member_id,
        Purchase.paid_at > campaign.launched_at,
        Purchase.amount_fen > Purchase.refunded_fen,
    )
    rows = session.execute(
        select(Recipient.variant, func.count(), func.sum(case((bought, 1), else_=0)))
        .where(
            Recipient.campaign_id == campaign.id,
            Recipient.arm == Arm.reach,
            Recipient.state.not_in([RecipientState.planned, RecipientState.skipped]),
        )
        .group_by(Recipient.variant)
    )
    return {variant: Score(people, int(number or 0)) for variant, people, number in rows}


def _used(session: Session, campaign_id: int) -> dict[int, Score]:
    used = case((WAS_USED, 1), else_=0)
    rows = session.execute(
        select(Recipient.variant, func.count(), func.sum(used))
        .join(Coupon, Coupon.id == Recipient.coupon_id)
        .join(CouponTemplate, CouponTemplate.id == Coupon.template_id)
        .where(Recipient.campaign_id == campaign_id, Recipient.arm == Arm.reach)
        .group_by(Recipient.variant)
    )
    return {variant: Score(people, int(number or 0)) for variant, people, number in rows}


def clear_winner(found: Mapping[int, Score]) -> int | None:
    """The variant whose share is above every other's with 95 % certainty, or None."""
    if len(found) < 2 or any(score.people < FEWEST for score in found.values()):
        return None
    best = max(found, key=lambda no: found[no].used / found[no].people)
    others = [score for no, score in found.items() if no != best]
    return best if all(difference(found[best], other)[0] > 0 for other in others) else None


def difference(one: Score, other: Score) -> tuple[float, float]:
    """Newcombe's 95 % interval of the difference of two shares."""
    p, low, high = _wilson(one)
    q, lowest, highest = _wilson(other)
    gap = p - q
    return (
        gap - sqrt((p - low) ** 2 + (highest - q) ** 2),
        gap + sqrt((high - p) ** 2 + (q - lowest) ** 2),
    )


def _wilson(score: Score) -> tuple[float, float, float]:
    """The share with its bounds."""
    n, share = score.people, score.used / score.people
    middle = (share + _Z * _Z / (2 * n)) / (1 + _Z * _Z / n)
    reach = _Z * sqrt(share * (1 - share) / n + _Z * _Z / (4 * n * n)) / (1 + _Z * _Z / n)
    return share, max(0.0, middle - reach), min(1.0, middle + reach)
