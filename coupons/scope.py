"""Where and when a discount is good: goods, days of the week and hours. Pure rules."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from core.clock import local

DAY_MINUTES = 24 * 60
WEEKEND = [5, 6]
NAMES = "一二三四五六日"


class Hours(Protocol):
    """Of a template, a promotion, or a part of one. Weekday 0 is Monday."""

    @property
    def weekdays(self) -> list[int] | None: ...
    @property
    def from_minute(self) -> int | None: ...
    @property
    def until_minute(self) -> int | None: ...


class Goods(Protocol):
    @property
    def product_ids(self) -> list[int] | None: ...
    @property
    def category_ids(self) -> list[int] | None: ...


def covers(
    product_ids: Collection[int] | None,
    category_ids: Collection[int] | None,
    product_id: int,
    category_id: int,
) -> bool:
    """Goods named one by one, and those of whole categories; neither named: all goods."""
    if product_ids is None and category_ids is None:
        return True
    return product_id in (product_ids or ()) or category_id in (category_ids or ())


def frozen(ids: Collection[int] | None) -> frozenset[int] | None:
    return None if ids is None else frozenset(ids)


def is_on(hours: Hours, now: datetime) -> bool:
    """Whether its days and hours hold at `now`. A span past midnight belongs to the day before."""
    begin, end = hours.from_minute, hours.until_minute
    if hours.weekdays is None and begin is None and end is None:
        return True
    here = local(now)
    begin, end = begin or 0, DAY_MINUTES if end is None else end
    minute = here.hour * 60 + here.minute
    if end <= begin and minute < end:
        here, minute = here - timedelta(days=1), minute + DAY_MINUTES
    if end <= begin:
        end += DAY_MINUTES
    on_day = hours.weekdays is None or here.weekday() in hours.weekdays
    return on_day and begin <= minute < end


def minutes_of_week(hours: Hours) -> list[tuple[int, int]]:
    """Half-open spans of minutes from Monday 0:00, within one week, in order."""
    begin = hours.from_minute or 0
    end = DAY_MINUTES if hours.until_minute is None else hours.until_minute
    length = end - begin if end > begin else end - begin + DAY_MINUTES
    spans: list[tuple[int, int]] = []
    for day in range(7) if hours.weekdays is None else sorted(hours.weekdays):
        start = day * DAY_MINUTES + begin
        stop, week = start + length, 7 * DAY_MINUTES
        spans.append((start, min(stop, week)))
        if stop > week:
            spans.append((0, stop - week))
    return sorted(spans)


def days_words(weekdays: Sequence[int] | None) -> str:
    """周一至周五, 周末, 周二、周四; nothing for every day."""
    if weekdays is None or len(weekdays) == 7:
        return ""
    days = sorted(weekdays)
    if days == WEEKEND:
        return "周末"
    if len(days) > 2 and days[-1] - days[0] == len(days) - 1:
        return f"周{NAMES[days[0]]}至周{NAMES[days[-1]]}"
    return "、".join(f"周{NAMES[day]}" for day in days)


def clock_words(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


def hours_words(hours: Hours) -> str:
    """周一至周五 14:00–17:00; nothing when it is always good."""
    span = ""
    if hours.from_minute is not None or hours.until_minute is not None:
        end = DAY_MINUTES if hours.until_minute is None else hours.until_minute
        span = f"{clock_words(hours.from_minute or 0)}–{clock_words(end)}"
    return " ".join(part for part in (days_words(hours.weekdays), span) if part)
