"""Settling: a success that the channel reports becomes a paid order, once, or a refund."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy.orm import Session

from core import later, security_events
from core.logs import log
from core.numbers import CROCKFORD, random_code
from gateways.pay.records import Transaction
from orders import paying
from orders.models import Order
from payments import attempts, ledger, refunding
from payments.models import (
    UNSETTLED,
    AttemptState,
    Bill,
    BillState,
    Channel,
    PaymentAttempt,
)
from payments.queries import (
    Known,
    find_known,
    is_paid,
    lock_bill_of,
    lock_for_settling,
    merchant_of,
)

LATE = "订单已取消或已支付，款项自动退回"


class Settlement(StrEnum):
    """What became of a report."""

    paid = "paid"
    late = "late"
    repeated = "repeated"
    closed = "closed"
    waiting = "waiting"
    unknown = "unknown"
    mismatch = "mismatch"


def settle(session: Session, transaction: Transaction, now: datetime) -> Settlement:
    """Act on what the channel says of a payment, from a notice or a query; safe to repeat.

    Amount, currency, account and appid must be those of the attempt, or nothing changes. A
    success for a closed attempt, a paid bill or a cancelled order is kept as late and refunded.
    """
    known = find_known(session, transaction.out_trade_no)
    if known is None:
        security_events.notice("payment_unknown", f"payment:{transaction.out_trade_no}")
        return Settlement.unknown
    if not transaction.is_paid:
        return _settle_unpaid(session, known, transaction, now)
    if different := _differences(known, transaction):
        security_events.record(
            session,
            "payment_mismatch",
            f"payment:{known.out_trade_no}",
            merchant_id=merchant_of(session, known.bill_id),
            now=now,
            different=different,
        )
        return Settlement.mismatch

    bill, attempt, order = lock_for_settling(session, known)
    if is_paid(attempt):
        return Settlement.repeated
    in_time = attempt.state in UNSETTLED and bill.state is BillState.open
    won = in_time and paying.mark_paid(
        session, order, amount_fen=attempt.amount_fen, now=now, held=True
    )
    attempts.must_move(
        session,
        attempt.id,
        AttemptState.succeeded if won else AttemptState.succeeded_late,
        live=True if won else None,
        transaction_id=transaction.transaction_id,
        settled_at=transaction.success_at or now,
    )
    ledger.post_payment(session, attempt, order, late=not won, now=now)
    if won:
        _pay_bill(session, bill, now)
        log.info("payment_settled", order_no=order.no, amount_fen=attempt.amount_fen)
        return Settlement.paid
    refunding.request_of(
        session, attempt, order, attempt.amount_fen, reason=LATE, actor="system", now=now
    )
    log.info("payment_late", order_no=order.no, amount_fen=attempt.amount_fen)
    return Settlement.late


def settle_free(session: Session, order: Order, *, now: datetime) -> None:
    """Pay a bill of 0 fen, without any channel; again: nothing. Raises ValueError on any other."""
    bill = lock_bill_of(session, order.id)
    if bill.amount_fen != 0:
        raise ValueError("only a bill of 0 fen settles by itself")
    if bill.state is not BillState.open or not paying.mark_paid(
        session, order, amount_fen=0, now=now
    ):
        return
    session.add(
        PaymentAttempt(
            out_trade_no=f"N{now:%Y%m%d}{random_code(16, CROCKFORD)}",
            bill_id=bill.id,
            live=True,
            channel=Channel.none,
            amount_fen=0,
            channel_fen=0,
            currency=bill.currency,
            state=AttemptState.succeeded,
            expires_at=order.expires_at,
            created_at=now,
            settled_at=now,
        )
    )
    _pay_bill(session, bill, now)


def _pay_bill(session: Session, bill: Bill, now: datetime) -> None:
    open_ = {"id": bill.id, "state": BillState.open}
    later.must_move(session, Bill, open_, {"state": BillState.paid, "paid_at": now})


def _settle_unpaid(
    session: Session, known: Known, transaction: Transaction, now: datetime
) -> Settlement:
    if not transaction.is_over:
        return Settlement.waiting
    failed = transaction.state == "PAYERROR"
    attempts.end(session, known.id, AttemptState.failed if failed else AttemptState.closed, now=now)
    return Settlement.closed


def _differences(known: Known, transaction: Transaction) -> list[str]:
    """Names only: what a stranger claims is not worth keeping."""
    ours = (known.channel_fen, known.currency, known.account, known.appid)
    told = (
        transaction.amount_fen,
        transaction.currency,
        transaction.account,
        transaction.appid,
    )
    names = ("amount", "currency", "account", "appid")
    return [name for name, own, theirs in zip(names, ours, told, strict=True) if own != theirs]
