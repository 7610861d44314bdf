"""An order whose last fen went back before it was handed over has ended: nobody fetches it."""

from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from core import rows
from orders import cancelling
from orders.models import LineKind, Order, OrderLine, OrderState, PaymentState
from payments.models import RefundedLine

REASON = "已全额退款"
OVER = (OrderState.completed, OrderState.cancelled)


def end_if_all_is_back(session: Session, order: Order, *, now: datetime) -> bool:
    """Cancel an order that is refunded whole and still open; whether it was.

    Of goods that nobody began to make, those for which nobody said at the refund whether they can
    be sold again are back in stock. The caller has just booked the refund: the order's row is its.
    """
    if order.payment_state is not PaymentState.refunded or order.kind is not LineKind.goods:
        return False
    if order.state in OVER or order.paid_at is None:
        return False
    session.refresh(order, with_for_update=True)
    if order.state in OVER:
        return False
    unsaid = _unsaid(session, order.id)
    if not cancelling.cancel(session, order, actor="system", reason=REASON, now=now, pieces=unsaid):
        raise rows.NotMoved(f"order {order.id} is held and was open")
    return True


def _unsaid(session: Session, order_id: int) -> dict[int, int]:
    """SKU → the pieces that no refund named."""
    named = func.coalesce(RefundedLine.pieces, 0)
    left = (
        select(OrderLine.sku_id, func.sum(OrderLine.quantity - named))
        .outerjoin(RefundedLine, RefundedLine.order_line_id == OrderLine.id)
        .where(OrderLine.order_id == order_id, OrderLine.sku_id.is_not(None))
        .group_by(OrderLine.sku_id)
    )
    return {sku: int(n) for sku, n in session.execute(left) if sku is not None}
