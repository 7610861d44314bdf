"""What a discount takes off the lines of a cart: pure rules, no session, no clock.

Thresholds and percentages are measured on `base`, what the lines cost when coupons begin; what is
taken comes out of `left`, so no line goes below zero and whoever comes later takes no more.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from core.money import apply_basis_points, split_fen
from coupons.amounts import Worth, discount_fen, missing_fen
from coupons.models import CouponKind


@dataclass(frozen=True)
class Line:
    """A line of a cart. `base_fen`: one piece at its list price, options apart; 0: as a whole."""

    product_id: int
    amount_fen: int
    quantity: int = 1
    base_fen: int = 0
    category_id: int = 0
    sku_id: int = 0


Fen = Sequence[int]


def take(worth: Worth, lines: Sequence[Line], base: Fen, left: Fen, fits: Sequence[bool]) -> Fen:
    """What a coupon takes off each line that it fits; all zero when it takes nothing."""
    nothing = [0] * len(lines)
    if worth.kind is CouponKind.delivery or not any(fits):
        return nothing
    if worth.kind in (CouponKind.amount, CouponKind.percent):
        goods = sum(fen for fen, fit in zip(base, fits, strict=True) if fit)
        return spread(discount_fen(worth, goods), left, fits)
    if missing_fen(worth, sum(base)):
        return nothing
    if worth.kind is CouponKind.exchange:
        return _exchange(worth.pay_fen, lines, left, fits)
    return nth(worth.nth, worth.off_bp, lines, left, fits, times=1)


def spread(off_fen: int, left: Fen, fits: Sequence[bool]) -> Fen:
    """`off_fen` over the lines that fit, in proportion to what is left of them, at most all."""
    weights = [fen if fit else 0 for fen, fit in zip(left, fits, strict=True)]
    off_fen = min(off_fen, sum(weights))
    return split_fen(off_fen, weights) if off_fen > 0 else [0] * len(weights)


def nth(
    number: int,
    off_bp: int,
    lines: Sequence[Line],
    left: Fen,
    fits: Sequence[bool],
    *,
    times: int | None = None,
) -> Fen:
    """Of every `number` pieces of one product the cheapest at `off_bp` off, options apart.

    `times` 1: once, for the product where it takes most. None: as often as there are pieces.
    """
    pieces: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for index, line in enumerate(lines):
        if fits[index]:
            pieces[line.product_id] += [(_piece(line, left[index]), index)] * line.quantity
    best = [0] * len(lines)
    total = [0] * len(lines)
    for several in pieces.values():
        allowed = len(several) // number
        parts = [0] * len(lines)
        for fen, index in sorted(several)[: allowed if times is None else min(allowed, times)]:
            off = apply_basis_points(fen, off_bp)
            parts[index] += off
            total[index] += off
        best = max(best, parts, key=sum)
    return total if times is None else best


def most_of_one(lines: Sequence[Line], fits: Sequence[bool]) -> int:
    """How many pieces of one product there are, of the product with most."""
    pieces: Counter[int] = Counter()
    for line, fit in zip(lines, fits, strict=True):
        pieces[line.product_id] += line.quantity if fit else 0
    return max(pieces.values(), default=0)


def _exchange(pay_fen: int, lines: Sequence[Line], left: Fen, fits: Sequence[bool]) -> Fen:
    """The dearest piece that fits costs `pay_fen`; its options keep their price."""
    offs = [
        max(0, _piece(line, fen) - pay_fen) if fit else 0
        for line, fen, fit in zip(lines, left, fits, strict=True)
    ]
    most = max(offs)
    index = offs.index(most)
    return [most if each == index else 0 for each in range(len(lines))]


def _piece(line: Line, left_fen: int) -> int:
    """What is left of one piece, without its options."""
    piece = left_fen // line.quantity
    return min(piece, line.base_fen) if line.base_fen else piece
