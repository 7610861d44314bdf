"""The interval: known cases, honest refusals, properties, and how often it holds the truth."""

from math import isclose
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from analytics.lift import FEWEST_BUYERS, FEWEST_PEOPLE, Group, compare
from analytics.sums import Sums, known_share


def group(values: Any) -> Group:
    v = np.asarray(values, dtype=float)
    return Group(len(v), int((v > 0).sum()), v.sum(), (v**2).sum(), (v**3).sum())


amounts = st.lists(st.integers(0, 50_000), min_size=2, max_size=80)


def test_without_skewness_it_is_welchs_interval() -> None:
    a = [30, 40, 50, 60, 70] * 20
    b = [20, 40, 40, 60] * 15

    lift = compare(group(a), group(b))

    welch = stats.ttest_ind(a, b, equal_var=False).confidence_interval(0.95)
    assert isclose(lift.point, 10.0)
    assert isclose(lift.low, welch.low, abs_tol=1e-9)
    assert isclose(lift.high, welch.high, abs_tol=1e-9)
    assert lift.sure


def test_sums_of_powers_give_the_moments() -> None:
    values = [0, 0, 0, 1_200, 3_500, 90_000]
    found = group(values)

    assert isclose(found.variance, np.var(values, ddof=1))
    central = float(np.mean((np.asarray(values) - np.mean(values)) ** 3))
    assert isclose(found.skew, central, rel_tol=1e-9)
    less = found.less(150)
    assert isclose(less.mean, found.mean - 150)
    assert isclose(less.variance, found.variance, rel_tol=1e-9)
    assert isclose(less.skew, found.skew, rel_tol=1e-9)


def test_a_long_tail_moves_the_interval_towards_it() -> None:
    reached, held = [0] * 900 + [3_000] * 99 + [80_000], [0] * 450 + [3_000] * 50

    lift = compare(group(reached), group(held))

    welch = stats.ttest_ind(reached, held, equal_var=False).confidence_interval(0.95)
    assert lift.low > welch.low
    assert lift.high > welch.high


def test_a_difference_that_may_be_chance_is_not_called_one() -> None:
    spread = [0] * 40 + [1_000, 9_000, 2_000, 30_000, 500, 4_000] * 4

    lift = compare(group(spread), group([*spread[:-1], 9_000]))

    assert lift.enough
    assert not lift.sure


def test_few_people_or_few_buyers_are_not_enough() -> None:
    many = group([100] * FEWEST_PEOPLE)
    few_people = group([100] * (FEWEST_PEOPLE - 1))
    few_buyers = group([100] * (FEWEST_BUYERS - 1) + [0] * FEWEST_PEOPLE)

    assert compare(many, group([100] * FEWEST_BUYERS + [0] * FEWEST_PEOPLE)).enough
    assert not compare(many, few_people).enough
    assert not compare(few_people, many).enough
    assert not compare(few_buyers, many).enough
    assert not compare(many, group([])).enough


def test_several_comparisons_widen_each() -> None:
    a, b = group([0] * 100 + [4_000] * 40), group([0] * 100 + [2_000] * 40)

    one, three = compare(a, b), compare(a, b, comparisons=3)

    assert three.low < one.low < one.point < one.high < three.high


@settings(max_examples=60)
@given(amounts, amounts)
def test_the_interval_holds_its_point_and_turns_round_with_the_groups(
    a: list[int], b: list[int]
) -> None:
    there, back = compare(group(a), group(b)), compare(group(b), group(a))

    assert there.low <= there.point <= there.high
    assert isclose(there.point, -back.point, abs_tol=1e-6)
    assert isclose(there.low, -back.high, rel_tol=1e-6, abs_tol=1e-3)


@settings(max_examples=40)
@given(amounts)
def test_a_group_differs_from_itself_by_nothing(values: list[int]) -> None:
    lift = compare(group(values), group(values))

    assert lift.point == 0
    assert not lift.sure


@settings(max_examples=40)
@given(
    st.lists(st.tuples(*[st.integers(0, 20_000)] * 4), min_size=3, max_size=40),
    st.integers(0, 10_000),
)
def test_profit_out_of_the_sums_is_profit_person_by_person(
    people: list[tuple[int, int, int, int]], margin_bp: int
) -> None:
    """Of each: what was paid, the cost that is known, the other goods' price, its known part."""
    s, cost, u, k = (np.asarray(part, dtype=float) for part in zip(*people, strict=True))
    a, g = s - cost, u + k
    each = s - cost - (1 - margin_bp / 10_000) * u
    powers = (s, s**2, s**3, g, a, u, a * a, a * u, u * u, a**3, a * a * u, a * u * u, u**3)

    sums = Sums(*(float(p.sum()) for p in powers))
    found = sums.profit(len(s), 3, margin_bp)

    assert known_share([sums]) == pytest.approx(k.sum() / g.sum() if g.sum() else 0.0)

    assert isclose(found.total, each.sum(), rel_tol=1e-9, abs_tol=1e-3)
    assert isclose(found.squares, (each**2).sum(), rel_tol=1e-8, abs_tol=10)
    assert isclose(found.cubes, (each**3).sum(), rel_tol=1e-6, abs_tol=1e6)


CAMPAIGNS, SEED = 1_000, 20_261_122


def test_in_a_thousand_campaigns_the_interval_holds_the_truth_as_often_as_it_says() -> None:
    """Shops' own sizes: 600 to 12,000 people, a tenth to a half held out, one in ten buys.

    People differ in how often they come and in what they spend; a few spend very much. The
    campaign makes three in a hundred buy once more. What it brings per person is known.
    """
    chance = np.random.default_rng(SEED)
    held_truth = too_low = too_high = told = 0
    while told < CAMPAIGNS:
        size = int(np.exp(chance.uniform(np.log(600), np.log(12_000))))
        spent, held, truth = campaign(chance, size, chance.choice([0.1, 0.2, 0.5]))
        lift = compare(group(spent[~held]), group(spent[held]))
        if not lift.enough:
            continue
        told += 1
        held_truth += lift.low <= truth <= lift.high
        too_low += lift.high < truth
        too_high += lift.low > truth

    assert 0.93 * CAMPAIGNS <= held_truth <= 0.97 * CAMPAIGNS
    # Wrong on either side about as often: the estimate leans nowhere.
    assert max(too_low, too_high) < 0.75 * (too_low + too_high)


def test_the_textbook_interval_would_lean() -> None:
    """The control: with a hundred held out Welch's interval misses far more on one side."""
    chance = np.random.default_rng(SEED)
    too_low = too_high = 0
    for _ in range(400):
        spent, held, truth = campaign(chance, 1_500, 0.1)
        reached, kept = spent[~held], spent[held]
        welch = stats.ttest_ind(reached, kept, equal_var=False).confidence_interval(0.95)
        too_low += welch.high < truth
        too_high += welch.low > truth

    assert too_low + too_high > 0.05 * 400
    assert max(too_low, too_high) > 0.75 * (too_low + too_high)


Fens = np.ndarray[Any, np.dtype[np.float64]]


def campaign(
    chance: np.random.Generator, size: int, share: float
) -> tuple[Fens, np.ndarray[Any, np.dtype[np.bool_]], float]:
    """What everybody spent in the window, who was held out, and the truth: fen per person."""
    often = chance.gamma(0.6, 1 / 0.6, size)
    ticket = np.exp(chance.normal(0, 0.35, size)) * 3_500
    orders = chance.poisson(often * 0.12)
    spent = np.zeros(size)
    for number in range(int(orders.max())):
        again = orders > number
        spent[again] += np.round(ticket[again] * _around_one(chance, int(again.sum())))
    held = chance.random(size) < share
    moved = (chance.random(size) < 0.03) & ~held
    spent[moved] += 3_000 * _around_one(chance, int(moved.sum()))
    return spent, held, 0.03 * 3_000


def _around_one(chance: np.random.Generator, number: int) -> Fens:
    return np.exp(chance.normal(-0.125, 0.5, number))


@pytest.mark.parametrize("people", [0, 1])
def test_hardly_anybody_is_no_group(people: int) -> None:
    nearly = group([5_000] * people)

    assert (nearly.variance, nearly.mean) == (0.0, 5_000.0 * people)
    assert not compare(nearly, nearly).enough
