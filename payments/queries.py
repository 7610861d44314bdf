"""Reads and locks that more than one verb needs."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Select, String, bindparam, func, select
from sqlalchemy.orm import Session

from core import rows, statements
from messaging.cards.keeping import Paid
from orders.models import Order
from payments.errors import BillNotFound
from payments.models import (
    PAID,
    UNSETTLED,
    AttemptState,
    Bill,
    BillState,
    Channel,
    PaymentAttempt,
    Refund,
    RefundState,
)

# Built once: a statement that is built anew for every notice costs as much as running it.
_LIVE = (
    select(PaymentAttempt)
    .where(PaymentAttempt.bill_id == bindparam("bill_id"), PaymentAttempt.live.is_(True))
    .execution_options(populate_existing=True)
)
_LOCK_BILL = (
    select(Bill)
    .where(Bill.id == bindparam("bill_id"))
    .with_for_update()
    .execution_options(populate_existing=True)
)
_LOCK_BILL_OF = (
    select(Bill)
    .where(Bill.order_id == bindparam("order_id"))
    .with_for_update()
    .execution_options(populate_existing=True)
)


class Known(NamedTuple):
    """What an attempt asked the channel for, which never changes, and its state at that moment."""

    id: int
    bill_id: int
    out_trade_no: str
    channel_fen: int
    currency: str
    account: str
    appid: str
    created_at: datetime
    state: AttemptState


_BILLS, _ATTEMPTS, _ORDERS = (rows.table_of(model) for model in (Bill, PaymentAttempt, Order))
_KNOWN = select(*(_ATTEMPTS.c[name] for name in Known._fields)).where(
    _ATTEMPTS.c.out_trade_no == bindparam("out_trade_no", type_=String())
)
_OF_BILL = ("id", "state")
_OF_ATTEMPT = (
    "id",
    "state",
    "bill_id",
    "channel",
    "account",
    "shared",
    "amount_fen",
    "balance_fen",
    "channel_fen",
)
_OF_ORDER = (
    *("id", "no", "merchant_id", "store_id", "member_id", "coupon_id", "points_used"),
    *("state", "payment_state", "payable_fen", "paid_fen", "kind", "plan_id", "fulfilment"),
)
_LOCK_FOR_SETTLING = (
    select(*(_BILLS.c[name] for name in _OF_BILL))
    .add_columns(*(_ATTEMPTS.c[name] for name in _OF_ATTEMPT))
    .add_columns(*(_ORDERS.c[name] for name in _OF_ORDER))
    .join(_ATTEMPTS, _ATTEMPTS.c.bill_id == _BILLS.c.id)
    .join(_ORDERS, _ORDERS.c.id == _BILLS.c.order_id)
    .where(_BILLS.c.id == bindparam("of_bill"), _ATTEMPTS.c.id == bindparam("of_attempt"))
    .with_for_update()
)


def lock_bill(session: Session, bill_id: int) -> Bill:
    """The bill as it is now, ours until the end of the transaction (SQLite: all of it is)."""
    return session.scalars(_LOCK_BILL, {"bill_id": bill_id}).one()


def lock_for_settling(session: Session, known: Known) -> tuple[Bill, PaymentAttempt, Order]:
    """The bill, this attempt of it and its order, all as they are now and ours, in lock order.

    Of each only what settling looks at is read.
    """
    ours = {"of_bill": known.bill_id, "of_attempt": known.id}
    (found,) = statements.fetch(session, lambda *row: row, _LOCK_FOR_SETTLING, ours)
    rest = iter(found)
    read = [dict(zip(names, rest, strict=False)) for names in (_OF_BILL, _OF_ATTEMPT, _OF_ORDER)]
    return (
        rows.know(session, Bill, read[0]),
        rows.know(session, PaymentAttempt, read[1]),
        rows.know(session, Order, read[2]),
    )


def lock_bills_of(session: Session, order_id: int) -> Sequence[Bill]:
    """All of the order's bills, in the order of their numbers. Raises BillNotFound."""
    bills = session.scalars(_LOCK_BILL_OF.order_by(Bill.seq), {"order_id": order_id}).all()
    if not bills:
        raise BillNotFound
    return bills


def find_known(session: Session, out_trade_no: str) -> Known | None:
    return statements.fetch_one(session, Known, _KNOWN, {"out_trade_no": out_trade_no})


def merchant_of(session: Session, bill_id: int) -> int | None:
    """Whose shop a bill is about: for the rare events that an owner has to see."""
    found = select(Order.merchant_id).join(Bill, Bill.order_id == Order.id)
    return session.scalar(found.where(Bill.id == bill_id))


def find_live_attempt(session: Session, bill_id: int) -> PaymentAttempt | None:
    """The attempt that may still be paid, or the one that was."""
    return session.scalars(_LIVE, {"bill_id": bill_id}).one_or_none()


def is_being_paid(session: Session, bill_ids: Collection[int]) -> bool:
    """Whether one of these bills has an attempt that may still be paid and is not settled."""
    begun = select(PaymentAttempt.id).where(
        PaymentAttempt.bill_id.in_(bill_ids),
        PaymentAttempt.live.is_(True),
        PaymentAttempt.state.in_(UNSETTLED),
    )
    return session.scalar(begun.limit(1)) is not None


def next_due(session: Session, order_id: int, after_id: int) -> datetime | None:
    """Until when the next of the order's open bills may be paid, where it says so itself."""
    others = (Bill.order_id == order_id, Bill.state == BillState.open, Bill.id != after_id)
    return session.scalar(select(Bill.due_at).where(*others).order_by(Bill.seq).limit(1))


def find_live_attempt_of(session: Session, order_id: int) -> PaymentAttempt | None:
    """Of an order with several bills the attempt that may still be paid, else the last that was."""
    lives = list_live_attempts(session, order_id)
    open_ = [live for live in lives if live.state in UNSETTLED]
    return next(iter(open_ or lives[::-1]), None)


def list_live_attempts(session: Session, order_id: int) -> list[PaymentAttempt]:
    """Of each bill of the order the attempt that may still be paid, or that was."""
    return list(
        session.scalars(
            select(PaymentAttempt)
            .join(Bill, Bill.id == PaymentAttempt.bill_id)
            .where(Bill.order_id == order_id, PaymentAttempt.live.is_(True))
            .order_by(Bill.seq)
        )
    )


def list_bills(session: Session, order_id: int) -> list[tuple[Bill, PaymentAttempt | None]]:
    """The order's bills that count, each with the attempt that may still be paid, or that was."""
    live = (PaymentAttempt.bill_id == Bill.id) & PaymentAttempt.live.is_(True)
    found = session.execute(
        select(Bill, PaymentAttempt)
        .outerjoin(PaymentAttempt, live)
        .where(Bill.order_id == order_id, Bill.state != BillState.void)
        .order_by(Bill.seq)
    )
    return [(bill, attempt) for bill, attempt in found]


def order_no_of(session: Session, number: str) -> str:
    """Of a payment's number, the order's; any other number as it came.

    A platform's message about a payment knows the order by no other number.
    """
    paid = select(Order.no).join(Bill, Bill.order_id == Order.id).join(PaymentAttempt)
    return session.scalar(paid.where(PaymentAttempt.out_trade_no == number)) or number


def find_refund(session: Session, out_refund_no: str) -> Refund | None:
    return session.scalars(
        select(Refund).where(Refund.out_refund_no == out_refund_no)
    ).one_or_none()


def list_refunds(session: Session, order_id: int) -> list[Refund]:
    """The order's refunds as people see them: one that was asked again stands for the first."""
    replaced = select(Refund.replaces_id).where(Refund.replaces_id.is_not(None))
    return list(
        session.scalars(
            select(Refund)
            .where(Refund.order_id == order_id, Refund.id.not_in(replaced))
            .order_by(Refund.id)
        )
    )


def find_paid_by_others(session: Session, refunds: Sequence[Refund]) -> frozenset[int]:
    """Of these refunds' attempts those that somebody else than the order's own member paid."""
    if not refunds:
        return frozenset()
    found = select(PaymentAttempt.id).where(
        PaymentAttempt.id.in_({refund.attempt_id for refund in refunds}),
        PaymentAttempt.member_id.is_not(None),
    )
    return frozenset(session.scalars(found))


def refundable_fen(session: Session, order_id: int) -> int:
    """What may still be asked back of the payments that the order was paid with."""
    amount = session.scalar(
        select(func.sum(PaymentAttempt.amount_fen - PaymentAttempt.refunded_fen))
        .join(Bill, Bill.id == PaymentAttempt.bill_id)
        .where(Bill.order_id == order_id, PaymentAttempt.state == AttemptState.succeeded)
    )
    return int(amount or 0)


def share_a_payer(session: Session, inviter_id: int, newcomer_id: int) -> bool:
    """Whether the newcomer's orders were paid by whoever invited: with one wallet for both, or by
    the link to a share. A share that anybody else paid is no such sign."""
    by_link = (
        select(PaymentAttempt.id)
        .join(Bill, Bill.id == PaymentAttempt.bill_id)
        .join(Order, Order.id == Bill.order_id)
        .where(
            Order.member_id == newcomer_id,
            PaymentAttempt.member_id == inviter_id,
            PaymentAttempt.state == AttemptState.succeeded,
        )
    )
    if session.scalar(by_link.limit(1)) is not None:
        return True

    def payers(member_id: int) -> Select[str]:
        return (
            select(PaymentAttempt.payer)
            .join(Bill, Bill.id == PaymentAttempt.bill_id)
            .join(Order, Order.id == Bill.order_id)
            .where(
                Order.member_id == member_id,
                PaymentAttempt.member_id.is_(None),
                PaymentAttempt.state == AttemptState.succeeded,
                PaymentAttempt.payer != "",
            )
        )

    both = payers(inviter_id).where(PaymentAttempt.payer.in_(payers(newcomer_id))).limit(1)
    return session.scalar(both) is not None


def refunded_fen(session: Session, order_id: int) -> int:
    """What really went back, late payments included."""
    total = session.scalar(
        select(func.coalesce(func.sum(Refund.amount_fen), 0)).where(
            Refund.order_id == order_id, Refund.state == RefundState.succeeded
        )
    )
    return int(total or 0)


def is_paid(attempt: PaymentAttempt) -> bool:
    return attempt.state in PAID


def transactions_of(session: Session, order_ids: Collection[int]) -> dict[int, str]:
    """Of these orders, those that were paid through WeChat Pay: order → its transaction."""
    found = session.execute(
        select(Bill.order_id, PaymentAttempt.transaction_id)
        .join(PaymentAttempt, PaymentAttempt.bill_id == Bill.id)
        .where(
            Bill.order_id.in_(order_ids),
            PaymentAttempt.member_id.is_(None),
            PaymentAttempt.channel == Channel.wechat,
            PaymentAttempt.state == AttemptState.succeeded,
            PaymentAttempt.transaction_id.is_not(None),
        )
    )
    return {order_id: str(transaction_id) for order_id, transaction_id in found}


def find_paid(session: Session, order_id: int) -> Paid | None:
    """How whoever ordered paid it through WeChat Pay, of several bills the last; None: not so."""
    found = session.scalar(
        select(PaymentAttempt)
        .join(Bill, Bill.id == PaymentAttempt.bill_id)
        .where(
            Bill.order_id == order_id,
            PaymentAttempt.member_id.is_(None),
            PaymentAttempt.channel == Channel.wechat,
            PaymentAttempt.state == AttemptState.succeeded,
            PaymentAttempt.transaction_id.is_not(None),
        )
        .order_by(Bill.seq.desc())
        .limit(1)
    )
    if found is None:
        return None
    at = found.settled_at or found.created_at
    return Paid(found.appid, found.payer, str(found.transaction_id), found.channel_fen, at)
