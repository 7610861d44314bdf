"""An order ends before its time: what it held goes back."""

from collections.abc import Callable, Mapping
from datetime import datetime

from sqlalchemy.orm import Session

from catalogue import stock
from coupons import locking, rationing
from crm import events, points
from orders.models import OWING, Order, OrderState
from orders.moving import move

UNMADE = (OrderState.placed, OrderState.accepted)
"""States in which nothing has been made yet, so that stock can be sold again."""


def cancel(
    session: Session,
    order: Order,
    *,
    actor: str,
    reason: str,
    now: datetime,
    money: Callable[[], object] = lambda: None,
    pieces: Mapping[int, int] | None = None,
) -> bool:
    """Cancel an order in the state that `order` shows; False when it has moved on meanwhile.

    The coupon and the points of an order that was not paid in full are released; stock goes back
    unless the goods were made already, all of it or `pieces` (SKU id → number). A paid order's
    money is the caller's: `money` requests the refund where its turn is in the order of the locks,
    and coupon and points return when the refund is through.
    """
    made = order.state not in UNMADE
    unpaid = order.payment_state in OWING
    moved = move(
        session,
        order,
        OrderState.cancelled,
        expected={"payment_state": order.payment_state},
        actor=actor,
        reason=reason,
        now=now,
        cancelled_at=now,
        cancel_reason=reason,
    )
    if not moved:
        return False
    locking.release(session, order.id, now)
    if unpaid:
        give_rations_back(session, order, now)
    if order.points_used and unpaid:
        points.give_back(session, order.id, part=1, whole=1, now=now)
    money()
    if not made and pieces is None:
        stock.give_back(session, order.id, now)
    elif not made and pieces:
        stock.put_back(session, order.id, pieces, now)
    if unpaid and actor == "system" and order.member_id is not None:
        left = {"order_id": order.id}
        events.record(
            session,
            order.member_id,
            "order_abandoned",
            store_id=order.store_id,
            data=left,
            now=now,
        )
    return True


def give_rations_back(session: Session, order: Order, now: datetime) -> None:
    """Pieces of rationed prices; the order's own record says whether it took any."""
    if any(found.get("pieces") for found in order.quote.get("discounts", ())):
        rationing.give_back(session, order.id, now)


def member_may_cancel(order: Order) -> bool:
    """Before the store has accepted it; afterwards the member asks the store."""
    return order.state is OrderState.placed
