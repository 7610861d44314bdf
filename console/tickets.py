"""A coupon as the ticket that people see: the same on every page."""

from dataclasses import dataclass
from datetime import datetime

from catalogue.names import product_names
from console import state, words
from core.database import reading
from core.money import format_yuan
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
    return _ticket(template, coupon_words.validity(template))


def of_coupon(coupon: Coupon, template: CouponTemplate, now: datetime) -> Ticket:
    if coupon.redeemed_at:
        return _ticket(template, f"{words.when(coupon.redeemed_at, now)} 用掉了")
    if coupon.expires_at <= now:
        return _ticket(template, f"{words.on(coupon.expires_at, now)} 过期了")
    return _ticket(template, f"{words.on(coupon.expires_at, now)} 到期")


def off_words(template: CouponTemplate) -> str:
    """What redeeming does, for a button: `抵 ¥12.00`, `打 8.5 折`."""
    if template.kind is CouponKind.amount:
        return f"抵 ¥{words.yuan(template.face_fen)}"
    return f"打 {_tenths(template)} 折"


def goods(template: CouponTemplate) -> list[str]:
    """The goods that it is limited to; none: all. However many tickets a page has: one read."""
    if not template.product_ids:
        return []
    names = state.find("product_names")
    if names is None:
        with reading() as session:
            names = product_names(session, template.merchant_id)
        state.put("product_names", names)
    return coupon_words.goods(template, names)


def only(template: CouponTemplate) -> str:
    return coupon_words.only(goods(template))


def masked(code: str) -> str:
    """Enough of a code to compare it with what the member shows."""
    return f"{code[:4]} … {code[-4:]}"


def _ticket(template: CouponTemplate, terms: str) -> Ticket:
    amount = template.kind is CouponKind.amount
    return Ticket(
        face=format_yuan(template.face_fen, trim=True) if amount else _tenths(template),
        unit="¥" if amount else "折",
        condition=_condition(template),
        name=template.name,
        terms=" · ".join(part for part in (terms, _cap(template)) if part),
        only=only(template),
    )


def _condition(template: CouponTemplate) -> str:
    """What fits on a stub: one condition, the threshold first."""
    if template.min_spend_fen:
        return f"满 {format_yuan(template.min_spend_fen, trim=True)} 可用"
    if template.cap_fen:
        return f"最高减 ¥{format_yuan(template.cap_fen, trim=True)}"
    return "无门槛"


def _cap(template: CouponTemplate) -> str:
    if template.cap_fen and template.min_spend_fen:
        return f"最高减 ¥{format_yuan(template.cap_fen, trim=True)}"
    return ""


def _tenths(template: CouponTemplate) -> str:
    return f"{(10_000 - template.off_bp) / 1_000:g}"
