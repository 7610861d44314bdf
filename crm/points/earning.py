"""What an order earns, pending until its refund window is over, and what a refund takes back."""

from datetime import datetime, timedelta

from sqlalchemy import BigInteger, String, bindparam, insert, literal, select, update
from sqlalchemy.orm import Session

from core import later, rows
from core.database import State, UTCDateTime, claim, insert_ignore
from crm.models import (
    EntryKind,
    LotState,
    Member,
    PointEntry,
    PointHold,
    PointLot,
    Purchase,
)
from crm.points.lots import balance, empty, hold, lapses
from crm.tiers import Programme

_LOTS = rows.table_of(PointLot).c
_BOOK_LOT = insert(rows.table_of(PointEntry)).from_select(
    ["member_id", "lot_id", "kind", "points", "pending", "cause", "reason", "at"],
    select(
        _LOTS.member_id,
        _LOTS.id,
        literal(EntryKind.earned, State(EntryKind)),
        literal(0),
        bindparam("earned", type_=BigInteger()),
        bindparam("cause", type_=String()),
        literal(""),
        bindparam("at", type_=UTCDateTime()),
    ).where(_LOTS.order_id == bindparam("of_order")),
    include_defaults=False,
)
"""The ledger's entry of a lot that was just opened: the database knows its id."""

REFUND_WINDOW = timedelta(days=7)
ONE_A_YUAN = 10_000
_PER_FEN = 100 * ONE_A_YUAN


def points_for(paid_fen: int, rate_bp: int = ONE_A_YUAN) -> int:
    """Whole points for money, at so many basis points of one a yuan."""
    return paid_fen * rate_bp // _PER_FEN


def earn(
    session: Session,
    member_id: int,
    order_id: int,
    *,
    paid_fen: int,
    programme: Programme,
    tier: str,
    now: datetime,
) -> int:
    """Open the order's lot, pending until the refund window is over; the points in it.

    The caller holds the member's row and adds them to its `points_pending`, with what else the
    order changes there.
    """
    rate_bp = programme.rate_bp(tier)
    earned = points_for(paid_fen, rate_bp)
    if earned == 0:
        return 0
    available_at = now + REFUND_WINDOW
    lot = {
        "member_id": member_id,
        "order_id": order_id,
        "earned": earned,
        "points": earned,
        "rate_bp": rate_bp,
        "earned_at": now,
        "available_at": available_at,
        "expires_at": lapses(programme, available_at),
    }
    later.add(session, PointLot, lot)
    booked = {"of_order": order_id, "earned": earned, "cause": f"order:{order_id}", "at": now}
    later.run(session, _BOOK_LOT, booked, number=1)
    return earned


def claw_back(session: Session, purchase: Purchase, *, now: datetime) -> None:
    """Shrink the order's lot to what the money that was kept is worth.

    The caller holds the purchase's row, so the lot cannot shrink under our feet; the member's row
    is taken before it. Points that were spent by then come out of the other lots, and what these
    do not hold is owed.
    """
    held = hold(session, purchase.member_id)
    lot = session.scalars(
        select(PointLot)
        .where(PointLot.order_id == purchase.order_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one_or_none()
    if lot is None:
        return
    kept = points_for(purchase.amount_fen - purchase.refunded_fen, lot.rate_bp)
    gone = lot.earned - kept
    if gone <= 0:
        return
    pending = lot.state is LotState.pending
    entry = {
        "member_id": held.id,
        "lot_id": lot.id,
        "kind": EntryKind.clawed_back,
        "points": 0 if pending else -gone,
        "pending": -gone if pending else 0,
        "cause": f"refund:{purchase.order_id}:{purchase.refunded_fen}",
        "at": now,
    }
    if insert_ignore(session, PointEntry, [entry]) == 0:
        return
    own = min(gone, lot.points)
    values: dict[str, object] = {"earned": kept, "points": lot.points - own}
    if kept == 0 and lot.state in (LotState.pending, LotState.available):
        values["state"] = LotState.clawed_back
    rows.must_move(session, PointLot, {"id": lot.id, "points": lot.points}, values)
    session.expire(lot)
    if not pending:
        empty(session, held.id, gone - own)
    balance(session, held.id, entry["points"], entry["pending"])  # type: ignore[arg-type]


def move(session: Session, *, winner: Member, loser: Member, now: datetime) -> None:
    """Carry balances and lots from a merged member to the one it went into.

    One that owed points has them paid out of the other's lots.
    """
    held = {"points": loser.points, "pending": loser.points_pending}
    if any(held.values()):
        for member, sign, side in ((loser, -1, "out"), (winner, 1, "in")):
            entry = {
                "member_id": member.id,
                "lot_id": None,
                "kind": EntryKind.merged,
                "points": sign * held["points"],
                "pending": sign * held["pending"],
                "cause": f"merge:{loser.id}:{side}",
                "at": now,
            }
            if insert_ignore(session, PointEntry, [entry]):
                balance(session, member.id, sign * held["points"], sign * held["pending"])
    for table in (PointLot, PointHold):
        claim(
            session,
            update(table).where(table.member_id == loser.id).values(member_id=winner.id),
        )
    owed = max(-winner.points, 0) if held["points"] > 0 else max(-held["points"], 0)
    empty(session, winner.id, owed)
