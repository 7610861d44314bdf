"""Promotions and a cart: timed prices first, then of each group the one that takes most."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from core.money import apply_basis_points
from coupons import taking, words
from coupons.models import PromotionKind, StackGroup
from coupons.taking import Line
from orders import timed_prices
from orders.rules import PromotionRule, yuan

ORDER = [PromotionKind.price, PromotionKind.nth, PromotionKind.pieces, PromotionKind.spend]
Parts = tuple[int, ...]


@dataclass(frozen=True)
class Stage:
    """What the lines cost after the promotions, and what each promotion took off them.

    `timed` is what they cost after timed prices alone: every threshold is asked of that. `tier` is
    what the member's tier takes off besides. `pieces`: of rationed prices, how many of which SKU.
    """

    left: Parts
    taken: tuple[tuple[PromotionRule, Parts], ...] = ()
    timed: Parts = ()
    tier: Parts = ()
    pieces: Mapping[int, Mapping[int, int]] = field(default_factory=dict)


def apply(
    lines: Sequence[Line],
    promotions: Sequence[PromotionRule],
    *,
    without: Collection[StackGroup] = (),
) -> Stage:
    """The promotions on `lines`; the groups `without` stay empty, for a coupon."""
    left = tuple(line.amount_fen for line in lines)
    if not promotions:
        return Stage(left, (), left)
    holding = sorted((rule for rule in promotions if not rule.blocked), key=_order)
    prices = [rule for rule in holding if rule.kind is PromotionKind.price]
    taken, pieces = timed_prices.take(lines, prices)
    for _, parts in taken:
        left = _minus(left, parts)
    timed = left
    best: dict[StackGroup, tuple[int, PromotionRule]] = {}
    for rule in holding:
        if rule.kind is PromotionKind.price or rule.group in without:
            continue
        off = sum(_take(rule, lines, timed, timed))
        if off > best.get(rule.group, (0, None))[0]:
            best[rule.group] = (off, rule)
    for rule in sorted((rule for _, rule in best.values()), key=_order):
        parts = tuple(_take(rule, lines, timed, left))
        if any(parts):
            taken.append((rule, parts))
            left = _minus(left, parts)
    return Stage(left, tuple(taken), timed, pieces=pieces)


def groups_of(promotions: Sequence[PromotionRule]) -> frozenset[StackGroup]:
    """The groups in which a promotion may hold; timed prices are in none."""
    return frozenset(
        rule.group
        for rule in promotions
        if not rule.blocked and rule.kind is not PromotionKind.price
    )


def why_unused(
    rule: PromotionRule, lines: Sequence[Line], stage: Stage
) -> tuple[str, int | None] | None:
    """Why it took nothing and how much more to spend; None where the cart has none of its goods."""
    fits = rule.fits(lines)
    if not any(fits):
        return None
    if rule.blocked:
        return rule.blocked, None
    if rule.ration is not None and (gone := timed_prices.gone(rule.ration, lines, fits)):
        return gone, None
    if rule.kind is PromotionKind.spend:
        missing = min(threshold for threshold, _ in rule.steps) - _goods_fen(
            rule, lines, stage.timed
        )
        if missing > 0:
            return f"还差 ¥{yuan(missing)}", missing
    elif rule.kind is PromotionKind.pieces:
        short = min(number for number, _ in rule.steps) - _pieces(lines, fits)
        if short > 0:
            return f"还差 {short} 件", None
    elif rule.kind is PromotionKind.nth and taking.most_of_one(lines, fits) < rule.nth:
        return f"同一样买满 {rule.nth} 件才有", None
    rivals = [
        other
        for other, _ in stage.taken
        if (other.kind is PromotionKind.price) is (rule.kind is PromotionKind.price)
        and (other.group is rule.group or rule.kind is PromotionKind.price)
    ]
    return (f"已用更省的「{rivals[0].name}」" if rivals else "这一单没有可以减的金额"), None


def says(rule: PromotionRule, lines: Sequence[Line], stage: Stage) -> str:
    """What it gave: of several steps the one that was reached."""
    if rule.id in stage.pieces:
        return f"{rule.words}，这一单 {sum(stage.pieces[rule.id].values())} 件"
    reached = _reached(rule, lines, stage.timed)
    return words.step(rule.kind, *reached) if reached else rule.words


def next_step(rule: PromotionRule, lines: Sequence[Line], stage: Stage) -> tuple[str, int] | None:
    """Of money the next step up, in words, and what is missing to it."""
    if rule.kind is not PromotionKind.spend:
        return None
    goods_fen = _goods_fen(rule, lines, stage.timed)
    above = sorted(step for step in rule.steps if step[0] > goods_fen)
    if not above:
        return None
    return words.step(rule.kind, *above[0]), above[0][0] - goods_fen


def _reached(
    rule: PromotionRule, lines: Sequence[Line], timed: Sequence[int]
) -> tuple[int, int] | None:
    """The step that counts: of those that are reached the one that takes most."""
    if not rule.steps:
        return None
    number = _goods_fen(rule, lines, timed)
    if rule.kind is PromotionKind.pieces:
        number = _pieces(lines, rule.fits(lines))
    reached = [step for step in rule.steps if step[0] <= number]
    return max(reached, key=lambda step: step[1], default=None)


def _goods_fen(rule: PromotionRule, lines: Sequence[Line], timed: Sequence[int]) -> int:
    return sum(fen for fen, fit in zip(timed, rule.fits(lines), strict=True) if fit)


def _order(rule: PromotionRule) -> tuple[int, int]:
    return ORDER.index(rule.kind), rule.id


def _take(
    rule: PromotionRule, lines: Sequence[Line], timed: Sequence[int], left: Sequence[int]
) -> Sequence[int]:
    fits = rule.fits(lines)
    if rule.kind is PromotionKind.nth:
        return taking.nth(rule.nth, rule.off_bp, lines, left, fits)
    _, off = _reached(rule, lines, timed) or (0, 0)
    if rule.kind is PromotionKind.pieces:
        off = apply_basis_points(_goods_fen(rule, lines, timed), off)
    return taking.spread(off, left, fits)


def _pieces(lines: Sequence[Line], fits: Sequence[bool]) -> int:
    return sum(line.quantity for line, fit in zip(lines, fits, strict=True) if fit)


def _minus(left: Parts, parts: Sequence[int]) -> Parts:
    return tuple(fen - part for fen, part in zip(left, parts, strict=True))
