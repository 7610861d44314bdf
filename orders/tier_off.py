"""What a member's tier takes off a cart: after the promotions, or in place of every other offer.

Pure. The merchant says which: on top of what promotions left and before coupons, or alone, where
that is cheaper.
"""

from collections.abc import Sequence
from dataclasses import replace

from core.money import apply_basis_points, split_fen
from orders.promoting import Stage
from orders.rules import Discount, Rejected, TierRule


def parts_of(rule: TierRule, left: Sequence[int]) -> tuple[int, ...]:
    """Its part of `left`, to the fen; one part for each line."""
    off = apply_basis_points(sum(left), rule.off_bp)
    return tuple(split_fen(off, list(left))) if off else (0,) * len(left)


def after(rule: TierRule | None, stage: Stage) -> Stage:
    """The stage with the tier's part taken off what the promotions left."""
    if rule is None or rule.alone:
        return stage
    return _taken(rule, stage)


def instead(rule: TierRule | None, listed: tuple[int, ...]) -> Stage | None:
    """List prices with the tier's part off and nothing else; None where it goes with others."""
    return _taken(rule, Stage(listed, (), listed)) if rule is not None and rule.alone else None


def discount(rule: TierRule, parts: tuple[int, ...]) -> Discount:
    return Discount("tier", rule.id, rule.name, f"{rule.name} {rule.words}", sum(parts), parts)


def why_unused(rule: TierRule, beaten_by: str) -> Rejected:
    """`beaten_by`: the coupon that nothing goes with; "": other offers save more."""
    reason = "和店里的优惠二选一，现在这样更省"
    if beaten_by:
        reason = f"「{beaten_by}」不和别的优惠一起用，用它更省"
    elif not rule.alone:
        reason = "这一单没有可以减的金额"
    return Rejected("tier", rule.id, f"{rule.name} {rule.words}", reason)


def _taken(rule: TierRule, stage: Stage) -> Stage:
    parts = parts_of(rule, stage.left)
    left = tuple(fen - part for fen, part in zip(stage.left, parts, strict=True))
    return replace(stage, left=left, tier=parts)
