"""Settling: a success that the channel reports becomes a paid order, once, or a refund."""

from datetime import date, datetime
from enum import StrEnum
from typing import NamedTuple

from sqlalchemy.orm import Session

from core import later, rows, security_events
from core.clock import business_day
from core.logs import log
from core.numbers import CROCKFORD, random_code
from core.outbox import enqueue
from crm import balance
from gateways.pay.records import Transaction, Way, is_same
from orders import paying
from orders.models import LineKind, Order
from payments import attempts, ledger, refunding, stored
from payments.models import (
    PAID,
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
    lock_bills_of,
    lock_for_settling,
    merchant_of,
    next_due,
)
from payments.settlement.holding import hold
from payments.sharing import planning

LATE = "订单已取消或已支付，款项自动退回"
WORDS = {
    Channel.wechat: "微信支付",
    Channel.alipay: "支付宝",
    Channel.unionpay: "银联",
    Channel.balance: "储值余额",
    Channel.none: "0 元订单",
}


class Settlement(StrEnum):
    """What became of a report."""

    paid = "paid"
    late = "late"
    repeated = "repeated"
    closed = "closed"
    waiting = "waiting"
    unknown = "unknown"
    mismatch = "mismatch"


class _Told(NamedTuple):
    """`at`: the channel's clock; `paid_at`: the same within what can be; `day`: as in `ledger`."""

    transaction_id: str | None
    at: datetime
    paid_at: datetime
    day: date | None


def settle(session: Session, transaction: Transaction, now: datetime) -> Settlement:
    """Act on what the channel says of a payment, from a notice or a query; safe to repeat.

    Amount, currency, account and appid must be those of the attempt, or nothing changes; of an end
    without money account and appid. A success for a closed attempt, a paid bill or a cancelled
    order is kept as late and refunded.
    """
    known = find_known(session, transaction.out_trade_no)
    if known is None:
        security_events.notice("payment_unknown", f"payment:{transaction.out_trade_no}")
        return Settlement.unknown
    if not transaction.is_paid and not transaction.is_over:
        return Settlement.waiting
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
    if not transaction.is_paid:
        return _settle_unpaid(session, known, transaction, now)

    if known.state in PAID:  # for good: no day is held for what was heard before
        return Settlement.repeated
    number, at = transaction.transaction_id, transaction.success_at or now
    paid_at = _bounded(known, at, now)
    day = _day(session, known, paid_at, now)
    bill, attempt, order = lock_for_settling(session, known)
    if is_paid(attempt):
        return Settlement.repeated
    told = _Told(number, at, paid_at, day)
    if _pay(session, bill, attempt, order, told, now):
        return Settlement.paid
    attempts.settle_late(session, attempt, transaction_id=number, at=at, now=now)
    ledger.post_payment(session, attempt, order, late=True, day=day, now=now)
    security_events.record(
        session,
        "payment_late",
        f"payment:{known.out_trade_no}",
        merchant_id=order.merchant_id,
        now=now,
    )
    refunding.request_of(
        session, attempt, order, attempt.amount_fen, reason=LATE, actor="system", now=now
    )
    key = f"payments.tell_late:{attempt.id}"
    enqueue(session, "payments.tell_late", key=key, attempt_id=attempt.id)
    log.info("payment_late", order_no=order.no, amount_fen=attempt.amount_fen)
    return Settlement.late


def _bounded(known: Known, at: datetime, now: datetime) -> datetime:
    """When it was paid: no earlier than its attempt, whatever the channel's clock says, nor later
    than we hear of it."""
    return min(max(at, known.created_at), now)


def _day(session: Session, known: Known, paid_at: datetime, now: datetime) -> date | None:
    """Of the statement that a payment belongs to: the day on which it was paid, as the channel's
    bill and its fee have it. None: today's, where nothing has to be held.

    The day comes before the bill's lock, as with whoever closes it.
    """
    paid_on = business_day(paid_at)
    if paid_on >= business_day(now):
        return None
    merchant_id = merchant_of(session, known.bill_id)
    return None if merchant_id is None else hold(session, merchant_id, paid_on, now=now)


def settle_balance(session: Session, attempt: PaymentAttempt, now: datetime) -> None:
    """Pay a bill from the stored balance alone, in the transaction that froze it there."""
    known = find_known(session, attempt.out_trade_no)
    assert known is not None  # it was just written
    bill, attempt, order = lock_for_settling(session, known)
    told = _Told(None, at=now, paid_at=now, day=None)
    if not _pay(session, bill, attempt, order, told, now):
        raise rows.NotMoved(f"attempt {attempt.id} could not pay what it was started for")


def _pay(
    session: Session,
    bill: Bill,
    attempt: PaymentAttempt,
    order: Order,
    told: _Told,
    now: datetime,
) -> bool:
    """False: too late, and nothing was changed."""
    in_time = attempt.state in UNSETTLED and bill.state is BillState.open
    if not in_time or not _mark(session, bill, attempt, order, now):
        return False
    attempts.must_move(
        session,
        attempt.id,
        AttemptState.succeeded,
        live=True,
        transaction_id=told.transaction_id,
        settled_at=told.at,
    )
    if attempt.balance_fen:
        balance.capture(session, attempts.kept_for(attempt.id), now=now)
    bonus = stored.given_fen(session, order.id) if order.kind is LineKind.top_up else 0
    ledger.post_payment(session, attempt, order, late=False, bonus_fen=bonus, day=told.day, now=now)
    _pay_bill(session, bill, now)
    if attempt.shared:
        planning.plan(session, attempt, order, paid_at=told.paid_at)
    log.info("payment_settled", order_no=order.no, amount_fen=attempt.amount_fen)
    return True


def _mark(
    session: Session, bill: Bill, attempt: PaymentAttempt, order: Order, now: datetime
) -> bool:
    """The order is paid, or where this is one of several bills a part of it is."""
    fen, words = attempt.amount_fen, words_of(attempt)
    if order.paid_fen + fen == order.payable_fen:
        return paying.mark_paid(session, order, amount_fen=fen, reason=words, now=now, held=True)
    rest_by = next_due(session, order.id, bill.id)
    part = paying.mark_part_paid(
        session, order, amount_fen=fen, reason=words, now=now, rest_by=rest_by
    )
    if part and rest_by is not None and attempt.way is Way.mini:
        enqueue(session, "payments.owe_shipping", order_id=order.id)
    return part


def words_of(attempt: PaymentAttempt) -> str:
    if attempt.balance_fen and attempt.channel is not Channel.balance:
        return f"{WORDS[Channel.balance]}和{WORDS[attempt.channel]}"
    return WORDS[attempt.channel]


def settle_free(session: Session, order: Order, *, now: datetime) -> None:
    """Pay a bill of 0 fen, without any channel; again: nothing. Raises ValueError on any other."""
    bill = lock_bills_of(session, order.id)[0]
    if bill.amount_fen != 0:
        raise ValueError("only a bill of 0 fen settles by itself")
    if bill.state is not BillState.open or not paying.mark_paid(
        session, order, amount_fen=0, reason=WORDS[Channel.none], now=now
    ):
        return
    session.add(
        PaymentAttempt(
            out_trade_no=f"N{now:%Y%m%d}{random_code(16, CROCKFORD)}",
            merchant_id=order.merchant_id,
            store_id=order.store_id,
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
    failed = transaction.state == "PAYERROR"
    to = AttemptState.failed if failed else AttemptState.closed
    if attempts.end(session, known.id, to, now=now):
        return Settlement.closed
    stands = session.get_one(PaymentAttempt, known.id, populate_existing=True)
    return Settlement.repeated if is_paid(stands) else Settlement.closed


def _differences(known: Known, transaction: Transaction) -> list[str]:
    """Names only: what a stranger claims is not worth keeping."""
    told = transaction
    same = {
        "amount": known.channel_fen == told.amount_fen,
        "currency": known.currency == told.currency,
        "account": is_same(known.account, told.account),
        "appid": known.appid == told.appid,
    }
    if not told.is_paid:  # of what nobody paid not every channel says how much it was, or to whom
        same |= {"amount": True, "currency": True, "appid": told.appid in ("", known.appid)}
    return [name for name, is_ours in same.items() if not is_ours]
