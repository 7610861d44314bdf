"""Bills: opened when an order is placed, in one piece or several, void when it is cancelled."""

from collections.abc import Sequence, Set
from datetime import datetime, timedelta

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from core import rows
from core.outbox import enqueue
from orders.models import LineKind, Order, OrderState
from orders.placing import PAY_WITHIN
from payments import settling
from payments.errors import BillsInvalid, NotPayable, OrderExpired, PaymentInProgress
from payments.models import Bill, BillKind, BillState
from payments.queries import is_being_paid, lock_bills_of

WHOLE = frozenset({BillKind.whole})
SHARES = frozenset({BillKind.share})
DEPOSIT = frozenset({BillKind.deposit, BillKind.rest})
DEPOSIT_WITHIN = timedelta(days=1)
SPLIT_WITHIN = timedelta(minutes=30)

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
    """The order is paid in two: a deposit within DEPOSIT_WITHIN, the rest by `rest_by`.

    Raises BillsInvalid, PaymentInProgress, OrderExpired or NotPayable.
    """
    rest = (BillKind.rest, order.payable_fen - deposit_fen, rest_by)
    parts = [(BillKind.deposit, deposit_fen, None), rest]
    bills = _replace(session, order, WHOLE, parts, now)
    _keep_until(session, order, min(now + DEPOSIT_WITHIN, rest_by))
    return bills


def split(session: Session, order: Order, shares: Sequence[int], *, now: datetime) -> list[Bill]:
    """Several pay a part each, SPLIT_WITHIN of when it was placed.

    Raises BillsInvalid, PaymentInProgress, OrderExpired or NotPayable.
    """
    bills = _replace(session, order, WHOLE, [(BillKind.share, fen, None) for fen in shares], now)
    order.in_shares = True
    _keep_until(session, order, order.placed_at + SPLIT_WITHIN)
    return bills


def join(session: Session, order: Order, kinds: Set[BillKind], *, now: datetime) -> Bill:
    """Several bills of these kinds are one again, while nothing of them is paid, and the order has
    the time of one that was just placed, or what was left to it.

    Raises PaymentInProgress, OrderExpired or NotPayable.
    """
    whole = [(BillKind.whole, order.payable_fen, None)]
    bill = _replace(session, order, kinds, whole, now)[0]
    order.in_shares = False
    if order.expires_at > now + PAY_WITHIN:
        order.expires_at = now + PAY_WITHIN
        # The job that was to end it sleeps until the longer time is over.
        enqueue(
            session,
            "orders.expire",
            run_at=order.expires_at,
            key=f"orders.expire:{order.id}:{bill.seq}",
            order_id=order.id,
        )
    session.flush()
    return bill


def _replace(
    session: Session,
    order: Order,
    kinds: Set[BillKind],
    parts: Sequence[tuple[BillKind, int, datetime | None]],
    now: datetime,
) -> list[Bill]:
    """The bills of an order, all of these kinds and open and paid by nobody now, give way."""
    ever = lock_bills_of(session, order.id)
    session.refresh(order)
    bills = [bill for bill in ever if bill.state is not BillState.void]
    as_is = {bill.kind for bill in bills} == kinds
    if not as_is or order.kind is not LineKind.goods or order.state is not OrderState.placed:
        raise NotPayable("这笔订单现在不能改付款的分法")
    if any(bill.state is not BillState.open for bill in bills):
        raise NotPayable("已经有人付了，付款的分法不能再改")
    amounts = [fen for _, fen, _ in parts]
    if min(amounts, default=0) <= 0 or sum(amounts) != sum(bill.amount_fen for bill in bills):
        raise BillsInvalid
    if order.expires_at <= now:
        raise OrderExpired
    if is_being_paid(session, [bill.id for bill in bills]):
        raise PaymentInProgress
    for bill in bills:
        if not void_bill(session, bill):
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
        for number, (kind, fen, due_at) in enumerate(parts, start=ever[-1].seq + 1)
    ]
    session.add_all(several)
    session.flush()
    return several


def _keep_until(session: Session, order: Order, until: datetime) -> None:
    """Several need longer than one; the job that ends the order comes back by itself."""
    if until > order.expires_at:
        order.expires_at = until
    session.flush()


def void_bill(session: Session, bill: Bill) -> bool:
    """open → void; False when it is paid by now."""
    expected = {"id": bill.id, "state": BillState.open}
    return rows.compare_and_set(session, Bill, expected, {"state": BillState.void}) == 1
