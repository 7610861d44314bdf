"""By the clock: points become available, are about to lapse, and lapse. Set-based, in slices."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, func, insert, literal, select, update
from sqlalchemy.orm import Session

from core.clock import local
from core.database import claim
from crm import events
from crm.models import EntryKind, LotState, Member, PointEntry, PointLot
from crm.points.lots import empty


def release_due(session: Session, *, now: datetime, limit: int = 500) -> int:
    """Make the lots whose refund window is over available; how many moved. Safe to run twice.

    Five statements, however many lots. What another sweep, a refund or a merge holds at this moment
    is passed over until the next sweep; then the members are taken, always in the order of ids.
    Who owed points pays them out of what has come.
    """
    over = (PointLot.state == LotState.pending, PointLot.available_at <= now)
    due = session.execute(
        select(PointLot.id, PointLot.member_id)
        .where(*over)
        .order_by(PointLot.available_at, PointLot.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    ).all()
    if not due:
        return 0
    lot_ids = [lot.id for lot in due]
    owing = {id_: -points for id_, points in _take_members(session, due) if points < 0}
    moved = claim(
        session,
        update(PointLot).where(PointLot.id.in_(lot_ids), *over).values(state=LotState.available),
    )
    _enter(session, lot_ids, EntryKind.released, "release:", sign=1, pending=-1, now=now)
    worth = _worth(lot_ids)
    claim(
        session,
        update(Member)
        .where(Member.id.in_({lot.member_id for lot in due}))
        .values(points=Member.points + worth, points_pending=Member.points_pending - worth),
    )
    for member_id, owed in owing.items():
        empty(session, member_id, owed)
    return moved


def merchants_to_expire(session: Session, *, now: datetime) -> Sequence[int]:
    """Whose members have lots that lapse now."""
    of = select(Member.merchant_id).join(PointLot, PointLot.member_id == Member.id)
    return session.scalars(of.where(*_over(now)).distinct().order_by(Member.merchant_id)).all()


def expire_due(session: Session, merchant_id: int, *, now: datetime, limit: int = 500) -> int:
    """Lots of a merchant's members whose day is over lapse; how many. Safe to run twice."""
    over = _over(now)
    ids = session.scalars(
        select(PointLot.id)
        .join(Member, Member.id == PointLot.member_id)
        .where(*over, Member.merchant_id == merchant_id)
        .order_by(PointLot.expires_at, PointLot.id)
        .limit(limit)
    ).all()
    due = session.execute(
        select(PointLot.id, PointLot.member_id)
        .where(PointLot.id.in_(ids), *over)
        .order_by(PointLot.id)
        .with_for_update(skip_locked=True)
    ).all()
    if not due:
        return 0
    lot_ids = [lot.id for lot in due]
    _take_members(session, due)
    _enter(session, lot_ids, EntryKind.expired, "expire:", sign=-1, pending=0, now=now)
    claim(
        session,
        update(Member)
        .where(Member.id.in_({lot.member_id for lot in due}))
        .values(points=Member.points - _worth(lot_ids)),
    )
    gone = {"state": LotState.expired, "points": 0}
    return claim(session, update(PointLot).where(PointLot.id.in_(lot_ids), *over).values(gone))


def _over(now: datetime) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return PointLot.state == LotState.available, PointLot.expires_at <= now


def remind_due(
    session: Session, merchant_id: int, days: int, *, now: datetime, limit: int = 1_000
) -> int:
    """Tell the timeline of points that lapse within `days`, once per lot; how many members."""
    soon = session.execute(
        select(PointLot.id, PointLot.member_id, PointLot.points, PointLot.expires_at)
        .join(Member, Member.id == PointLot.member_id)
        .where(
            Member.merchant_id == merchant_id,
            PointLot.state == LotState.available,
            PointLot.expires_at > now,
            PointLot.expires_at <= now + timedelta(days=days),
            PointLot.reminded_at.is_(None),
            PointLot.points > 0,
        )
        .order_by(PointLot.expires_at, PointLot.id)
        .limit(limit)
    ).all()
    untold = update(PointLot).where(
        PointLot.id.in_([lot.id for lot in soon]), PointLot.reminded_at.is_(None)
    )
    claim(session, untold.values(reminded_at=now))
    sums: dict[int, tuple[int, datetime]] = {}
    for lot in soon:
        points, first = sums.get(lot.member_id, (0, lot.expires_at))
        sums[lot.member_id] = (points + lot.points, first)
    told = {
        member_id: {
            "points": points,
            "on": local(first - timedelta(seconds=1)).date().isoformat(),
        }
        for member_id, (points, first) in sums.items()
    }
    return events.record_of_many(session, "points_expiring", told, now=now)


def _take_members(session: Session, due: Sequence[object]) -> list[tuple[int, int]]:
    ids = {lot.member_id for lot in due}  # type: ignore[attr-defined]
    held = select(Member.id, Member.points).where(Member.id.in_(ids))
    found = session.execute(held.order_by(Member.id).with_for_update())
    return [(id_, points) for id_, points in found]


def _worth(lot_ids: Sequence[int]) -> ColumnElement[int]:
    return (
        select(func.sum(PointLot.points))
        .where(PointLot.id.in_(lot_ids), PointLot.member_id == Member.id)
        .scalar_subquery()
    )


def _enter(
    session: Session,
    lot_ids: Sequence[int],
    kind: EntryKind,
    cause: str,
    *,
    sign: int,
    pending: int,
    now: datetime,
) -> None:
    columns = ["member_id", "lot_id", "kind", "points", "pending", "cause", "reason", "at"]
    lots = select(
        PointLot.member_id,
        PointLot.id,
        literal(kind, PointEntry.kind.type),
        PointLot.points * sign,
        PointLot.points * pending,
        literal(cause).concat(PointLot.id),
        literal(""),
        literal(now, PointEntry.at.type),
    ).where(PointLot.id.in_(lot_ids), PointLot.points > 0)
    session.execute(insert(PointEntry).from_select(columns, lots))
