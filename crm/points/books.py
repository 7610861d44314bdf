"""What the ledger says, for people and for the daily check."""

from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import and_, case, func, or_, select, tuple_
from sqlalchemy.orm import Session, aliased

from crm.models import EntryKind, LotState, Member, PointEntry, PointLot


class Line(NamedTuple):
    """A movement as a person reads it: what came of an order stands once, where it was earned,
    pending until it is released. `lands_at`: when what is pending comes, or when it came.
    """

    entry: PointEntry
    points: int
    pending: int
    lands_at: datetime | None


def ledger(
    session: Session,
    member_id: int,
    *,
    before: tuple[datetime, int] | None = None,
    limit: int = 50,
) -> list[Line]:
    """The newest movements first; `before` is the (at, id) of the last one seen."""
    other = aliased(PointEntry)
    released, earned = EntryKind.released, EntryKind.earned
    its_other = and_(
        other.lot_id == PointEntry.lot_id,
        other.member_id == PointEntry.member_id,
        or_(
            and_(PointEntry.kind != released, other.kind == released),
            and_(PointEntry.kind == released, other.kind == earned),
        ),
    )
    mine = (
        select(PointEntry, other.id, PointLot.state, PointLot.available_at)
        .outerjoin(other, its_other)
        .outerjoin(PointLot, PointLot.id == PointEntry.lot_id)
        .where(PointEntry.member_id == member_id)
        .where(or_(PointEntry.kind != released, other.id.is_(None)))
    )
    if before is not None:
        mine = mine.where(PointEntry.at <= before[0])
        mine = mine.where(tuple_(PointEntry.at, PointEntry.id) < before)
    rows = session.execute(mine.order_by(PointEntry.at.desc(), PointEntry.id.desc()).limit(limit))
    return [_line(*row) for row in rows]


def _line(entry: PointEntry, release: int | None, state: LotState, due: datetime | None) -> Line:
    if entry.kind is EntryKind.released:  # earned by an account that was merged into this one
        return Line(entry, entry.points, 0, None)
    came = entry.kind is EntryKind.earned
    if release is not None:
        return Line(entry, entry.points + entry.pending, 0, due if came else None)
    waits = came and state is LotState.pending
    return Line(entry, entry.points, entry.pending, due if waits else None)


def list_unbalanced(session: Session, ids: range) -> list[int]:
    """The members among these whose points are not the sums of their entries, or not what their
    lots hold. Each is asked in one statement, so it sees one moment."""
    return sorted({*_not_as_entered(session, ids), *_not_in_lots(session, ids)})


def _not_as_entered(session: Session, ids: range) -> list[int]:
    entries = (
        select(
            PointEntry.member_id,
            func.sum(PointEntry.points).label("points"),
            func.sum(PointEntry.pending).label("pending"),
        )
        .where(PointEntry.member_id.between(ids.start, ids.stop - 1))
        .group_by(PointEntry.member_id)
        .subquery()
    )
    wrong = or_(
        func.coalesce(entries.c.points, 0) != Member.points,
        func.coalesce(entries.c.pending, 0) != Member.points_pending,
    )
    return _members(session, ids, entries, wrong)


def _not_in_lots(session: Session, ids: range) -> list[int]:
    def left(state: LotState, name: str) -> Any:
        return func.sum(case((PointLot.state == state, PointLot.points), else_=0)).label(name)

    lots = (
        select(
            PointLot.member_id,
            left(LotState.available, "available"),
            left(LotState.pending, "pending"),
        )
        .where(PointLot.member_id.between(ids.start, ids.stop - 1))
        .group_by(PointLot.member_id)
        .subquery()
    )
    wrong = or_(
        func.coalesce(lots.c.available, 0) != case((Member.points > 0, Member.points), else_=0),
        func.coalesce(lots.c.pending, 0) != Member.points_pending,
    )
    return _members(session, ids, lots, wrong)


def _members(session: Session, ids: range, sums: Any, wrong: Any) -> list[int]:
    statement = (
        select(Member.id)
        .outerjoin(sums, sums.c.member_id == Member.id)
        .where(Member.id.between(ids.start, ids.stop - 1), wrong)
        .order_by(Member.id)
    )
    return list(session.scalars(statement))
