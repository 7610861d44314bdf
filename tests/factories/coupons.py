"""Coupons for tests."""

import itertools
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from coupons.issuing import issue
from coupons.models import Coupon, CouponKind, CouponTemplate, Promotion, PromotionKind
from crm.models import Member
from merchants.models import Merchant
from tests.conftest import NOW

_numbers = itertools.count(1)


def make_template(session: Session, merchant: Merchant, **values: Any) -> CouponTemplate:
    """¥8 off from ¥20, valid for 7 days; pass `off_bp` for a percent coupon."""
    defaults: dict[str, Any] = {
        "name": "见面礼",
        "kind": CouponKind.percent if values.get("off_bp") else CouponKind.amount,
        "face_fen": 0 if values.get("off_bp") else 800,
        "min_spend_fen": 2000,
        "valid_days": 7,
        "created_at": NOW,
    }
    template = CouponTemplate(merchant_id=merchant.id, **(defaults | values))
    session.add(template)
    session.flush()
    return template


def make_coupon(
    session: Session, member: Member, template: CouponTemplate, *, now: datetime = NOW
) -> Coupon:
    key = f"test:{next(_numbers)}"
    coupon = issue(session, template.id, member.id, source="staff", key=key, now=now)
    assert coupon is not None
    return coupon


def make_promotion(
    session: Session,
    merchant: Merchant,
    *,
    threshold_fen: int = 4000,
    off_fen: int = 500,
    **values: Any,
) -> Promotion:
    """满减 in every store, on since yesterday; pass `kind` and what it needs for another."""
    defaults: dict[str, Any] = {
        "name": f"满 {threshold_fen // 100} 减 {off_fen // 100}",
        "kind": PromotionKind.spend,
        "steps": [[threshold_fen, off_fen]],
        "starts_at": NOW - timedelta(days=1),
        "created_at": NOW,
    }
    promotion = Promotion(merchant_id=merchant.id, **(defaults | values))
    session.add(promotion)
    session.flush()
    return promotion
