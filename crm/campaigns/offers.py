"""What a campaign gives: a coupon, points, or nothing but words; and what each is worth."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from coupons import issuing
from coupons.models import CouponKind, CouponTemplate
from coupons.words import card_title
from crm import tiers
from crm.campaigns.holdout import WHOLE
from crm.campaigns.reach import MOMENT
from crm.campaigns.variants import Variant
from crm.campaigns.words import Gift, of_points, sample
from crm.models import Campaign

FEN_A_POINT = 1
"""What a point is held to be worth where the merchant takes none for money."""


@dataclass(frozen=True)
class Offer:
    """`face_fen`: the most that one of them costs; `expected_fen`: what it will, as far as earlier
    coupons tell. Points are not thrown away as coupons are, so all of them are expected."""

    variant: Variant
    template: CouponTemplate | None
    face_fen: int = 0
    expected_fen: int = 0

    def sample(self, now: datetime) -> Gift | None:
        """As if somebody were given it now."""
        return self._points() if self.template is None else sample(self.template, now)

    def given(self, expires_at: datetime | None) -> Gift | None:
        if self.template is None:
            return self._points()
        return Gift(self.template.name, expires_at, card_title(self.template))

    def _points(self) -> Gift | None:
        return of_points(self.variant.points) if self.variant.points else None


def load(session: Session, campaign: Campaign, variant: Variant) -> Offer:
    return make(
        session,
        campaign.merchant_id,
        variant,
        expected_use_bp=campaign.expected_use_bp,
    )


def make(session: Session, merchant_id: int, variant: Variant, *, expected_use_bp: int) -> Offer:
    if variant.template_id is not None:
        template = issuing.get_template(session, variant.template_id)
        face = worth_fen(template)
        return Offer(variant, template, face, -(-face * expected_use_bp // WHOLE))
    face = points_fen(session, merchant_id, variant.points)
    return Offer(variant, None, face, face)


def worth_fen(template: CouponTemplate) -> int:
    """The most that one coupon takes off in all its uses, as far as is known; 0: it is not."""
    face = template.face_fen if template.kind is CouponKind.amount else template.cap_fen
    return (template.worth_fen or face or 0) * template.uses_total


def points_fen(session: Session, merchant_id: int, points: int) -> int:
    """What so many points take off an order; where they pay for none, a fen each."""
    rate = tiers.load(session, merchant_id).spend_rate
    return -(-points * 100 // rate) if rate else points * FEN_A_POINT


def moment_of(offers: Sequence[Variant]) -> str | None:
    """What a subscribe message must have been allowed for: its template speaks of a coupon, so it
    carries only campaigns that give everybody one. The same for all variants, or those whom they
    reach could not be compared."""
    return MOMENT if all(offer.template_id is not None for offer in offers) else None
