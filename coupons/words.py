"""What people read on a coupon."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from core.clock import local
from core.money import format_yuan
from coupons import scope as scoping
from coupons.models import (
    Coupon,
    CouponKind,
    CouponState,
    CouponTemplate,
    PromotionKind,
    StackGroup,
    UseChannel,
)

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
    "batch": "商家送的",
    "open": "店里送的",
}


MOST_NAMED = 6
NTH_WORDS = {5_000: "半价", 10_000: "免费"}
CHANNELS = {
    UseChannel.any: "",
    UseChannel.online: "小程序下单用",
    UseChannel.counter: "到店核销用",
}


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
    @property
    def pay_fen(self) -> int: ...
    @property
    def nth(self) -> int: ...


def face(template: Offer) -> str:
    """¥8, 8.5 折, 免费换, 9.9 元换, 半价, 免配送."""
    if template.kind is CouponKind.amount:
        return yuan(template.face_fen)
    if template.kind is CouponKind.exchange:
        return f"{format_yuan(template.pay_fen, trim=True)} 元换" if template.pay_fen else "免费换"
    if template.kind is CouponKind.delivery:
        return yuan(template.face_fen) if template.face_fen else "免配送"
    if template.kind is CouponKind.nth and template.off_bp in NTH_WORDS:
        return NTH_WORDS[template.off_bp]
    return f"{tenths(template.off_bp)} 折"


def rations(each: int | None, per_member: int | None) -> str:
    """，每种限 50 件，每人限 2 件; nothing where there is no limit."""
    said = f"，每种限 {each} 件" if each is not None else ""
    return said + (f"，每人限 {per_member} 件" if per_member is not None else "")


def tenths(off_bp: int) -> str:
    """1,500 basis points off are `8.5` 折."""
    return f"{(10_000 - off_bp) / 1_000:g}"


def card_title(template: CouponTemplate) -> str:
    """¥10 老客回店券，满 30 可用."""
    return f"{face(template)} {template.name}，{condition(template)}"


def condition(template: Offer) -> str:
    """满 20 可用; what else the face leaves open is part of it: a cap, which piece."""
    limit = template.min_spend_fen
    parts = [f"满 {format_yuan(limit, trim=True)} 可用" if limit else "无门槛"]
    if template.kind is CouponKind.nth:
        parts = [f"同款第 {template.nth} 件", *(parts if limit else [])]
    if template.kind is CouponKind.exchange:
        parts = ["换 1 件", *(parts if limit else [])]
    if template.kind is CouponKind.delivery and template.face_fen:
        parts.append("减配送费")
    if template.cap_fen is not None:
        parts.append(f"最多减 {yuan(template.cap_fen)}")
    return "，".join(parts)


def step(kind: PromotionKind, threshold: int, off: int) -> str:
    """满 30 减 3, 满 2 件 9 折."""
    if kind is PromotionKind.spend:
        return f"满 {format_yuan(threshold, trim=True)} 减 {format_yuan(off, trim=True)}"
    return f"满 {threshold} 件 {tenths(off)} 折"


def promotion(
    kind: PromotionKind,
    steps: Sequence[Sequence[int]],
    off_bp: int,
    price_fen: int | None,
    nth: int,
) -> str:
    """满 30 减 3，满 60 减 8; 第 2 件半价; 限时 8 折; 限时 ¥9.9."""
    if kind in (PromotionKind.spend, PromotionKind.pieces):
        return "，".join(step(kind, threshold, off) for threshold, off in steps)
    if kind is PromotionKind.nth:
        return f"第 {nth} 件{NTH_WORDS.get(off_bp) or f' {tenths(off_bp)} 折'}"
    return f"限时 {yuan(price_fen)}" if price_fen is not None else f"限时 {tenths(off_bp)} 折"


def scope(
    template: CouponTemplate,
    store_names: Mapping[int, str],
    product_names: Mapping[int, str] | None = None,
    category_names: Mapping[int, str] | None = None,
) -> str:
    """全部门店; 静安寺店 · 杨枝甘露; 全部门店 · 周一至周五 14:00–17:00 · 小程序下单用."""
    where = "全部门店"
    if template.store_ids is not None:
        where = "、".join(store_names.get(id_, "其他门店") for id_ in template.store_ids)
    named = goods(template, product_names or {}, category_names or {})
    rest = [_few(named), scoping.hours_words(template), CHANNELS[template.channel]]
    rest.append("仅第一单" if template.first_order else "")
    return " · ".join(part for part in (where, *rest) if part)


def goods(
    limited: scoping.Goods,
    product_names: Mapping[int, str],
    category_names: Mapping[int, str] | None = None,
) -> list[str]:
    """The goods that it is limited to, by name, categories first; none: it is good for all."""
    categories = [
        (category_names or {}).get(id_, "已删除的分类") for id_ in limited.category_ids or ()
    ]
    return categories + [
        product_names.get(id_, "已删除的商品") for id_ in limited.product_ids or ()
    ]


def only(goods_names: Sequence[str]) -> str:
    """仅限：杨枝甘露、桂花乌龙; of many the first and how many they are."""
    named = _few(goods_names)
    return f"仅限：{named}" if named else ""


def _few(names: Sequence[str]) -> str:
    more = f" 等 {len(names)} 种" if len(names) > MOST_NAMED else ""
    return "、".join(names[:MOST_NAMED]) + more


def stacking(template: CouponTemplate) -> str:
    """What else it may go with, where that is not one coupon beside the store's promotions."""
    if template.exclusive:
        return "不和其他优惠同用"
    if template.stack_group is StackGroup.extra:
        return "能和别的券一起用"
    return "和满减二选一" if template.stack_group is StackGroup.promotion else ""


def uses(total: int, left: int | None = None) -> str:
    """共 10 次; of one that somebody has: 共 10 次，还剩 7 次. Nothing for a single use."""
    if total == 1:
        return ""
    return f"共 {total} 次" if left is None else f"共 {total} 次，还剩 {left} 次"


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
