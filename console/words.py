"""Numbers and times as a shop owner reads them. Pure: `now` is an argument."""

from datetime import date, datetime, timedelta

from core.clock import business_day, local
from core.money import format_yuan

WEEKDAYS = "一二三四五六日"
JUST_NOW = "刚刚"


def yuan(fen: int) -> str:
    """`1248650` → `12,486.50`."""
    return f"{'−' if fen < 0 else ''}{format_yuan(abs(fen))}"


def count(number: int) -> str:
    return f"{number:,}"


def about(number: int, estimated: bool) -> str:
    """`105,673`, or three figures of it where it is an estimate: `约 106,000`."""
    if not estimated:
        return count(number)
    return f"约 {round(number, min(0, 3 - len(str(number)))):,}"


def share(part: int, whole: int) -> str:
    """`43%`; a little is not nothing: `不到 1%`."""
    if not whole:
        return ""
    return "不到 1%" if 0 < part / whole < 0.005 else f"{part / whole:.0%}"


def day(at: datetime, now: datetime) -> str:
    """`11 月 22 日 星期日`."""
    here = local(at)
    return f"{here.month} 月 {here.day} 日 星期{WEEKDAYS[here.weekday()]}"


def date_of(day: date) -> str:
    """`11 月 22 日`."""
    return f"{day.month} 月 {day.day} 日"


def near_day(day: date, today: date) -> str:
    """`今天`, `昨天`, `11-20`."""
    return {0: "今天", 1: "昨天"}.get((today - day).days, f"{day:%m-%d}")


def round_yuan(fen: int) -> str:
    """Without cents, where there is little room: `1,249`."""
    return f"{round(fen / 100):,}"


def clock(at: datetime | None) -> str:
    return f"{local(at):%H:%M}" if at else ""


def when(at: datetime | None, now: datetime) -> str:
    """`15:20` today, `11-19 15:20` this year, `2025-11-19` before."""
    if at is None:
        return ""
    here, today = local(at), local(now)
    if here.date() == today.date():
        return f"{here:%H:%M}"
    return f"{here:%m-%d %H:%M}" if here.year == today.year else f"{here:%Y-%m-%d}"


def on(at: datetime | None, now: datetime) -> str:
    """The day alone: `今天`, `11-30`, `2027-01-03`."""
    if at is None:
        return ""
    here, today = local(at), local(now)
    if here.date() == today.date():
        return "今天"
    return f"{here:%m-%d}" if here.year == today.year else f"{here:%Y-%m-%d}"


def ago(at: datetime, now: datetime) -> str:
    """How long something has been waiting: `刚刚`, `4 分钟`, `3 小时`, `2 天`."""
    passed = max(now - at, timedelta())
    minutes = int(passed.total_seconds() // 60)
    if minutes < 1:
        return JUST_NOW
    if minutes < 60:
        return f"{minutes} 分钟"
    return f"{minutes // 60} 小时" if minutes < 24 * 60 else f"{passed.days} 天"


def days_ago(at: datetime | None, now: datetime) -> str:
    """`今天`, `昨天`, `31 天前`, `还没来过`."""
    if at is None:
        return "还没来过"
    days = (business_day(now) - business_day(at)).days
    return {0: "今天", 1: "昨天"}.get(max(days, 0), f"{days} 天前")


def trend(now_value: int, before: int) -> str:
    """`↑ 8.4%` against an earlier figure; nothing where there is nothing to compare with."""
    if not before:
        return ""
    change = (now_value - before) / before * 100
    return f"{'↑' if change >= 0 else '↓'} {abs(change):.1f}%"
