"""Moves of an order: a compare-and-set along the map, and a history row for whoever made it."""

from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from core import later, live, rows
from orders import showing
from orders.errors import WrongState
from orders.models import (
    NEXT,
    NEXT_PAYMENT,
    HistoryKind,
    Order,
    OrderHistory,
    OrderState,
    PaymentState,
)


def move(
    session: Session,
    order: Order,
    to: OrderState,
    *,
    actor: str,
    now: datetime,
    reason: str = "",
    expected: rows.Values | None = None,
    **values: Any,
) -> bool:
    """Move the fulfilment state from what `order` says; True for the one caller that did it.

    `expected` is what else must still be so; then `values` are written too.
    """
    if to not in NEXT[order.state]:
        return False
    entry = {"kind": HistoryKind.state, "before": order.state, "after": to}
    expected = {"state": order.state, **(expected or {})}
    by = {"actor": actor, "reason": reason, "at": now}
    moved = _move(session, order, expected, {"state": to, **values}, entry | by)
    if moved:
        showing.follow(session, order)
    return moved


def move_payment(
    session: Session,
    order: Order,
    to: PaymentState,
    *,
    actor: str,
    now: datetime,
    reason: str = "",
    expected: rows.Values | None = None,
    held: bool = False,
    **values: Any,
) -> bool:
    """Move the payment state from what `order` says; True for the one caller that did it.

    `held`: the row is locked and was read under the lock, so nobody else can; a move that was not
    made all the same is raised before the commit.
    """
    if to not in NEXT_PAYMENT[order.payment_state]:
        return False
    entry = {"kind": HistoryKind.payment, "before": order.payment_state, "after": to}
    expected = {"payment_state": order.payment_state, **(expected or {})}
    by = {"actor": actor, "reason": reason, "at": now}
    return _move(session, order, expected, {"payment_state": to, **values}, entry | by, held=held)


def topic(store_id: int) -> str:
    """Under which name `core.live` tells that an order of this store moved."""
    return f"orders:{store_id}"


def wrong_state(order: Order) -> WrongState:
    return WrongState(state=order.state, payment_state=order.payment_state)


def _move(
    session: Session,
    order: Order,
    expected: rows.Values,
    values: rows.Values,
    entry: rows.Values,
    *,
    held: bool = False,
) -> bool:
    guard = {"id": order.id, **expected}
    if held:
        later.must_move(session, Order, guard, values)
    elif rows.compare_and_set(session, Order, guard, values) == 0:
        session.refresh(order)
        return False
    rows.note(order, values)
    later.add(session, OrderHistory, {"order_id": order.id, **entry})
    live.tell(session, topic(order.store_id))
    return True
