"""Points: one per yuan paid, by lot, pending until the refund window is over.

Every movement is an entry of the ledger with its own cause; the member's `points` and
`points_pending` are moved in the same transaction by the same amounts.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import bindparam, func, insert, literal, or_, select, update
from sqlalchemy.orm import Session

from core import rows, statements
from core.database import claim, insert_ignore
from crm.models import EntryKind, LotState, Member, PointEntry, PointLot, Purchase

REFUND_WINDOW = timedelta(days=7)
FEN_PER_POINT = 100


class Held(NamedTuple):
    """A member's row that is ours until the end of the transaction."""

    id: int
    merged_into_id: int | None
    merchant_id: int
    tier: str
    spent_fen: int
    refunded_fen: int


_MEMBERS = rows.table_of(Member).c
_HOLD = (
    select(*(_MEMBERS[name] for name in Held._fields))
    .where(_MEMBERS.id == bindparam("member_id"))
    .with_for_update()
)


def points_for(paid_fen: int) -> int:
    return paid_fen // FEN_PER_POINT


def earn(session: Session, member_id: int, order_id: int, *, paid_fen: int, now: datetime) -> int:
    """Open the order's lot, pending until the refund window is over; the points in it.

    The caller holds the member's row and adds them to its `points_pending`, with what else the
    order changes there.
    """
    earned = points_for(paid_fen)
    if earned == 0:
        return 0
    lot = {
        "member_id": member_id,
        "order_id": order_id,
        "points": earned,
        "earned_at": now,
        "available_at": now + REFUND_WINDOW,
    }
    entry = {
        "member_id": member_id,
        "lot_id": rows.add(session, PointLot, lot),
        "kind": EntryKind.earned,
        "points": 0,
        "pending": earned,
        "cause": f"order:{order_id}",
        "at": now,
    }
    rows.add(session, PointEntry, entry)
    return earned


def release_due(session: Session, *, now: datetime, limit: int = 500) -> int:
    """Make the lots whose refund window is over available; how many moved. Safe to run twice.

    Five statements, however many lots. What another sweep, a refund or a merge holds at this moment
    is passed over until the next sweep; then the members are taken, always in the order of ids.
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
    lot_ids, members = [lot.id for lot in due], sorted({lot.member_id for lot in due})
    held = select(Member.id).where(Member.id.in_(members)).order_by(Member.id).with_for_update()
    session.execute(held).all()
    moved = claim(
        session,
        update(PointLot).where(PointLot.id.in_(lot_ids), *over).values(state=LotState.available),
    )
    _enter_released(session, lot_ids, now)
    worth = (
        select(func.sum(PointLot.points))
        .where(PointLot.id.in_(lot_ids), PointLot.member_id == Member.id)
        .scalar_subquery()
    )
    claim(
        session,
        update(Member)
        .where(Member.id.in_(members))
        .values(points=Member.points + worth, points_pending=Member.points_pending - worth),
    )
    return moved


def claw_back(session: Session, purchase: Purchase, *, now: datetime) -> None:
    """Shrink the order's lot to what the money that was kept is worth.

    The caller holds the purchase's row, so the lot cannot shrink under our feet; taking the lot's
    row decides whether the points leave the pending or the available balance.
    """
    kept = points_for(purchase.amount_fen - purchase.refunded_fen)
    before = session.scalars(
        select(PointLot.points).where(PointLot.order_id == purchase.order_id)
    ).one_or_none()
    if before is None or before <= kept:
        return
    claim(
        session,
        update(PointLot).where(PointLot.order_id == purchase.order_id).values(points=kept),
    )
    lot = session.scalars(
        select(PointLot)
        .where(PointLot.order_id == purchase.order_id)
        .execution_options(populate_existing=True)
    ).one()
    pending = lot.state is LotState.pending
    _enter(
        session,
        purchase.member_id,
        EntryKind.clawed_back,
        points=0 if pending else kept - before,
        pending=kept - before if pending else 0,
        lot_id=lot.id,
        cause=f"refund:{purchase.order_id}:{purchase.refunded_fen}",
        now=now,
    )


def move(session: Session, *, winner: Member, loser: Member, now: datetime) -> None:
    """Carry balances and lots from a merged member to the one it went into."""
    held = {"points": loser.points, "pending": loser.points_pending}
    if any(held.values()):
        for member, sign, side in ((loser, -1, "out"), (winner, 1, "in")):
            _enter(
                session,
                member.id,
                EntryKind.merged,
                points=sign * held["points"],
                pending=sign * held["pending"],
                cause=f"merge:{loser.id}:{side}",
                now=now,
            )
    claim(
        session,
        update(PointLot).where(PointLot.member_id == loser.id).values(member_id=winner.id),
    )


def hold(session: Session, member_id: int) -> Held:
    """Lock the member's row before rows that point at it are inserted; what it says by then.

    An insert takes a shared lock on the row it points at; two transactions that then want to
    update that row wait for each other for ever.
    """
    (held,) = statements.fetch(session, Held, _HOLD, {"member_id": member_id})
    return held


def list_unbalanced(session: Session, ids: range) -> list[int]:
    """The members among these whose points are not the sums of their entries. One statement, so it
    sees one moment."""
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
    statement = (
        select(Member.id)
        .outerjoin(entries, entries.c.member_id == Member.id)
        .where(Member.id.between(ids.start, ids.stop - 1), wrong)
        .order_by(Member.id)
    )
    return list(session.scalars(statement))


def ledger(session: Session, member_id: int, *, limit: int = 50) -> list[PointEntry]:
    """The newest movements first."""
    return list(
        session.scalars(
            select(PointEntry)
            .where(PointEntry.member_id == member_id)
            .order_by(PointEntry.at.desc(), PointEntry.id.desc())
            .limit(limit)
        )
    )


def _enter_released(session: Session, lot_ids: Sequence[int], now: datetime) -> None:
    columns = ["member_id", "lot_id", "kind", "points", "pending", "cause", "at"]
    lots = select(
        PointLot.member_id,
        PointLot.id,
        literal(EntryKind.released, PointEntry.kind.type),
        PointLot.points,
        -PointLot.points,
        literal("release:").concat(PointLot.id),
        literal(now, PointEntry.at.type),
    ).where(PointLot.id.in_(lot_ids), PointLot.points > 0)
    session.execute(insert(PointEntry).from_select(columns, lots))


def _enter(
    session: Session,
    member_id: int,
    kind: EntryKind,
    *,
    cause: str,
    now: datetime,
    points: int = 0,
    pending: int = 0,
    lot_id: int | None = None,
) -> None:
    entry = {
        "member_id": member_id,
        "lot_id": lot_id,
        "kind": kind,
        "points": points,
        "pending": pending,
        "cause": cause,
        "at": now,
    }
    hold(session, member_id)
    if insert_ignore(session, PointEntry, [entry]) == 0:
        return  # this cause was booked before
    claim(
        session,
        update(Member)
        .where(Member.id == member_id)
        .values(points=Member.points + points, points_pending=Member.points_pending + pending),
    )
