"""Moves of an order: a compare-and-set along the map, and a history row for whoever made it."""

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, update
from sqlalchemy.orm import Session

from core.database import claim
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
    *conditions: ColumnElement[bool],
    actor: str,
    now: datetime,
    reason: str = "",
    **values: Any,
) -> bool:
    """Move the fulfilment state from what `order` says; True for the one caller that did it."""
    before = order.state
    if to not in NEXT[before]:
        return False
    return _move(
        session,
        order,
        (Order.state == before, *conditions),
        {"state": to, **values},
        OrderHistory(kind=HistoryKind.state, before=before, after=to, actor=actor, reason=reason),
        now,
    )


def move_payment(
    session: Session,
    order: Order,
    to: PaymentState,
    *conditions: ColumnElement[bool],
    actor: str,
    now: datetime,
    reason: str = "",
    **values: Any,
) -> bool:
    """Move the payment state from what `order` says; True for the one caller that did it."""
    before = order.payment_state
    if to not in NEXT_PAYMENT[before]:
        return False
    return _move(
        session,
        order,
        (Order.payment_state == before, *conditions),
        {"payment_state": to, **values},
        OrderHistory(kind=HistoryKind.payment, before=before, after=to, actor=actor, reason=reason),
        now,
    )


def wrong_state(order: Order) -> WrongState:
    return WrongState(state=order.state, payment_state=order.payment_state)


def _move(
    session: Session,
    order: Order,
    conditions: tuple[ColumnElement[bool], ...],
    values: dict[str, Any],
    entry: OrderHistory,
    now: datetime,
) -> bool:
    statement = update(Order).where(Order.id == order.id, *conditions)
    moved = claim(session, statement.values(**values)) == 1
    session.refresh(order)
    if moved:
        entry.order_id, entry.at = order.id, now
        session.add(entry)
        session.flush()
    return moved
