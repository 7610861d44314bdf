"""Bills: opened when an order is placed, void when it is cancelled unpaid."""

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from core import rows
from orders.models import Order
from payments import settling
from payments.models import Bill, BillKind, BillState

_BILL_OF = select(Bill).where(Bill.order_id == bindparam("order_id"))


def open_bill(session: Session, order: Order) -> Bill:
    """The order's bill, in the transaction that places it; again: the same bill.

    A bill of 0 fen is settled at once, without any channel.
    """
    row = {
        "order_id": order.id,
        "seq": 1,
        "kind": BillKind.whole,
        "amount_fen": order.payable_fen,
        "currency": "CNY",
        "state": BillState.open,
        "created_at": order.placed_at,
    }
    id_ = rows.add_new(session, Bill, row)
    if id_ is None:
        bill = session.scalars(_BILL_OF, {"order_id": order.id}).one()
    else:
        bill = rows.adopt(session, Bill, id_, row)
    if bill.amount_fen == 0:
        settling.settle_free(session, order, now=order.placed_at)
        session.refresh(bill)
    return bill


def void_bill(session: Session, bill: Bill) -> bool:
    """open → void; False when it is paid by now."""
    expected = {"id": bill.id, "state": BillState.open}
    return rows.compare_and_set(session, Bill, expected, {"state": BillState.void}) == 1
