"""Opening hours: `{"mon": [["09:30", "22:00"]], …}` in the store's zone; spans may pass midnight.

Pure rules. A span that ends before or at its start ends on the next day; "24:00" is allowed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from core.clock import local

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
NAMES = ("周一", "周二", "周三", "周四", "周五", "周六", "周日")


@dataclass(frozen=True)
class Opening:
    """Open now, until when; or closed, and when it opens next (within a week)."""

    is_open: bool
    closes_at: datetime | None = None
    opens_at: datetime | None = None


def opening(hours: Mapping[str, Any], now: datetime) -> Opening:
    here = local(now)
    spans = [span for offset in range(-1, 8) for span in _spans(hours, here, offset)]
    for start, end in spans:
        if start <= here < end:
            return Opening(is_open=True, closes_at=_joined(spans, end))
    return Opening(is_open=False, opens_at=min((s for s, _ in spans if s > here), default=None))


def today_text(hours: Mapping[str, Any], now: datetime) -> str:
    """Today's hours for people: `09:30–22:00`, or `今日休息`."""
    spans = hours.get(DAYS[local(now).weekday()]) or []
    return "，".join(f"{start}–{end}" for start, end in spans) or "今日休息"


def _joined(spans: list[tuple[datetime, datetime]], end: datetime) -> datetime:
    """The end of a span, carried on through spans that begin where it ends."""
    for start, later in sorted(spans):
        if start <= end < later:
            end = later
    return end


def _spans(
    hours: Mapping[str, Any], here: datetime, offset: int
) -> list[tuple[datetime, datetime]]:
    day = here.date() + timedelta(days=offset)
    found = []
    for start_text, end_text in hours.get(DAYS[day.weekday()]) or []:
        start, end = _at(day, start_text, here), _at(day, end_text, here)
        found.append((start, end if end > start else end + timedelta(days=1)))
    return found


def _at(day: date, text: str, here: datetime) -> datetime:
    hour, _, minute = text.partition(":")
    midnight = datetime(day.year, day.month, day.day, tzinfo=here.tzinfo)
    return midnight + timedelta(hours=int(hour), minutes=int(minute))
