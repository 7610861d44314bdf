"""The interval: known cases, honest refusals, and properties that must always hold."""

from math import isclose

from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.lift import Group, compare


def group(values: list[int]) -> Group:
    buyers = sum(1 for value in values if value > 0)
    return Group(len(values), buyers, sum(values), sum(value * value for value in values))


amounts = st.lists(st.integers(0, 50_000), min_size=1, max_size=80)


def test_a_textbook_case() -> None:
    # Two samples of 30: means 50 and 40, both with standard deviation 10 (n − 1).
    reached = Group(30, 30, 1_500, 29 * 100 + 30 * 2_500)
    held = Group(30, 30, 1_200, 29 * 100 + 30 * 1_600)

    lift = compare(reached, held)

    assert isclose(lift.point, 10.0)
    # t(58 degrees, 97.5 %) = 2.0017; standard error = sqrt(200 / 30) = 2.582
    assert isclose(lift.low, 10 - 2.0017 * 2.58199, abs_tol=0.002)
    assert lift.sure


def test_a_difference_that_may_be_chance_is_not_called_one() -> None:
    spread = [0] * 20 + [1_000, 9_000, 2_000, 30_000, 500, 0, 0, 0, 4_000, 0]

    lift = compare(group(spread), group([*spread[-2::-1], 9_000]))

    assert lift.enough
    assert not lift.sure


def test_few_people_or_few_buyers_are_not_enough() -> None:
    many, few = group([100] * 40), group([0] * 29)

    assert not compare(many, few).enough
    assert not compare(group([0] * 40), many).enough
    assert not compare(many, group([])).enough
    assert compare(many, group([100] * 30)).enough


@settings(deadline=None)
@given(amounts, amounts)
def test_the_interval_holds_its_point_and_turns_round_with_the_groups(
    a: list[int], b: list[int]
) -> None:
    there, back = compare(group(a), group(b)), compare(group(b), group(a))

    assert there.low <= there.point <= there.high
    assert isclose(there.point, -back.point, abs_tol=1e-6)
    assert isclose(there.low, -back.high, abs_tol=1e-6)


@settings(deadline=None)
@given(amounts)
def test_a_group_differs_from_itself_by_nothing(values: list[int]) -> None:
    lift = compare(group(values), group(values))

    assert lift.point == 0
    assert not lift.sure


@settings(deadline=None)
@given(amounts, st.integers(2, 5))
def test_more_of_the_same_people_never_widen_the_interval(values: list[int], times: int) -> None:
    half = sorted(values)[: max(len(values) // 2, 1)]
    once = compare(group(values * 2), group(half * 2))
    more = compare(group(values * 2 * times), group(half * 2 * times))

    assert more.high - more.low <= once.high - once.low + 1e-6
