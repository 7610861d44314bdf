"""What the ledger says, for people and for the daily check."""

from typing import Any

from sqlalchemy import case, func, or_, select
from sqlalchemy.orm import Session

from crm.models import LotState, Member, PointEntry, PointLot


def ledger(
    session: Session, member_id: int, *, before_id: int | None = None, limit: int = 50
) -> list[PointEntry]:
    """The newest movements first; `before_id` is the last one seen."""
    mine = select(PointEntry).where(PointEntry.member_id == member_id)
    if before_id is not None:
        mine = mine.where(PointEntry.id < before_id)
    return list(session.scalars(mine.order_by(PointEntry.id.desc()).limit(limit)))


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
