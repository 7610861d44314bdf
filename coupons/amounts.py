"""What a coupon takes off an amount: pure rules, no session, no clock."""

from dataclasses import dataclass

from core.money import apply_basis_points, format_yuan
from coupons.errors import BelowMinimum, BillNeeded
from coupons.models import CouponKind, CouponTemplate


@dataclass(frozen=True)
class Worth:
    """The part of a template that decides the amount."""

    kind: CouponKind
    face_fen: int = 0
    off_bp: int = 0
    cap_fen: int | None = None
    min_spend_fen: int = 0
    pay_fen: int = 0
    nth: int = 0


def missing_fen(worth: Worth | CouponTemplate, eligible_fen: int) -> int:
    """What the eligible goods still lack to the minimum; 0 when it is reached."""
    return max(0, worth.min_spend_fen - eligible_fen)


def discount_fen(worth: Worth | CouponTemplate, eligible_fen: int) -> int:
    """What an amount or a percentage takes off `eligible_fen`, at most all; 0 below the minimum.

    The other kinds look at the single pieces: `coupons.taking`.
    """
    if eligible_fen <= 0 or missing_fen(worth, eligible_fen):
        return 0
    if worth.kind is CouponKind.amount:
        return min(worth.face_fen, eligible_fen)
    if worth.kind is not CouponKind.percent:
        return 0
    off = apply_basis_points(eligible_fen, worth.off_bp)
    return min(off, eligible_fen if worth.cap_fen is None else worth.cap_fen)


PIECE = {CouponKind.exchange: "填要换的那一件的原价", CouponKind.nth: "填打折那一件的原价"}
"""What the clerk enters for a coupon of one piece, instead of the bill."""


def counter_discount_fen(template: CouponTemplate, bill_fen: int | None) -> int:
    """What it takes off at the counter, where the clerk enters the bill; of some goods, theirs.

    Of a coupon for one piece the clerk enters that piece's price and has looked at the minimum.
    Without a bill an amount coupon takes off its face, and the clerk has looked at the minimum;
    others raise BillNeeded. A bill below the minimum raises BelowMinimum.
    """
    piece = PIECE.get(template.kind)
    if bill_fen is None:
        if template.kind is CouponKind.amount:
            return template.face_fen
        why = piece or "填一下消费金额，才知道抵多少"
        raise BillNeeded(why, errors={"bill": piece or "填消费金额"})
    if template.kind is CouponKind.exchange:
        return max(0, bill_fen - template.pay_fen)
    if template.kind is CouponKind.nth:
        return apply_basis_points(bill_fen, template.off_bp)
    if missing := missing_fen(template, bill_fen):
        why = (
            f"消费满 ¥{format_yuan(template.min_spend_fen, trim=True)} 才能用，"
            f"还差 ¥{format_yuan(missing)}"
        )
        raise BelowMinimum(why, errors={"bill": why})
    return discount_fen(template, bill_fen)
