"""Bills: opened when an order is placed, void when it is cancelled unpaid."""

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from core.database import claim, insert_ignore
from orders.models import Order
from payments import settling
from payments.models import Bill, BillState


def open_bill(session: Session, order: Order) -> Bill:
    """The order's bill, in the transaction that places it; again: the same bill.

    A bill of 0 fen is settled at once, without any channel.
    """
    row = {
        "order_id": order.id,
        "amount_fen": order.payable_fen,
        "currency": "CNY",
        "state": BillState.open,
        "created_at": order.placed_at,
    }
    insert_ignore(session, Bill, [row])
    bill = session.scalars(select(Bill).where(Bill.order_id == order.id)).one()
    if bill.amount_fen == 0:
        settling.settle_free(session, order, now=order.placed_at)
        session.refresh(bill)
    return bill


def void_bill(session: Session, bill: Bill) -> bool:
    """open → void; False when it is paid by now."""
    return (
        claim(
            session,
            update(Bill)
            .where(Bill.id == bill.id, Bill.state == BillState.open)
            .values(state=BillState.void),
        )
        == 1
    )
