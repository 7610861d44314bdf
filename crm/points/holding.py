"""Points in an order: taken when it is placed, spent when it is paid, back when it is not."""

from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from core import rows
from core.database import claim, insert_ignore
from crm.models import EntryKind, HoldState, PointEntry, PointHold
from crm.points.lots import Parts, balance, hold_living, refill, take


def hold_for(
    session: Session, member_id: int, order_id: int, points: int, *, now: datetime
) -> None:
    """Keep `points` for an order that was just placed. Raises NotEnoughPoints."""
    cause = f"spend:{order_id}"
    parts = take(session, member_id, points, kind=EntryKind.spent, cause=cause, now=now)
    if parts is not None:
        row = {"member_id": member_id, "order_id": order_id, "points": points, "parts": parts}
        rows.add(session, PointHold, row | {"state": HoldState.held, "returned": 0, "at": now})


def spend_held(session: Session, order_id: int) -> bool:
    """The order is paid: its points are spent for good. False when it kept none, or no more."""
    held = {"order_id": order_id, "state": HoldState.held}
    return rows.compare_and_set(session, PointHold, held, {"state": HoldState.spent}) == 1


def give_back(session: Session, order_id: int, *, part: int, whole: int, now: datetime) -> int:
    """Return what `part` fen of `whole` stand for: all that was kept less what went back before.

    A cancelled order returns everything (1 of 1). How many points went back now.
    """
    hold = session.scalars(
        select(PointHold)
        .where(PointHold.order_id == order_id)
        .execution_options(populate_existing=True)
    ).one_or_none()
    if hold is None:
        return 0
    held = hold_living(session, hold.member_id)
    due = hold.points if part >= whole else hold.points * part // whole
    back = due - hold.returned
    if back <= 0:
        return 0
    values: dict[str, object] = {"returned": due}
    if due == hold.points:
        values["state"] = HoldState.returned
    moved = claim(
        session,
        update(PointHold)
        .where(PointHold.id == hold.id, PointHold.returned == hold.returned)
        .values(values),
    )
    if moved == 0:
        return 0
    entry = {
        "member_id": held.id,
        "lot_id": None,
        "kind": EntryKind.returned,
        "points": back,
        "pending": 0,
        "cause": f"unspend:{order_id}:{due}",
        "at": now,
    }
    insert_ignore(session, PointEntry, [entry])
    owed = min(back, max(-held.points, 0))
    refill(session, held.id, _last(hold.parts, hold.returned, back - owed), now=now)
    balance(session, held.id, back)
    return back


def _last(parts: Parts, skip: int, number: int) -> Parts:
    """Which lots `number` points go back to, when `skip` of the last ones have gone back before:
    what lapses last returns first, as it was taken last."""
    found: Parts = []
    for lot_id, points in reversed(parts):
        gone = min(skip, points)
        skip -= gone
        some = min(points - gone, number)
        if some:
            found.append([lot_id, some])
            number -= some
    return found
