"""How much more one group spent than another, and how sure that is. Pure arithmetic."""

from dataclasses import dataclass
from math import sqrt

Z95 = 1.959964
FEWEST_PEOPLE = 30
FEWEST_BUYERS = 5


@dataclass(frozen=True)
class Group:
    """What a group spent: each person's sum of fen is one observation, zero for most."""

    people: int
    buyers: int
    total_fen: int
    squares: int

    @property
    def mean(self) -> float:
        return self.total_fen / self.people if self.people else 0.0

    @property
    def variance(self) -> float:
        """Of the observations, with n − 1 below."""
        if self.people < 2:
            return 0.0
        return max(self.squares - self.total_fen**2 / self.people, 0.0) / (self.people - 1)


@dataclass(frozen=True)
class Lift:
    """The difference per person in fen, with its 95 % interval.

    `enough`: there are people and buyers enough to say anything. `sure`: the interval does not
    touch zero.
    """

    point: float
    low: float
    high: float
    enough: bool

    @property
    def sure(self) -> bool:
        return self.enough and (self.low > 0 or self.high < 0)


def compare(reached: Group, held: Group) -> Lift:
    """Welch's interval: neither equal sizes nor equal spread are assumed."""
    point = reached.mean - held.mean
    if not reached.people or not held.people:
        return Lift(0.0, 0.0, 0.0, enough=False)
    enough = (
        min(reached.people, held.people) >= FEWEST_PEOPLE
        and min(reached.buyers, held.buyers) >= FEWEST_BUYERS
    )
    a, b = reached.variance / reached.people, held.variance / held.people
    half = _quantile(_freedom(reached, held, a, b)) * sqrt(a + b)
    return Lift(point, point - half, point + half, enough)


def _freedom(reached: Group, held: Group, a: float, b: float) -> float:
    below = a**2 / max(reached.people - 1, 1) + b**2 / max(held.people - 1, 1)
    return (a + b) ** 2 / below if below else 1e9


def _quantile(freedom: float) -> float:
    """Student's t at 97.5 %, by the first terms of its expansion around the normal."""
    z, v = Z95, max(freedom, 3.0)
    return z + (z**3 + z) / (4 * v) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * v**2)
