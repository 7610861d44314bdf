"""The counter's list of orders: per tab, oldest waiting first, a page at a time."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

from sqlalchemy import ColumnElement, and_, case, func, or_, select
from sqlalchemy.orm import Session

from core import cursors
from core.clock import business_day
from orders.finding import DAYS_SEARCHED, ORDER_NO
from orders.handover import PAID
from orders.models import Order, OrderState

TABS = {
    "open": "待处理",
    "placed": "待接单",
    "making": "制作中",
    "ready": "待取餐",
    "done": "已完成",
    "cancelled": "已取消",
}
OPEN = (OrderState.placed, OrderState.accepted, OrderState.preparing, OrderState.ready)
STATES: dict[str, tuple[OrderState, ...]] = {
    "open": OPEN,
    "placed": (OrderState.placed,),
    "making": (OrderState.accepted, OrderState.preparing),
    "ready": (OrderState.ready,),
    "done": (OrderState.completed,),
    "cancelled": (OrderState.cancelled,),
}
PAGE = 50

# Accept before make before hand over.
TURN = case(*((Order.state == state, turn) for turn, state in enumerate(OPEN)), else_=len(OPEN))


@dataclass(frozen=True)
class OrderPage:
    items: list[Order]
    next: str | None


def page(
    session: Session,
    store_ids: Sequence[int],
    *,
    tab: str,
    now: datetime,
    q: str = "",
    cursor: str = "",
) -> OrderPage:
    """Open orders by what is to be done first, then by who has waited longest; all others newest
    first."""
    waiting = tab not in ("done", "cancelled") and not q
    statement = select(Order).where(*_wanted(store_ids, tab, q.upper(), now))
    if cursor:
        statement = statement.where(_beyond(cursor, waiting))
    latest = (Order.paid_at.desc(), Order.id.desc())
    order = (TURN, Order.paid_at, Order.id) if waiting else latest
    found = list(session.scalars(statement.order_by(*order).limit(PAGE + 1)))
    shown = found[:PAGE]
    more = None
    if len(found) > PAGE and (paid_at := shown[-1].paid_at):
        last = shown[-1]
        turn = OPEN.index(last.state) if waiting else 0
        more = cursors.encode([turn, paid_at.isoformat(), last.id])
    return OrderPage(shown, more)


def counts(session: Session, store_ids: Sequence[int]) -> dict[str, int]:
    """How many are open in each tab; closed tabs are not counted."""
    rows = session.execute(
        select(Order.state, func.count()).where(*_seen(store_ids, OPEN)).group_by(Order.state)
    )
    found = dict(rows.all())
    return {
        tab: sum(found.get(state, 0) for state in states)
        for tab, states in STATES.items()
        if set(states) <= set(OPEN)
    }


def fingerprint(session: Session, store_ids: Sequence[int]) -> str:
    """Changes whenever an open order comes, moves or goes: what a live list waits for."""
    rows = session.execute(
        select(Order.id, Order.state).where(*_seen(store_ids, OPEN)).order_by(Order.id)
    )
    text = ",".join(f"{order_id}:{state}" for order_id, state in rows)
    return sha256(text.encode()).hexdigest()[:16]


def _wanted(store_ids: Sequence[int], tab: str, q: str, now: datetime) -> list[ColumnElement[bool]]:
    """What is typed is an order's number or the number that was called, never either of both: each
    has its own unique key, and an OR of them would read every order of the stores.

    Pickup numbers begin again every day, so only the days that a guest comes back for are asked.
    """
    if not q:
        return _seen(store_ids, STATES[tab])
    mine = [Order.store_id.in_(store_ids), Order.paid_at.is_not(None)]
    if ORDER_NO.fullmatch(q):
        return [Order.no == q, *mine]
    today = business_day(now)
    days = [today - timedelta(days=back) for back in range(DAYS_SEARCHED)]
    return [*mine, Order.business_day.in_(days), Order.pickup_number == q]


def _seen(store_ids: Sequence[int], states: tuple[OrderState, ...]) -> list[ColumnElement[bool]]:
    """A store sees an order once it is paid."""
    conditions: list[ColumnElement[bool]] = [
        Order.store_id.in_(store_ids),
        Order.state.in_(states),
        Order.paid_at.is_not(None),
    ]
    if set(states) <= set(OPEN):
        conditions.append(Order.payment_state.in_(PAID))
    return conditions


def _beyond(cursor: str, waiting: bool) -> ColumnElement[bool]:
    position = cursors.decode(cursor, 3)
    turn: Any = cursors.number(position[0])
    at = cursors.moment(position[1])
    last_id = cursors.number(position[2])
    if waiting:
        later = or_(Order.paid_at > at, and_(Order.paid_at == at, Order.id > last_id))
        return or_(turn < TURN, and_(turn == TURN, later))
    return or_(Order.paid_at < at, and_(Order.paid_at == at, Order.id < last_id))
