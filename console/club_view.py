"""The pictures of 会员体系: points, stored value and moves of tiers, week by week."""

from collections.abc import Callable, Sequence
from datetime import date, datetime
from typing import Any, NamedTuple

from sqlalchemy.orm import Session

from analytics import club
from console import words
from console.access import me
from core import deadline

SECONDS = 3.0
"""A picture is not worth more of the database's time."""


class Picture(NamedTuple):
    """`chart` None: nothing happened. `said`: the picture in a sentence. `late`: not drawn, the
    shop has too many members to add it up while somebody waits."""

    chart: dict[str, Any] | None
    said: str
    rows: list[tuple[str, ...]]
    late: bool = False


LATE = Picture(None, "", [], late=True)


def points(session: Session, now: datetime) -> Picture:
    """Points given and used."""

    def drawn() -> Picture:
        weeks = club.points_by_week(session, me().merchant_id, now=now)
        given, used = sum(week.given for week in weeks), sum(week.used for week in weeks)
        return _picture(
            [week.monday for week in weeks],
            {"给出": [week.given for week in weeks], "用掉": [week.used for week in weeks]},
            f"近 {club.WEEKS} 周给出 {given:,} 分，用掉 {used:,} 分",
            [
                (words.count(week.given), words.count(week.used), words.count(week.lapsed))
                for week in weeks
            ],
        )

    return _in_time(session, drawn)


def owed(session: Session, now: datetime) -> Picture:
    """Stored value that the shop owes, at the end of each week."""

    def drawn() -> Picture:
        weeks = club.owed_by_week(session, me().merchant_id, now=now)
        last = words.yuan(weeks[-1][1])
        return _picture(
            [monday for monday, _ in weeks],
            {"欠会员": [fen / 100 for _, fen in weeks]},
            f"近 {club.WEEKS} 周，周末时欠会员多少；现在 ¥{last}",
            [(words.yuan(fen),) for _, fen in weeks],
        )

    return _in_time(session, drawn)


def moves(session: Session, now: datetime) -> Picture:
    """Who rose and who fell."""

    def drawn() -> Picture:
        weeks = club.moves_by_week(session, me().merchant_id, now=now)
        up, down = sum(week.up for week in weeks), sum(week.down for week in weeks)
        return _picture(
            [week.monday for week in weeks],
            {"升级": [week.up for week in weeks], "降级": [week.down for week in weeks]},
            f"近 {club.WEEKS} 周升级 {up:,} 人，降级 {down:,} 人",
            [(words.count(week.up), words.count(week.down)) for week in weeks],
        )

    return _in_time(session, drawn)


def _in_time(session: Session, drawn: Callable[[], Picture]) -> Picture:
    try:
        with deadline.at_most(session, SECONDS):
            return drawn()
    except deadline.TookTooLong:
        return LATE


def _picture(
    mondays: Sequence[date],
    series: dict[str, list[Any]],
    said: str,
    rows: Sequence[tuple[str, ...]],
) -> Picture:
    labels = [f"{monday:%m-%d}" for monday in mondays]
    chart = {
        "kind": "bars",
        "x": labels,
        "series": [{"name": name, "data": data} for name, data in series.items()],
    }
    some = any(any(data) for data in series.values())
    table = [(label, *row) for label, row in zip(labels, rows, strict=True)]
    return Picture(chart if some else None, said, table)
