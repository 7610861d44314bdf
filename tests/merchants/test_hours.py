"""Opening hours, in the store's zone, across midnight and weeks."""

from datetime import UTC, datetime
from typing import Any

import pytest

from core.clock import local
from merchants import hours

WEEKDAYS = {day: [["09:30", "14:00"], ["17:00", "22:00"]] for day in hours.DAYS[:5]}
NIGHT = {"fri": [["18:00", "02:00"]]}
ALWAYS = {day: [["00:00", "24:00"]] for day in hours.DAYS}


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"{text}+08:00").astimezone(UTC)


@pytest.mark.parametrize(
    ("when", "plan", "is_open", "changes"),
    [
        ("2026-11-23T09:29", WEEKDAYS, False, "11-23 09:30"),
        ("2026-11-23T09:30", WEEKDAYS, True, "11-23 14:00"),
        ("2026-11-23T14:00", WEEKDAYS, False, "11-23 17:00"),
        ("2026-11-27T22:00", WEEKDAYS, False, "11-30 09:30"),
        ("2026-11-28T01:59", NIGHT, True, "11-28 02:00"),
        ("2026-11-28T02:00", NIGHT, False, "12-04 18:00"),
        ("2026-11-22T12:00", {}, False, None),
    ],
)
def test_open_until_or_closed_until(
    when: str, plan: dict[str, Any], is_open: bool, changes: str | None
) -> None:
    found = hours.opening(plan, at(when))

    assert found.is_open is is_open
    change = found.closes_at if is_open else found.opens_at
    assert (f"{local(change):%m-%d %H:%M}" if change else None) == changes


def test_a_store_that_never_closes_is_open_for_days() -> None:
    found = hours.opening(ALWAYS, at("2026-11-22T23:59"))

    assert found.is_open
    assert found.closes_at is not None
    assert (found.closes_at - at("2026-11-22T23:59")).days >= 6


def test_todays_hours_in_words() -> None:
    assert hours.today_text(WEEKDAYS, at("2026-11-23T08:00")) == "09:30–14:00，17:00–22:00"
    assert hours.today_text(WEEKDAYS, at("2026-11-22T08:00")) == "今日休息"
