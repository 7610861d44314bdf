"""Timed prices (限时折扣): each piece at the lowest price that holds for it. Pure rules.

A price that is rationed holds for as many pieces as are left; the rest go to the next lowest.
"""

from collections.abc import Mapping, Sequence

from core.money import apply_basis_points
from coupons.taking import Line
from orders.rules import PromotionRule, Ration

Parts = tuple[int, ...]
Pieces = Mapping[int, Mapping[int, int]]
"""By rule and SKU."""


def take(
    lines: Sequence[Line], rules: Sequence[PromotionRule]
) -> tuple[list[tuple[PromotionRule, Parts]], Pieces]:
    """What each price takes off the lines, and how many pieces the rationed ones gave."""
    offs: dict[int, list[int]] = {rule.id: [0] * len(lines) for rule in rules}
    given: dict[int, dict[int, int]] = {rule.id: {} for rule in rules}
    fitting = [(rule, rule.fits(lines)) for rule in rules]
    for index, line in enumerate(lines):
        here = [(_off_piece(rule, line), rule) for rule, fits in fitting if fits[index]]
        rest = line.quantity
        for off, rule in sorted(here, key=lambda each: (-each[0], each[1].id)):
            if rest == 0 or off == 0:
                break
            pieces = rest
            if rule.ration is not None:
                had = given[rule.id]
                pieces = min(rest, _left(rule.ration, line.sku_id, had))
                if pieces:
                    had[line.sku_id] = had.get(line.sku_id, 0) + pieces
            offs[rule.id][index] += off * pieces
            rest -= pieces
    taken = [(rule, tuple(offs[rule.id])) for rule in rules if any(offs[rule.id])]
    return taken, {id_: skus for id_, skus in given.items() if skus}


def gone(ration: Ration, lines: Sequence[Line], fits: Sequence[bool]) -> str:
    """Why a rationed price has nothing left for any of the lines that it fits; empty: it has."""
    if ration.of_member == 0:
        return f"每人限 {ration.limits.of_member} 件，你已经买够了"
    mine = [line for line, fit in zip(lines, fits, strict=True) if fit]
    return "" if any(_left(ration, line.sku_id, {}) for line in mine) else "特价的已经抢完了"


def _left(ration: Ration, sku_id: int, had: Mapping[int, int]) -> int:
    """`had`: what the lines before took."""
    left = [ration.of_sku[sku_id] - had.get(sku_id, 0)] if sku_id in ration.of_sku else []
    if ration.of_member is not None:
        left.append(ration.of_member - sum(had.values()))
    return max(0, min(left))


def _off_piece(rule: PromotionRule, line: Line) -> int:
    piece = line.base_fen or line.amount_fen // line.quantity
    if rule.price_fen is not None:
        return max(0, piece - rule.price_fen)
    return apply_basis_points(piece, rule.off_bp)
