"""Points in an order: how many may be spent on it, and what they take off. Pure."""

from dataclasses import dataclass, replace
from typing import Literal

from core.money import split_fen
from crm.tiers import Programme
from orders.rules import Discount, Price


@dataclass(frozen=True)
class PointsOffer:
    """`most`: how many of the member's points this order takes, and what those are worth; `used`:
    how many the price counts with."""

    most: int = 0
    most_fen: int = 0
    used: int = 0


def offer(
    price: Price, points: int, programme: Programme, wanted: int | Literal["most"] | None
) -> tuple[Price, PointsOffer]:
    """The price with as many points as were asked for and may be spent.

    The merchant says how many points make a yuan and which part of the goods they may pay; what
    coupons and promotions left is what counts.
    """
    left = [amount - off for amount, off in zip(price.amounts, price.line_discounts, strict=True)]
    if programme.spend_rate == 0 or points <= 0 or sum(left) == 0:
        return price, PointsOffer()
    cap_fen = sum(left) * programme.spend_cap_bp // 10_000
    most = min(points, cap_fen * programme.spend_rate // 100)
    most_fen = most * 100 // programme.spend_rate
    if most_fen == 0:  # fewer than make a fen
        return price, PointsOffer()
    used = most if wanted == "most" else min(wanted or 0, most)
    off_fen = used * 100 // programme.spend_rate
    if off_fen == 0:
        return price, PointsOffer(most, most_fen)
    parts = tuple(split_fen(off_fen, left))
    discount = Discount("points", 0, "积分抵扣", f"用 {used} 积分", off_fen, parts)
    return (
        replace(price, discounts=(*price.discounts, discount)),
        PointsOffer(most, most_fen, used),
    )
