"""Days and hours, in the store's zone and past midnight; goods by name and by category."""

from datetime import UTC, datetime
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.clock import local
from coupons import scope


class Hours(NamedTuple):
    weekdays: list[int] | None = None
    from_minute: int | None = None
    until_minute: int | None = None


def at(day: int, hour: int, minute: int = 0) -> datetime:
    """2026-11-`day` in Shanghai; the 23rd is a Monday."""
    return datetime(2026, 11, day, hour, minute, tzinfo=local(datetime.now(UTC)).tzinfo)


@pytest.mark.parametrize(
    ("hours", "good", "bad"),
    [
        (Hours(), at(23, 0), None),
        (Hours([0]), at(23, 0), at(24, 0)),
        (Hours(None, 840, 1_020), at(23, 14), at(23, 17)),
        (Hours([0], 1_320, 120), at(24, 1, 59), at(23, 1, 59)),
        (Hours([0], 1_320, 120), at(23, 22), at(24, 2)),
        (Hours(None, 0, 1_440), at(23, 23, 59), None),
    ],
)
def test_it_is_on_when_it_says(hours: Hours, good: datetime, bad: datetime | None) -> None:
    assert scope.is_on(hours, good)
    assert bad is None or not scope.is_on(hours, bad)


HOURS = st.builds(
    Hours,
    st.none() | st.lists(st.integers(0, 6), min_size=1, unique=True),
    st.integers(0, 1_439),
    st.integers(1, 1_440),
).filter(lambda hours: hours.from_minute != hours.until_minute)


@given(HOURS, st.integers(0, 7 * 1_440 - 1))
def test_the_minutes_of_the_week_say_the_same_as_the_clock(hours: Hours, minute: int) -> None:
    day, rest = divmod(minute, 1_440)
    now = at(23 + day, rest // 60, rest % 60)

    within = any(start <= minute < end for start, end in scope.minutes_of_week(hours))
    assert scope.is_on(hours, now) is within


def test_it_is_said_in_words() -> None:
    said = [
        scope.hours_words(hours)
        for hours in (
            Hours(),
            Hours([0, 1, 2, 3, 4], 840, 1_020),
            Hours([5, 6]),
            Hours([1, 3]),
            Hours(None, 1_320, 120),
        )
    ]
    assert said == ["", "周一至周五 14:00–17:00", "周末", "周二、周四", "22:00–02:00"]


def test_goods_are_named_one_by_one_or_by_category() -> None:
    assert scope.covers(None, None, 1, 10)
    assert scope.covers([1], None, 1, 10)
    assert scope.covers([2], [10], 1, 10)
    assert not scope.covers([2], None, 1, 10)
