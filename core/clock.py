"""Time is aware UTC, and `now` is an argument: doors and jobs ask the clock, nothing else does."""

import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

SHANGHAI = "Asia/Shanghai"

_clock_file: Path | None = None
_cached: tuple[float, float] = (-10.0, 0.0)


def now() -> datetime:
    """The present, aware UTC. In the demo it follows the sandbox's clock, which can be advanced."""
    global _cached
    if _clock_file is None:
        return datetime.now(UTC)
    read_at, offset = _cached
    if time.monotonic() - read_at > 0.5:
        offset = _read_offset(_clock_file)
        _cached = (time.monotonic(), offset)
    return datetime.now(UTC) + timedelta(seconds=offset)


def follow_file(file: Path | None) -> None:
    """Run ahead by the seconds that `file` holds; None ends it.

    Only the demo does this: a visitor may skip ten minutes to see an unpaid order expire.
    """
    global _clock_file, _cached
    _clock_file, _cached = file, (-10.0, 0.0)


def _read_offset(file: Path) -> float:
    try:
        return float(file.read_text())
    except (OSError, ValueError):
        return 0.0


def business_day(at: datetime, tz: str = SHANGHAI) -> date:
    """The calendar day of `at` in the store's zone."""
    return at.astimezone(ZoneInfo(tz)).date()


def day_bounds(day: date, tz: str = SHANGHAI) -> tuple[datetime, datetime]:
    """The first moment of `day` and of the next, as UTC; half-open."""
    zone = ZoneInfo(tz)
    start = datetime(day.year, day.month, day.day, tzinfo=zone)
    following = day + timedelta(days=1)
    end = datetime(following.year, following.month, following.day, tzinfo=zone)
    return start.astimezone(UTC), end.astimezone(UTC)


def parse_local(text: str, tz: str = SHANGHAI) -> datetime:
    """`2026-11-22T14:30` as people in the store write it, as UTC. Raises ValueError."""
    at = datetime.fromisoformat(text.strip())
    return (at if at.tzinfo else at.replace(tzinfo=ZoneInfo(tz))).astimezone(UTC)


def local(at: datetime, tz: str = SHANGHAI) -> datetime:
    """`at` as people in the store read it."""
    return at.astimezone(ZoneInfo(tz))
