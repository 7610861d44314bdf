"""The sums over a group's people from which revenue and profit are compared. Pure.

A person's revenue is `s`. Of the goods at their undiscounted price, `g`, some have a cost that the
merchant gave; `a` is the revenue with those costs taken off, `u` the undiscounted price of all the
others. With a margin m on the others the profit is a − (1 − m)·u: goods cost what they cost
whatever a coupon took off. Sums of products of a and u up to the third order give mean, spread and
skewness for any margin, so another margin needs no new look at the orders.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields

from analytics.lift import Group

WHOLE = 10_000


@dataclass(frozen=True)
class Sums:
    """Over people, in fen: `aau` is the sum of a·a·u. Who bought nothing adds nothing."""

    s: float = 0.0
    ss: float = 0.0
    sss: float = 0.0
    g: float = 0.0
    a: float = 0.0
    u: float = 0.0
    aa: float = 0.0
    au: float = 0.0
    uu: float = 0.0
    aaa: float = 0.0
    aau: float = 0.0
    auu: float = 0.0
    uuu: float = 0.0

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
        """With `margin_bp` of the undiscounted price kept where no cost is known."""
        c = 1 - margin_bp / WHOLE
        squares = self.aa - 2 * c * self.au + c**2 * self.uu
        cubes = self.aaa - 3 * c * self.aau + 3 * c**2 * self.auu - c**3 * self.uuu
        return Group(people, buyers, self.a - c * self.u, squares, cubes)


POWERS = tuple(len(each.name) for each in fields(Sums))
"""Of money in each sum: a factor per letter."""
NOTHING = Sums()


def known_share(several: Sequence[Sums]) -> float:
    """How much of what was bought, at its undiscounted price, has a known cost: 0 to 1."""
    bought = sum(each.g for each in several)
    return min(1.0, max(0.0, 1 - sum(each.u for each in several) / bought)) if bought else 0.0
