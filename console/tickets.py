"""A coupon as the ticket that people see: the same on every page."""

from dataclasses import dataclass
from datetime import datetime

from catalogue.names import category_names, product_names
from console import state, words
from core.database import reading
from coupons import words as coupon_words
from coupons.models import Coupon, CouponKind, CouponTemplate


@dataclass(frozen=True)
class Ticket:
    face: str
    unit: str
    condition: str
    name: str
    terms: str
    only: str


def of_template(template: CouponTemplate) -> Ticket:
    uses = coupon_words.uses(template.uses_total)
    ends = coupon_words.validity(template)
    return _ticket(template, f"{uses} · {ends}" if uses else ends)


def of_coupon(coupon: Coupon, template: CouponTemplate, now: datetime) -> Ticket:
    if coupon.redeemed_at and not coupon.uses_left:
        return _ticket(template, f"{words.when(coupon.redeemed_at, now)} 用掉了")
    if coupon.expires_at <= now:
        return _ticket(template, f"{words.on(coupon.expires_at, now)} 过期了")
    ends = f"{words.on(coupon.expires_at, now)} 到期"
    left = coupon_words.uses(template.uses_total, coupon.uses_left)
    return _ticket(template, f"{left} · {ends}" if left else ends)


def off_words(template: CouponTemplate) -> str:
    """What redeeming does, for a button: `抵 ¥12.00`, `打 8.5 折`, `免费换 1 件`."""
    if template.kind is CouponKind.amount:
        return f"抵 ¥{words.yuan(template.face_fen)}"
    if template.kind is CouponKind.exchange:
        return f"{coupon_words.face(template)} 1 件"
    if template.kind is CouponKind.nth:
        return f"第 {template.nth} 件{coupon_words.face(template)}"
    if template.kind is CouponKind.delivery:
        return "减配送费"
    return f"打 {coupon_words.tenths(template.off_bp)} 折"


def goods(template: CouponTemplate) -> list[str]:
    """The goods that it is limited to; none: all. However many tickets a page has: one read."""
    if template.product_ids is None and template.category_ids is None:
        return []
    names = state.find("goods_names")
    if names is None:
        with reading() as session:
            names = (
                product_names(session, template.merchant_id),
                category_names(session, template.merchant_id),
            )
        state.put("goods_names", names)
    return coupon_words.goods(template, *names)


def only(template: CouponTemplate) -> str:
    return coupon_words.only(goods(template))


def masked(code: str) -> str:
    """Enough of a code to compare it with what the member shows."""
    return f"{code[:4]} … {code[-4:]}"


def _ticket(template: CouponTemplate, terms: str) -> Ticket:
    face, unit = _face(template)
    condition, *rest = coupon_words.condition(template).split("，")
    return Ticket(
        face=face,
        unit=unit,
        condition=condition,
        name=template.name,
        terms=" · ".join(part for part in (terms, *rest) if part),
        only=only(template),
    )


def _face(template: CouponTemplate) -> tuple[str, str]:
    """The big figure and its unit, or a word alone."""
    text = coupon_words.face(template)
    if text.startswith("¥"):
        return text[1:], "¥"
    figure, _, unit = text.partition(" ")
    return figure, unit
