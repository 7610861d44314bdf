"""What a coupon takes off an amount: pure rules, no session, no clock."""

from dataclasses import dataclass

from core.money import apply_basis_points
from coupons.models import CouponKind


@dataclass(frozen=True)
class Worth:
    """The part of a template that decides the amount."""

    kind: CouponKind
    face_fen: int = 0
    off_bp: int = 0
    cap_fen: int | None = None
    min_spend_fen: int = 0


def missing_fen(worth: Worth, eligible_fen: int) -> int:
    """What the eligible goods still lack to the minimum; 0 when it is reached."""
    return max(0, worth.min_spend_fen - eligible_fen)


def discount_fen(worth: Worth, eligible_fen: int) -> int:
    """What it takes off `eligible_fen`: never more than there is, 0 below the minimum."""
    if eligible_fen <= 0 or missing_fen(worth, eligible_fen):
        return 0
    if worth.kind is CouponKind.amount:
        return min(worth.face_fen, eligible_fen)
    off = apply_basis_points(eligible_fen, worth.off_bp)
    return min(off, eligible_fen if worth.cap_fen is None else worth.cap_fen)
