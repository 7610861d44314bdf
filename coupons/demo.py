"""The demo's coupons and promotions of 青禾茶铺."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from catalogue.models import Product
from core.clock import now as clock_now
from coupons.models import CouponKind, CouponTemplate, Promotion
from merchants.models import Merchant, Store

TEMPLATES: tuple[dict[str, Any], ...] = (
    {
        "name": "关注见面礼",
        "face_fen": 800,
        "min_spend_fen": 1800,
        "valid_days": 7,
        "moment": "welcome",
        "cost_note": "新粉首单",
    },
    {
        "name": "老客回店券",
        "face_fen": 1000,
        "min_spend_fen": 3000,
        "valid_days": 14,
        "cost_note": "召回 30 天没来的老客",
    },
    {
        "name": "新客首单券",
        "face_fen": 1000,
        "min_spend_fen": 3000,
        "valid_days": 14,
        "cost_note": "关注了还没下单的",
    },
    {
        "name": "秋日上新券",
        "face_fen": 500,
        "min_spend_fen": 3000,
        "valid_days": 10,
        "total_limit": 500,
        "claimable": True,
    },
    {
        "name": "会员八五折",
        "kind": CouponKind.percent,
        "off_bp": 1500,
        "cap_fen": 1500,
        "min_spend_fen": 4000,
        "valid_days": 10,
        "claimable": True,
    },
    {
        "name": "徐汇店开业券",
        "face_fen": 600,
        "min_spend_fen": 2500,
        "valid_days": 30,
        "claimable": True,
        "stores": ["xujiahui"],
    },
    {
        "name": "新品请你喝",
        "face_fen": 1900,
        "min_spend_fen": 0,
        "valid_days": 7,
        "products": ["桂花乌龙鲜奶"],
        "cost_note": "店庆回馈",
    },
)
PROMOTIONS: dict[str, list[list[int]]] = {
    "满 40 减 5": [[4000, 500]],
    "满 80 减 12": [[8000, 1200]],
}


def load(
    session: Session, merchant: Merchant, stores: Sequence[Store], now: datetime | None = None
) -> dict[str, int]:
    """Write templates and promotions, or find them; template name → id. After the goods."""
    now = now or clock_now()
    for name, steps in PROMOTIONS.items():
        _promotion(session, merchant, name, steps, now)
    return {row["name"]: _template(session, merchant, stores, row, now) for row in TEMPLATES}


def _template(
    session: Session,
    merchant: Merchant,
    stores: Sequence[Store],
    row: dict[str, Any],
    now: datetime,
) -> int:
    found = select(CouponTemplate.id).where(
        CouponTemplate.merchant_id == merchant.id, CouponTemplate.name == row["name"]
    )
    known = session.scalar(found.order_by(CouponTemplate.id))
    if known is not None:
        return known
    values = {key: value for key, value in row.items() if key not in ("stores", "products")}
    template = CouponTemplate(merchant_id=merchant.id, created_at=now, **values)
    if "stores" in row:
        template.store_ids = [store.id for store in stores if store.code in row["stores"]]
    if "products" in row:
        named = select(Product.id).where(
            Product.merchant_id == merchant.id, Product.name.in_(row["products"])
        )
        template.product_ids = list(session.scalars(named))
    session.add(template)
    session.flush()
    return template.id


def _promotion(
    session: Session, merchant: Merchant, name: str, steps: list[list[int]], now: datetime
) -> None:
    found = select(Promotion.id).where(Promotion.merchant_id == merchant.id, Promotion.name == name)
    if session.scalar(found) is None:
        session.add(
            Promotion(
                merchant_id=merchant.id, name=name, steps=steps, starts_at=now, created_at=now
            )
        )
        session.flush()
