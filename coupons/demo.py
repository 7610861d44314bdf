"""The demo's coupons and promotions of 青禾茶铺."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from catalogue.models import Category, Product
from core.clock import now as clock_now
from coupons.models import (
    CouponKind,
    CouponTemplate,
    Promotion,
    PromotionKind,
    PromotionState,
    StackGroup,
)
from merchants.models import Merchant, Store

TEMPLATES: tuple[dict[str, Any], ...] = (
    {
        "name": "关注见面礼",
        "face_fen": 800,
        "min_spend_fen": 1800,
        "valid_days": 7,
        "giftable": True,
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
        "giftable": True,
        "daily_limit": 100,
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
    {
        "name": "桂花冻兑换券",
        "kind": CouponKind.exchange,
        "worth_fen": 1200,
        "valid_days": 15,
        "products": ["桂花冻"],
        "stack_group": StackGroup.extra,
        "cost_note": "补偿、回馈",
    },
    {
        "name": "纯茶五次卡",
        "kind": CouponKind.exchange,
        "worth_fen": 1400,
        "uses_total": 5,
        "valid_days": 90,
        "categories": ["纯茶"],
        "stack_group": StackGroup.extra,
    },
    {
        "name": "第二杯半价",
        "kind": CouponKind.nth,
        "nth": 2,
        "off_bp": 5_000,
        "worth_fen": 1100,
        "valid_days": 10,
        "weekdays": [0, 1, 2, 3, 4],
        "claimable": True,
    },
)
PROMOTIONS: tuple[dict[str, Any], ...] = (
    {"name": "天天满减", "steps": [[4000, 500], [8000, 1200]]},
    {
        "name": "纯茶第二杯半价",
        "kind": PromotionKind.nth,
        "nth": 2,
        "off_bp": 5_000,
        "categories": ["纯茶"],
        "stack_group": StackGroup.goods,
    },
    {
        "name": "下午茶点心 8 折",
        "kind": PromotionKind.price,
        "off_bp": 2_000,
        "categories": ["小食"],
        "weekdays": [0, 1, 2, 3, 4],
        "from_minute": 14 * 60,
        "until_minute": 17 * 60,
        "starts_in": -12,
    },
    {
        "name": "双旦特价",
        "kind": PromotionKind.price,
        "price_fen": 990,
        "pieces_each": 100,
        "pieces_per_member": 2,
        "products": ["桂花乌龙鲜奶", "桂花冻"],
        "stores": ["xujiahui"],
        "state": PromotionState.draft,
        "starts_in": 12,
        "lasts": 10,
    },
)


def load(
    session: Session, merchant: Merchant, stores: Sequence[Store], now: datetime | None = None
) -> dict[str, int]:
    """Write templates and promotions, or find them; template name → id. After the goods."""
    now = now or clock_now()
    for row in PROMOTIONS:
        _promotion(session, merchant, stores, row, now)
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
    limits = _limits(session, merchant, stores, row)
    template = CouponTemplate(merchant_id=merchant.id, created_at=now, **limits, **_values(row))
    session.add(template)
    session.flush()
    return template.id


def _promotion(
    session: Session,
    merchant: Merchant,
    stores: Sequence[Store],
    row: dict[str, Any],
    now: datetime,
) -> None:
    known = (Promotion.merchant_id == merchant.id, Promotion.name == row["name"])
    if session.scalar(select(Promotion.id).where(*known)) is not None:
        return
    starts = now + timedelta(days=row.get("starts_in", 0))
    promotion = Promotion(
        merchant_id=merchant.id,
        starts_at=starts,
        ends_at=starts + timedelta(days=row["lasts"]) if "lasts" in row else None,
        created_at=now,
        **_limits(session, merchant, stores, row),
        **_values(row),
    )
    session.add(promotion)
    session.flush()


def _values(row: dict[str, Any]) -> dict[str, Any]:
    """What stands in the row as it does in the table."""
    apart = ("stores", "products", "categories", "starts_in", "lasts")
    return {key: value for key, value in row.items() if key not in apart}


def _limits(
    session: Session, merchant: Merchant, stores: Sequence[Store], row: dict[str, Any]
) -> dict[str, Any]:
    """Stores, goods and categories by their ids."""
    found: dict[str, Any] = {}
    if "stores" in row:
        found["store_ids"] = [store.id for store in stores if store.code in row["stores"]]
    for name, model in (("products", Product), ("categories", Category)):
        if name in row:
            column = "product_ids" if model is Product else "category_ids"
            named = select(model.id).where(
                model.merchant_id == merchant.id, model.name.in_(row[name])
            )
            found[column] = list(session.scalars(named))
    return found
