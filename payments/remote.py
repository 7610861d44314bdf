"""Conversations with the payment channel that several doors need.

The only code of this package that opens transactions, each short and never across a call: commit
what is about to be asked and its number, call, record the answer. A crash in between is repaired by
asking again under the same number.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

from core.config import current_config
from core.database import reading, transaction
from core.outbox import enqueue
from gateways.wechat.errors import PayError, WechatUnavailable
from gateways.wechat.pay_records import RefundResult
from gateways.wechat.registry import Wechat
from orders.models import Order, OrderState
from orders.moving import wrong_state
from payments import attempts, cancelling, refunding, settling
from payments.attempts import Payer, Step
from payments.errors import AlreadyPaid, PaymentInProgress
from payments.models import (
    UNSETTLED,
    AttemptState,
    BillState,
    PaymentAttempt,
    Refund,
    RefundState,
)
from payments.queries import find_live_attempt_of, lock_bill_of
from payments.settling import Settlement

# Answers to a prepay that say: this number is used up one way or another.
_SPENT = {"ORDER_CLOSED", "ORDER_PAID", "OUT_TRADE_NO_USED", "TRADE_ERROR"}
# This one says so only if the channel knows the number: repeated with other parameters.
_PERHAPS_SPENT = "INVALID_REQUEST"
_ROUNDS = 3
FIRST_REFUND_QUERY = timedelta(seconds=20)


def notify_url(mchid: str) -> str:
    """Where the channel sends its notices."""
    return f"{current_config().app.base_url.rstrip('/')}/pay/wechat/notify/{mchid}"


def open_sheet(
    wechat: Wechat, order_id: int, payer: Payer, *, description: str, now: datetime
) -> dict[str, str]:
    """What `wx.requestPayment` takes, for the order's one live attempt.

    Safe to repeat: the same payer gets the same prepay while it is fresh; another payer's attempt
    is closed at the channel first. Raises AlreadyPaid, NotPayable, OrderExpired, PaymentInProgress,
    WechatUnavailable (ask again) or PayError.
    """
    pay = wechat.pay(payer.mchid)
    for _ in range(_ROUNDS):
        with transaction() as session:
            order = session.get_one(Order, order_id)
            attempt, step = attempts.start(session, order, payer, now=now)
        if step is Step.close_older:
            close(wechat, attempt, now)
            continue
        if step is Step.prepay:
            prepay_id = _prepay(wechat, attempt, description, now)
            if prepay_id is None:
                continue
            with transaction() as session:
                attempt = attempts.record_prepay(session, attempt.id, prepay_id, now=now)
        if attempt.state is AttemptState.succeeded:
            raise AlreadyPaid
        if attempt.state is AttemptState.pending and attempt.prepay_id:
            return pay.sheet(attempt.prepay_id, attempt.appid, now)
    raise PaymentInProgress


def check(wechat: Wechat, attempt: PaymentAttempt, now: datetime) -> Settlement:
    """Ask the channel how the attempt stands and act on it: this heals a lost notice."""
    known = wechat.pay(attempt.mchid).query(attempt.out_trade_no)
    if known is None:
        return Settlement.waiting
    with transaction() as session:
        return settling.settle(session, known, now)


def close(
    wechat: Wechat, attempt: PaymentAttempt, now: datetime, *, close_later: bool = False
) -> None:
    """See to it that nobody can pay the attempt any more, or settle it because somebody did.

    The channel is asked first. With `close_later` an attempt that is unpaid but could not be closed
    now counts as closed, and a job closes it: a payment in between goes back by itself.
    """
    if check(wechat, attempt, now) not in (Settlement.waiting, Settlement.mismatch):
        return
    pay = wechat.pay(attempt.mchid)
    try:
        pay.close(attempt.out_trade_no)
    except PayError:
        # Paid between the question and the closing, most likely.
        if check(wechat, attempt, now) is Settlement.waiting:
            raise
        return
    except WechatUnavailable:
        if not close_later:
            raise
        with transaction() as session:
            enqueue(
                session,
                "payments.close_attempt",
                key=f"payments.close_attempt:{attempt.id}",
                attempt_id=attempt.id,
            )
            attempts.end(session, attempt.id, AttemptState.closed, now=now)
        return
    with transaction() as session:
        attempts.end(session, attempt.id, AttemptState.closed, now=now)


def cancel_order(
    wechat: Wechat,
    order_id: int,
    *,
    actor: str,
    reason: str,
    now: datetime,
    allowed: Callable[[Order], bool] = lambda order: True,
    keep_paid: bool = False,
) -> Order:
    """Cancel an order after asking the channel whether it was paid.

    If it was, its money is refunded in the same transaction, or with `keep_paid` (expiry) the order
    stays. `allowed` is asked inside the transaction. An order that is cancelled already stays so.
    Raises WrongState, PaymentInProgress, or WechatUnavailable when the channel cannot be asked.
    """
    with reading() as session:
        live = find_live_attempt_of(session, order_id)
    if live is not None and live.state in UNSETTLED:
        close(wechat, live, now, close_later=True)
    with transaction() as session:
        bill = lock_bill_of(session, order_id)
        order = session.get_one(Order, order_id)
        if order.state is OrderState.cancelled or (keep_paid and bill.state is BillState.paid):
            return order
        if not allowed(order):
            raise wrong_state(order)
        cancelling.cancel(session, order, actor=actor, reason=reason, now=now)
        return order


def send_refund(wechat: Wechat, refund_id: int, now: datetime) -> str:
    """Ask the channel for a refund under its number, which was committed before; safe to repeat.

    What became of it, in a word. Raises WechatUnavailable or a transient PayError: ask again.
    """
    with reading() as session:
        refund = session.get_one(Refund, refund_id)
        attempt = session.get_one(PaymentAttempt, refund.attempt_id)
    if refund.state is not RefundState.requested:
        return "repeated"
    pay = wechat.pay(attempt.mchid)
    try:
        result = pay.refund(
            attempt.out_trade_no,
            refund.out_refund_no,
            refund.amount_fen,
            attempt.amount_fen,
            refund.reason,
            notify_url(attempt.mchid),
        )
    except PayError as error:
        if error.transient:
            raise
        # A no to a repetition may hide a yes to the first time.
        known = pay.query_refund(refund.out_refund_no)
        if known is None:
            with transaction() as session:
                refunding.fail(session, refund_id, error.pay_code, now)
            return "failed"
        result = known
    return _record_refund(refund_id, result, now)


def check_refund(wechat: Wechat, refund_id: int, now: datetime) -> str:
    """Ask the channel how a refund stands and act on it: this heals a lost notice."""
    with reading() as session:
        refund = session.get_one(Refund, refund_id)
        attempt = session.get_one(PaymentAttempt, refund.attempt_id)
    if refund.state is not RefundState.processing:
        return "repeated"
    result = wechat.pay(attempt.mchid).query_refund(refund.out_refund_no)
    return "processing" if result is None else _record_refund(refund_id, result, now)


def _prepay(wechat: Wechat, attempt: PaymentAttempt, description: str, now: datetime) -> str | None:
    """None: this number is spent and dealt with; start again."""
    pay = wechat.pay(attempt.mchid)
    try:
        return pay.prepay(
            attempt.out_trade_no,
            description,
            attempt.amount_fen,
            attempt.openid,
            attempt.appid,
            notify_url(attempt.mchid),
            attempt.expires_at,
        )
    except PayError as error:
        known = error.pay_code == _PERHAPS_SPENT and pay.query(attempt.out_trade_no) is not None
        if known or error.pay_code in _SPENT:
            close(wechat, attempt, now)
            return None
        if error.transient:
            raise WechatUnavailable(error.api, error.pay_code, sent=False) from None
        with transaction() as session:
            attempts.end(session, attempt.id, AttemptState.failed, now=now)
        raise


def _record_refund(refund_id: int, result: RefundResult, now: datetime) -> str:
    with transaction() as session:
        outcome = refunding.record_result(session, result, now)
        if outcome == "processing":
            enqueue(
                session,
                "payments.query_refund",
                run_at=now + FIRST_REFUND_QUERY,
                key=f"payments.query_refund:{refund_id}",
                refund_id=refund_id,
            )
        return outcome
