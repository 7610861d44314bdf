"""Which coupons to use together: of each group at most one, so that they take most off in all.

Exact and quick: a set takes no more than its coupons do one by one, so a branch that could not beat
the best set so far is not looked at. With dozens of coupons that leaves a few sets to price.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import NamedTuple

from coupons.models import CouponKind, StackGroup
from orders.rules import CouponRule

ORDER = [
    CouponKind.exchange,
    CouponKind.nth,
    CouponKind.percent,
    CouponKind.amount,
    CouponKind.delivery,
]
"""What takes single pieces goes before what spreads over all goods; then by id."""


class Taken(NamedTuple):
    parts: tuple[int, ...]
    delivery_fen: int = 0

    @property
    def off_fen(self) -> int:
        return sum(self.parts) + self.delivery_fen


Take = Callable[[Sequence[int], int], Taken]


@dataclass(frozen=True)
class Candidate:
    """A coupon that takes `off_fen` off alone; `take` what it takes off what others left."""

    rule: CouponRule
    off_fen: int
    take: Take


Chosen = tuple[tuple[Candidate, Taken], ...]


def taken_groups(
    coupons: Sequence[CouponRule], promoted: frozenset[StackGroup]
) -> Iterator[frozenset[StackGroup]]:
    """Every choice of groups in which a coupon stands instead of a promotion; first: none."""
    both = sorted({rule.group for rule in coupons} & promoted)
    for number in range(len(both) + 1):
        for groups in combinations(both, number):
            yield frozenset(groups)


def choose(
    candidates: Sequence[Candidate],
    left: Sequence[int],
    delivery_fee_fen: int,
    *,
    needed: frozenset[StackGroup],
    closed: frozenset[StackGroup],
) -> Chosen | None:
    """The set that takes most off: one of every `needed` group, none of a `closed` one.

    None when a needed group has nothing to offer. Of equals the first by rank counts.
    """
    groups: dict[StackGroup, list[Candidate]] = {group: [] for group in needed}
    for each in candidates:
        if each.rule.group not in closed:
            groups.setdefault(each.rule.group, []).append(each)
    names = sorted(groups)
    several = [
        sorted(groups[name], key=lambda each: (-each.off_fen, each.rule.rank, each.rule.id))
        for name in names
    ]
    tops = [max((each.off_fen for each in group), default=0) for group in several]
    reach = [sum(tops[index:]) for index in range(len(tops) + 1)]
    best: tuple[int, Chosen | None] = (-1, None)

    def walk(index: int, chosen: list[Candidate], bound: int) -> None:
        nonlocal best
        if bound + reach[index] <= best[0]:
            return
        if index == len(several):
            priced = _price(chosen, left, delivery_fee_fen)
            if priced is not None and priced[0] > best[0]:
                best = priced
            return
        for each in several[index]:
            walk(index + 1, [*chosen, each], bound + each.off_fen)
        if names[index] not in needed:
            walk(index + 1, chosen, bound)

    if all(groups[group] for group in needed):
        walk(0, [], 0)
    return best[1]


def _price(
    chosen: Sequence[Candidate], left: Sequence[int], delivery_fee_fen: int
) -> tuple[int, Chosen] | None:
    """What they take off together, in the fixed order; None when one would take nothing."""
    off, taken = 0, []
    for each in sorted(chosen, key=_order):
        part = each.take(left, delivery_fee_fen)
        if part.off_fen == 0:
            return None
        left = [fen - minus for fen, minus in zip(left, part.parts, strict=True)]
        delivery_fee_fen -= part.delivery_fen
        off += part.off_fen
        taken.append((each, part))
    return off, tuple(taken)


def _order(each: Candidate) -> tuple[int, int]:
    return ORDER.index(each.rule.worth.kind), each.rule.id
