"""The sums over a group's people from which revenue and profit are compared. Pure.

A person's revenue is `s`, the discounts that were taken off for it `d`. With a margin m the profit
is m·(s + d) − d = m·s − (1 − m)·d: goods cost what they cost whatever the coupon took off. Sums of
products of s and d up to the third order give mean, spread and skewness of any such mixture, so
another margin needs no new look at the orders.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields

from analytics.lift import Group

WHOLE = 10_000


@dataclass(frozen=True)
class Sums:
    """Over people, in fen: `ssd` is the sum of s·s·d. Who bought nothing adds nothing."""

    s: float = 0.0
    d: float = 0.0
    ss: float = 0.0
    sd: float = 0.0
    dd: float = 0.0
    sss: float = 0.0
    ssd: float = 0.0
    sdd: float = 0.0
    ddd: float = 0.0

    def to_list(self) -> list[float]:
        return [getattr(self, each.name) for each in fields(self)]

    @classmethod
    def add(cls, several: Sequence["Sums"]) -> "Sums":
        """Of people who stand in different groups, together."""
        if not several:
            return NOTHING
        return cls(*(sum(parts) for parts in zip(*(s.to_list() for s in several), strict=True)))

    def revenue(self, people: int, buyers: int) -> Group:
        return Group(people, buyers, self.s, self.ss, self.sss)

    def profit(self, people: int, buyers: int, margin_bp: int) -> Group:
        """With `margin_bp` of the undiscounted price kept, discounts taken off."""
        m = margin_bp / WHOLE
        c = 1 - m
        squares = m**2 * self.ss - 2 * m * c * self.sd + c**2 * self.dd
        cubes = (
            m**3 * self.sss - 3 * m**2 * c * self.ssd + 3 * m * c**2 * self.sdd - c**3 * self.ddd
        )
        return Group(people, buyers, m * self.s - c * self.d, squares, cubes)


NOTHING = Sums()
