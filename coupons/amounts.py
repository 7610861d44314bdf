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


def missing_fen(worth: Worth | CouponTemplate, eligible_fen: int) -> int:
    """What the eligible goods still lack to the minimum; 0 when it is reached."""
    return max(0, worth.min_spend_fen - eligible_fen)


def discount_fen(worth: Worth | CouponTemplate, eligible_fen: int) -> int:
    """What it takes off `eligible_fen`: never more than there is, 0 below the minimum."""
    if eligible_fen <= 0 or missing_fen(worth, eligible_fen):
        return 0
    if worth.kind is CouponKind.amount:
        return min(worth.face_fen, eligible_fen)
    off = apply_basis_points(eligible_fen, worth.off_bp)
    return min(off, eligible_fen if worth.cap_fen is None else worth.cap_fen)


def counter_discount_fen(template: CouponTemplate, bill_fen: int | None) -> int:
    """What it takes off at the counter, where the clerk enters the bill; of some goods, theirs.

    Without a bill an amount coupon takes off its face, and the clerk has looked at the minimum; a
    percent coupon raises BillNeeded. A bill below the minimum raises BelowMinimum.
    """
    if bill_fen is None:
        if template.kind is CouponKind.percent:
            raise BillNeeded("填一下消费金额，才知道抵多少", errors={"bill": "填消费金额"})
        return template.face_fen
    if missing := missing_fen(template, bill_fen):
        why = (
            f"消费满 ¥{format_yuan(template.min_spend_fen, trim=True)} 才能用，"
            f"还差 ¥{format_yuan(missing)}"
        )
        raise BelowMinimum(why, errors={"bill": why})
    return discount_fen(template, bill_fen)
