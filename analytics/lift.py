"""How much more one group spent than another, and how sure that is. Pure arithmetic.

Most people spend nothing, a few spend much: over such amounts the textbook's (Welch's) interval
lies too low and misses too often when the hold-out is small. Hall's transformation takes the
skewness out of it and needs nothing but three sums per group, so a million people are one query.
"""

from dataclasses import dataclass
from math import cbrt, sqrt

FEWEST_PEOPLE = 50
FEWEST_BUYERS = 15
"""Below these, per group, the interval's 95 % would not be 95 %; a test shows that above it is."""


@dataclass(frozen=True)
class Group:
    """What a group spent: each person's sum of fen is one observation, zero for most."""

    people: int
    buyers: int
    total: float
    squares: float
    cubes: float

    @property
    def mean(self) -> float:
        return self.total / self.people if self.people else 0.0

    @property
    def variance(self) -> float:
        """Of the observations, with n − 1 below."""
        if self.people < 2:
            return 0.0
        return max(self.squares - self.total**2 / self.people, 0.0) / (self.people - 1)

    @property
    def skew(self) -> float:
        """The third central moment, in fen³."""
        if not self.people:
            return 0.0
        m = self.mean
        sum_of_cubes = self.cubes - 3 * m * self.squares + 3 * m**2 * self.total
        return sum_of_cubes / self.people - m**3

    def less(self, fen: float) -> "Group":
        """The group with so much taken off every person: a cost that all of them had."""
        squares = self.squares - 2 * fen * self.total + self.people * fen**2
        cubes = self.cubes - 3 * fen * self.squares + 3 * fen**2 * self.total - self.people * fen**3
        total = self.total - fen * self.people
        return Group(self.people, self.buyers, total, squares, cubes)


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


def compare(reached: Group, held: Group, *, comparisons: int = 1) -> Lift:
    """Hall's interval on Welch's degrees of freedom: equal sizes or spread are not assumed.

    With several `comparisons` each interval is wider (Bonferroni), so that all of them hold
    together in 95 of 100 campaigns.
    """
    point = reached.mean - held.mean
    if not reached.people or not held.people:
        return Lift(0.0, 0.0, 0.0, enough=False)
    enough = (
        min(reached.people, held.people) >= FEWEST_PEOPLE
        and min(reached.buyers, held.buyers) >= FEWEST_BUYERS
    )
    a, b = reached.variance / reached.people, held.variance / held.people
    error = sqrt(a + b)
    if not error:
        return Lift(point, point, point, enough)
    skew = (reached.skew / reached.people**2 - held.skew / held.people**2) / error**3
    t = _quantile(_freedom(reached, held, a, b), 1 - 0.025 / comparisons)
    low, high = point - _straightened(t, skew) * error, point - _straightened(-t, skew) * error
    return Lift(point, min(low, point), max(high, point), enough)


def _straightened(t: float, skew: float) -> float:
    """Where the skewed statistic stands when the straight one stands at `t`."""
    if abs(skew) < 1e-9:
        return t
    return 3 / skew * (cbrt(1 + skew * (t - skew / 6)) - 1)


def _freedom(reached: Group, held: Group, a: float, b: float) -> float:
    below = a**2 / max(reached.people - 1, 1) + b**2 / max(held.people - 1, 1)
    return (a + b) ** 2 / below if below else 1e9


def _quantile(freedom: float, probability: float) -> float:
    """Student's t. Imported here: half a second and 40 MB that only a report needs."""
    from scipy.special import stdtrit

    return float(stdtrit(freedom, probability))
