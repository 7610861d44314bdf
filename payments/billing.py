"""Bills: opened when an order is placed, void when it is cancelled unpaid."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from core import rows
from orders.models import LineKind, Order
from payments import settling
from payments.errors import BillsInvalid, NotPayable, PaymentInProgress
from payments.models import UNSETTLED, Bill, BillKind, BillState
from payments.queries import find_live_attempt, lock_bills_of

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


def open_deposit(
    session: Session, order: Order, deposit_fen: int, *, rest_by: datetime, now: datetime
) -> list[Bill]:
    """The order is paid in two: a deposit as soon as any order, the rest by `rest_by`.

    Raises BillsInvalid, PaymentInProgress or NotPayable.
    """
    rest = (BillKind.rest, order.payable_fen - deposit_fen, rest_by)
    return _replace(session, order, [(BillKind.deposit, deposit_fen, None), rest], now)


def split(session: Session, order: Order, shares: Sequence[int], *, now: datetime) -> list[Bill]:
    """Several pay a part each. Raises BillsInvalid, PaymentInProgress or NotPayable."""
    return _replace(session, order, [(BillKind.share, fen, None) for fen in shares], now)


def _replace(
    session: Session,
    order: Order,
    parts: Sequence[tuple[BillKind, int, datetime | None]],
    now: datetime,
) -> list[Bill]:
    """The one open bill of an order that nobody is paying gives way to several."""
    bills = lock_bills_of(session, order.id)
    session.refresh(order)
    if len(bills) != 1 or order.kind is not LineKind.goods:
        raise NotPayable("这笔订单不能分开付")
    amounts = [fen for _, fen, _ in parts]
    if min(amounts, default=0) <= 0 or sum(amounts) != bills[0].amount_fen:
        raise BillsInvalid
    live = find_live_attempt(session, bills[0].id)
    if live is not None and live.state in UNSETTLED:
        raise PaymentInProgress
    if not void_bill(session, bills[0]):
        raise NotPayable
    several = [
        Bill(
            order_id=order.id,
            seq=number,
            kind=kind,
            amount_fen=fen,
            state=BillState.open,
            created_at=now,
            due_at=due_at,
        )
        for number, (kind, fen, due_at) in enumerate(parts, start=2)
    ]
    session.add_all(several)
    session.flush()
    return several


def void_bill(session: Session, bill: Bill) -> bool:
    """open → void; False when it is paid by now."""
    expected = {"id": bill.id, "state": BillState.open}
    return rows.compare_and_set(session, Bill, expected, {"state": BillState.void}) == 1
