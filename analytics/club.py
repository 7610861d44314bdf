"""Membership week by week: points that came and went, stored value that is owed, moves of tiers."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, case, func, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from core.clock import business_day, day_bounds
from crm.models import BalanceEntry, EntryKind, Member, PointEntry, TierMove
from crm.tiers import tiers_of

WEEKS = 12
CAME = (EntryKind.earned, EntryKind.granted, EntryKind.adjusted, EntryKind.clawed_back)
WENT = (EntryKind.spent, EntryKind.exchanged, EntryKind.returned)


class PointWeek(NamedTuple):
    """`given`: what came, less what refunds took back; `used`: less what came back unused."""

    monday: date
    given: int
    used: int
    lapsed: int


class MoveWeek(NamedTuple):
    monday: date
    up: int
    down: int


def points_by_week(session: Session, merchant_id: int, *, now: datetime) -> list[PointWeek]:
    """The last weeks, the present one included. It reads every entry of them: a large shop asks
    under a deadline."""
    whole = PointEntry.points + PointEntry.pending

    def of(kinds: tuple[EntryKind, ...]) -> Any:
        return func.sum(case((PointEntry.kind.in_(kinds), whole), else_=0))

    found = _weekly(
        select(_week(PointEntry.at, now), of(CAME), of(WENT), of((EntryKind.expired,)))
        .join(Member, Member.id == PointEntry.member_id)
        .where(Member.merchant_id == merchant_id, PointEntry.at >= _since(now)),
        session,
    )
    return [
        PointWeek(monday, given, -used, -lapsed)
        for monday, (given, used, lapsed) in _filled(found, now, 3)
    ]


def owed_by_week(session: Session, merchant_id: int, *, now: datetime) -> list[tuple[date, int]]:
    """What members held of stored value when each week ended, in fen; of this week: now."""
    held = select(func.coalesce(func.sum(Member.balance_fen), 0))
    owed = int(session.scalar(held.where(Member.merchant_id == merchant_id)) or 0)
    moved = _weekly(
        select(
            _week(BalanceEntry.at, now),
            func.sum(BalanceEntry.principal_fen + BalanceEntry.bonus_fen),
        ).where(BalanceEntry.merchant_id == merchant_id, BalanceEntry.at >= _since(now)),
        session,
    )
    ends = []
    for monday, (fen,) in reversed(_filled(moved, now, 1)):
        ends.append((monday, owed))
        owed -= fen
    return ends[::-1]


def moves_by_week(session: Session, merchant_id: int, *, now: datetime) -> list[MoveWeek]:
    """How many rose and fell between tiers. A tier that is gone counts as the lowest."""
    ranks = {step.code: step.rank for step in tiers_of(session, merchant_id)}
    week = _week(TierMove.at, now)
    found = session.execute(
        select(week, TierMove.before, TierMove.after, func.count())
        .join(Member, Member.id == TierMove.member_id)
        .where(Member.merchant_id == merchant_id, TierMove.at >= _since(now))
        .group_by("week", TierMove.before, TierMove.after)
    )
    moved: dict[int, tuple[int, ...]] = {}
    for number, before, after, people in found:
        up, down = moved.get(number, (0, 0))
        rise = ranks.get(after, 0) - ranks.get(before, 0)
        moved[number] = (up + people * (rise > 0), down + people * (rise < 0))
    return [MoveWeek(monday, up, down) for monday, (up, down) in _filled(moved, now, 2)]


def _mondays(now: datetime) -> list[date]:
    today = business_day(now)
    last = today - timedelta(days=today.weekday())
    return [last - timedelta(weeks=back) for back in range(WEEKS - 1, -1, -1)]


def _since(now: datetime) -> datetime:
    return day_bounds(_mondays(now)[0])[0]


def _week(at: InstrumentedAttribute[datetime], now: datetime) -> ColumnElement[int]:
    """Which of the weeks, from 0."""
    ends = [day_bounds(monday)[0] for monday in _mondays(now)[1:]]
    return case(*((at < end, number) for number, end in enumerate(ends)), else_=WEEKS - 1).label(
        "week"
    )


def _weekly(asked: Any, session: Session) -> dict[int, tuple[int, ...]]:
    found = session.execute(asked.group_by("week"))
    return {number: tuple(int(each) for each in sums) for number, *sums in found}


def _filled(
    found: Mapping[int, tuple[int, ...]], now: datetime, figures: int
) -> list[tuple[date, tuple[int, ...]]]:
    none = (0,) * figures
    return [(monday, found.get(number, none)) for number, monday in enumerate(_mondays(now))]
