"""An order on WeChat's own card (服务卡片): how far it is, told by a job after each move."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.config import current_config
from core.outbox import enqueue
from messaging.cards import keeping
from messaging.cards.content import Goods, Progress
from messaging.cards.keeping import Paid
from orders.models import Fulfilment, Order, OrderLine, OrderState

PAGE = "pages/order/order?no={}"
MENU = "pages/menu/menu"
_STEPS = {
    OrderState.placed: "paid",
    OrderState.accepted: "accepted",
    OrderState.preparing: "preparing",
    OrderState.ready: "ready",
    OrderState.completed: "completed",
    OrderState.cancelled: "cancelled",
}


def follow(session: Session, order: Order) -> None:
    """Have the card of a paid order brought up to date; where nobody has cards nothing is asked."""
    if order.paid_at is None or order.fulfilment is Fulfilment.none or not keeping.are_on():
        return
    key = f"orders.show_card:{order.id}:{order.state}"
    enqueue(session, "orders.show_card", key=key, order_id=order.id)


def keep(session: Session, order: Order, paid: Paid, now: datetime) -> int | None:
    """The order's card, told how far it is; None: it has none, or has nothing more to say."""
    kind = keeping.kind_for(paid.appid, order.fulfilment)
    if kind is None:
        return None
    progress = _progress(session, order)
    return keeping.keep(session, order.merchant_id, order.id, kind, paid, progress, now=now)


def _progress(session: Session, order: Order) -> Progress:
    mine = select(OrderLine).where(OrderLine.order_id == order.id).order_by(OrderLine.position)
    return Progress(
        step=_STEPS[order.state],
        page=PAGE.format(order.no),
        number=order.pickup_number or order.no[-10:],
        goods=[
            Goods(line.name, _address(line.image), MENU, line.quantity, line.unit_fen)
            for line in session.scalars(mine)
        ],
    )


def _address(image: str) -> str:
    """A picture as WeChat can fetch it."""
    return current_config().app.base_url.rstrip("/") + image if image.startswith("/") else image
