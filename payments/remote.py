"""Conversations with the payment channels that several doors need.

The only code of this package that opens transactions, each short and never across a call: commit
what is about to be asked and its number, call, record the answer. A crash in between is repaired by
asking again under the same number.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from core.database import reading, transaction
from core.outbox import enqueue
from gateways.cashier import Cashier
from gateways.pay.errors import ChannelRefused, ChannelUnavailable
from gateways.pay.port import PayChannel
from gateways.pay.records import Ask, Asked, Opening, RefundAsk, RefundResult, Show, Way
from orders.models import OWING, Order, OrderState
from orders.moving import wrong_state
from payments import attempts, cancelling, refunding, settling
from payments.asks import ask_of, asked_of, refund_of
from payments.attempts import Means, Step
from payments.errors import AlreadyPaid, PaymentInProgress
from payments.models import (
    DONE_BEFORE,
    UNSETTLED,
    AttemptState,
    PaymentAttempt,
    Refund,
    RefundState,
)
from payments.queries import list_live_attempts, lock_bills_of
from payments.settling import Settlement

# Answers to an opening that say: this number is used up one way or another.
_SPENT = {"ORDER_CLOSED", "ORDER_PAID", "OUT_TRADE_NO_USED", "TRADE_ERROR"}
# This one says so only if the channel knows the number: repeated with other parameters.
_PERHAPS_SPENT = "INVALID_REQUEST"
# The payer is typing a password.
_AT_IT = "USERPAYING"
_ROUNDS = 3
NOT_ENOUGH = "NOT_ENOUGH"
# A refund of which the channel says so gives the money back, or may yet do it.
_ALIVE = ("SUCCESS", "PROCESSING")
FIRST_REFUND_QUERY = timedelta(seconds=20)


def open_payment(
    cashier: Cashier,
    order_id: int,
    means: Means,
    *,
    description: str,
    now: datetime,
    client_ip: str = "",
    return_url: str = "",
    seq: int | None = None,
    before: Callable[[Session], Opening | None] = lambda session: None,
) -> Opening:
    """What the payer sees next, for the one live attempt of the order's bill, or of the one with
    this number, which an order with several open ones needs. `before` is asked in the transaction
    that starts the attempt: what it answers is the answer, and nothing is started.

    Safe to repeat: the same payer by the same means sees the same while it is fresh; any other
    attempt is closed at its channel first. Raises AlreadyPaid, BillRequired, NotPayable,
    OrderExpired, PaymentInProgress, ChannelUnavailable (ask again) or ChannelRefused.
    """
    may_share = cashier.can_share(means.channel, means.account)
    for _ in range(_ROUNDS):
        with transaction() as session:
            if (answered := before(session)) is not None:
                return answered
            order = session.get_one(Order, order_id)
            attempt, step = attempts.start(
                session, order, means, may_share=may_share, now=now, seq=seq
            )
            if step is Step.settle:
                settling.settle_balance(session, attempt, now)
            if step in (Step.settle, Step.done):
                return Opening(Show.done)
        if step is Step.close_older:
            close(cashier, attempt, now)
            continue
        ask = ask_of(attempt, description, client_ip=client_ip, return_url=return_url)
        if step is Step.show:
            channel = cashier.of(attempt.channel, attempt.account)
            return channel.show(ask, attempt.opening or {}, now)
        opening = _open(cashier, attempt, ask, now)
        if opening is None:
            continue
        with transaction() as session:
            attempt = attempts.record_opening(session, attempt.id, opening)
            if opening.transaction is not None:
                settling.settle(session, opening.transaction, now)
        if opening.show is Show.done or attempt.state is AttemptState.pending:
            return opening
        if attempt.state is AttemptState.succeeded:
            raise AlreadyPaid
    raise PaymentInProgress


def check(cashier: Cashier, attempt: PaymentAttempt, now: datetime) -> Settlement:
    """Ask the channel how the attempt stands and act on it: this heals a lost notice."""
    known = cashier.of(attempt.channel, attempt.account).query(asked_of(attempt))
    if known is None:
        return Settlement.waiting
    with transaction() as session:
        return settling.settle(session, known, now)


def follow_ended(
    cashier: Cashier, attempt: PaymentAttempt, now: datetime, *, until: datetime
) -> bool:
    """Ask after an attempt that counts as closed or failed where its channel can't see to that: a
    page that is still open somewhere may be paid, and its notice be lost. What was paid goes back.

    True: no money can come any more. Raises ChannelUnavailable and ChannelRefused: ask again.
    """
    channel, asked = cashier.of(attempt.channel, attempt.account), asked_of(attempt)
    if channel.close_is_final(asked.way):
        return True
    try:
        known = channel.query(asked)
    except ChannelRefused as error:
        if error.transient or now <= until:
            raise
        return True  # it never was opened: nor would it ever be answered
    if known is None:
        return now > until
    with transaction() as session:
        settling.settle(session, known, now)
    if known.state == "NOTPAY":  # somebody has come to the page: now there is something to close
        channel.close(asked)
        return True
    at_it, failed = known.state == "USERPAYING", known.state == "PAYERROR"
    return not at_it and not (failed and now <= until)


def close(
    cashier: Cashier, attempt: PaymentAttempt, now: datetime, *, close_later: bool = False
) -> None:
    """See to it that nobody can pay the attempt any more, or settle it because somebody did.

    The channel is asked first. With `close_later` an attempt that is unpaid but could not be closed
    now counts as closed, and a job closes it: a payment in between goes back by itself. Not so a
    payer's code: of it nobody tells us, and another would be charged beside it. Raises
    PaymentInProgress while the payer is at it: nobody knows how it ends.
    """
    try:
        _close(cashier, attempt, now, close_later=close_later)
    except ChannelRefused as error:
        if error.transient or error.pay_code == _AT_IT:
            raise PaymentInProgress from error
        raise


def _close(cashier: Cashier, attempt: PaymentAttempt, now: datetime, *, close_later: bool) -> None:
    if check(cashier, attempt, now) not in (Settlement.waiting, Settlement.mismatch):
        return
    channel, asked = cashier.of(attempt.channel, attempt.account), asked_of(attempt)
    try:
        if attempt.way is Way.code:
            channel.revoke(asked)
        else:
            channel.close(asked)
    except ChannelRefused:
        # Paid between the question and the closing, most likely.
        if check(cashier, attempt, now) is Settlement.waiting:
            raise
        return
    except ChannelUnavailable:
        if not close_later or attempt.way is Way.code:
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
    cashier: Cashier,
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
    Raises WrongState, PaymentInProgress, or ChannelUnavailable when the channel cannot be asked.
    """
    with reading() as session:
        lives = list_live_attempts(session, order_id)
    for live in lives:
        if live.state in UNSETTLED:
            close(cashier, live, now, close_later=True)
    with transaction() as session:
        lock_bills_of(session, order_id)
        order = session.get_one(Order, order_id)
        paid = order.payment_state not in OWING
        if order.state is OrderState.cancelled or (keep_paid and paid):
            return order
        if not allowed(order):
            raise wrong_state(order)
        cancelling.cancel(session, order, actor=actor, reason=reason, now=now)
        return order


def rearrange(
    cashier: Cashier,
    order_id: int,
    change: Callable[[Session, Order], object],
    *,
    now: datetime,
) -> None:
    """Have an order ask for its money in another way, after what nobody finished to pay was closed
    at its channel. Raises PaymentInProgress, ChannelUnavailable, or what `change` raises."""
    with reading() as session:
        lives = list_live_attempts(session, order_id)
    for live in lives:
        if live.state in UNSETTLED:
            close(cashier, live, now)
    with transaction() as session:
        change(session, session.get_one(Order, order_id))


def send_refund(cashier: Cashier, refund_id: int, now: datetime) -> str:
    """Ask the channel for a refund under its number, which was committed before; safe to repeat.

    What became of it, in a word. Raises ChannelUnavailable or a transient ChannelRefused: ask
    again.
    """
    with reading() as session:
        refund = session.get_one(Refund, refund_id)
        attempt = session.get_one(PaymentAttempt, refund.attempt_id)
        failed = refunding.failed_before(session, refund)
    if refund.state is not RefundState.requested:
        # Of one that ended because another was done, only what was sent before counts.
        return check_refund(cashier, refund_id, now) if refund.error == DONE_BEFORE else "repeated"
    channel = cashier.of(attempt.channel, attempt.account)
    asked, ask = asked_of(attempt), refund_of(refund, attempt)
    for each in failed:
        earlier = channel.query_refund(asked, refund_of(each, attempt))
        if earlier is not None and earlier.state in _ALIVE:
            return _stand_back(channel, asked, ask, refund_id, earlier, now)
    try:
        result = channel.refund(asked, ask)
    except ChannelRefused as error:
        if error.transient:
            if error.pay_code == NOT_ENOUGH:
                with transaction() as session:
                    refunding.note_waiting(session, refund_id, NOT_ENOUGH)
            raise
        # A no to a repetition may hide a yes to the first time.
        known = channel.query_refund(asked, ask)
        if known is None:
            with transaction() as session:
                refunding.fail(session, refund_id, error.pay_code, now)
            return "failed"
        result = known
    return _record_refund(refund_id, result, now)


def _stand_back(
    channel: PayChannel,
    asked: Asked,
    ask: RefundAsk,
    refund_id: int,
    earlier: RefundResult,
    now: datetime,
) -> str:
    """One in whose place this refund stands is done all the same, or may yet be: the money is not
    sent a second time. Where this one was sent before, both count and people are told."""
    known = channel.query_refund(asked, ask)
    if known is not None:
        with transaction() as session:
            refunding.record_result(session, earlier, now)
        return _record_refund(refund_id, known, now)
    if earlier.state != "SUCCESS":
        raise ChannelUnavailable("refund", "an earlier number is still under way", sent=False)
    with transaction() as session:
        refunding.give_way(session, refund_id, earlier, now)
    return "failed"


def check_refund(cashier: Cashier, refund_id: int, now: datetime) -> str:
    """Ask the channel how a refund stands and act on it: this heals a lost notice, and finds out
    about one that failed with us and went through all the same."""
    with reading() as session:
        refund = session.get_one(Refund, refund_id)
        attempt = session.get_one(PaymentAttempt, refund.attempt_id)
    if refund.state is RefundState.succeeded:
        return "repeated"
    channel = cashier.of(attempt.channel, attempt.account)
    result = channel.query_refund(asked_of(attempt), refund_of(refund, attempt))
    if result is None:
        return "processing" if refund.state is RefundState.processing else "repeated"
    return _record_refund(refund_id, result, now)


def _open(cashier: Cashier, attempt: PaymentAttempt, ask: Ask, now: datetime) -> Opening | None:
    """None: this number is spent and dealt with; start again."""
    channel = cashier.of(attempt.channel, attempt.account)
    try:
        return channel.open(ask, now)
    except ChannelRefused as error:
        known = error.pay_code == _PERHAPS_SPENT and channel.query(ask.as_asked()) is not None
        if known or error.pay_code in _SPENT:
            close(cashier, attempt, now)
            return None
        if error.transient:
            raise ChannelUnavailable(error.api, error.pay_code, sent=False) from None
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
