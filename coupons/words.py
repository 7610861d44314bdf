"""What people read on a coupon."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from core.clock import local
from core.money import format_yuan
from coupons.models import Coupon, CouponKind, CouponState, CouponTemplate

STATES = {
    CouponState.issued: "可使用",
    CouponState.locked: "已锁定",
    CouponState.redeemed: "已使用",
    CouponState.expired: "已过期",
    CouponState.void: "已作废",
}

SOURCES = {
    "welcome": "关注见面礼",
    "claim": "自己领的",
    "campaign": "活动送的",
    "staff": "店员送的",
    "gift": "朋友送的",
}


MOST_NAMED = 6


def yuan(fen: int) -> str:
    return format_yuan(fen, symbol=True, trim=True)


class Offer(Protocol):
    """What a template promises; its row, or a part of it."""

    @property
    def kind(self) -> CouponKind: ...
    @property
    def face_fen(self) -> int: ...
    @property
    def off_bp(self) -> int: ...
    @property
    def cap_fen(self) -> int | None: ...
    @property
    def min_spend_fen(self) -> int: ...


def face(template: Offer) -> str:
    """¥8 or 8.5 折."""
    if template.kind is CouponKind.amount:
        return yuan(template.face_fen)
    tenths = (10_000 - template.off_bp) / 1_000
    return f"{tenths:g} 折"


def card_title(template: CouponTemplate) -> str:
    """¥10 老客回店券，满 30 可用."""
    return f"{face(template)} {template.name}，{condition(template)}"


def condition(template: Offer) -> str:
    """满 20 可用; a percent coupon's cap is part of it."""
    limit = template.min_spend_fen
    text = f"满 {format_yuan(limit, trim=True)} 可用" if limit else "无门槛"
    if template.cap_fen is not None:
        text += f"，最多减 {yuan(template.cap_fen)}"
    return text


def scope(template: CouponTemplate, store_names: Mapping[int, str]) -> str:
    where = "全部门店"
    if template.store_ids is not None:
        where = "、".join(store_names.get(id_, "其他门店") for id_ in template.store_ids)
    return where if template.product_ids is None else f"{where} · 指定商品"


def goods(template: CouponTemplate, product_names: Mapping[int, str]) -> list[str]:
    """The goods that it is limited to, by name; none: it is good for all."""
    return [product_names.get(id_, "已删除的商品") for id_ in template.product_ids or ()]


def only(goods_names: Sequence[str]) -> str:
    """仅限：杨枝甘露、桂花乌龙; of many the first and how many they are."""
    if not goods_names:
        return ""
    more = f" 等 {len(goods_names)} 种" if len(goods_names) > MOST_NAMED else ""
    return f"仅限：{'、'.join(goods_names[:MOST_NAMED])}{more}"


def validity(template: CouponTemplate) -> str:
    if template.valid_days:
        return f"领取后 {template.valid_days} 天内可用"
    if template.valid_until:
        return f"{day(template.valid_until)}前可用"
    return "长期可用"


def state(coupon: Coupon, now: datetime) -> str:
    """As people read it now: an issued coupon past its end is expired before the sweep says so."""
    if coupon.state is CouponState.issued and coupon.expires_at <= now:
        return STATES[CouponState.expired]
    if coupon.state is CouponState.issued and coupon.valid_from > now:
        return f"{day(coupon.valid_from)}起可用"
    if coupon.state is CouponState.locked and coupon.order_id is None:
        return "转送中"
    return STATES[coupon.state]


def source(text: str) -> str:
    return SOURCES.get(text.split(":", 1)[0], "")


def day(at: datetime) -> str:
    """10月31日."""
    there = local(at)
    return f"{there.month}月{there.day}日"
