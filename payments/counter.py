"""The payer's code at the counter (付款码): charged once, followed to its end, or taken back.

Like `remote`, this opens transactions, each short and none across a call. No channel sends a notice
of such a payment, and a code may be charged although we hear a no or nothing: so a code is charged
under a number that was committed before, the job that asks after it is committed with the number,
and nobody charges another code for the bill before the first is paid, over or taken back.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from core.database import reading, transaction
from core.outbox import enqueue
from gateways.cashier import Cashier
from gateways.pay.errors import ChannelRefused, ChannelUnavailable
from gateways.pay.records import Way
from orders.models import Order
from payments import attempts, remote, settling
from payments.asks import ask_of
from payments.attempts import Means, Step
from payments.errors import PaymentInProgress
from payments.models import UNSETTLED, AttemptState, Channel, PaymentAttempt
from payments.queries import find_live_attempt, lock_bills_of
from payments.settling import Settlement

ASK_EVERY = timedelta(seconds=5)
PATIENCE = timedelta(seconds=30)
"""So long somebody may look for the password."""
_ROUNDS = 3
# The only noes that are believed without a question: this code, or its card, was not taken.
_NOT_TAKEN = {
    "AUTH_CODE_EXPIRE",
    "AUTH_CODE_ERROR",
    "AUTH_CODE_INVALID",
    "PAYER_NOT_ENOUGH",
    "NOT_SUPPORT_CARD",
}


class Charge(StrEnum):
    """What became of a code: paid, the payer is at it or nobody knows yet, or a no for good."""

    paid = "paid"
    asking = "asking"
    refused = "refused"


@dataclass(frozen=True)
class Charged:
    """`why` is the channel's word for a no."""

    state: Charge
    why: str = ""


def channel_of(code: str) -> Channel | None:
    """Whose code it is: every wallet begins its own way. None: nobody's."""
    if not (code.isascii() and code.isdigit()):
        return None
    head = int(code[:2]) if len(code) >= 2 else 0
    if len(code) == 18 and 10 <= head <= 15:
        return Channel.wechat
    if 16 <= len(code) <= 24 and 25 <= head <= 30:
        return Channel.alipay
    if len(code) == 19 and head == 62:
        return Channel.unionpay
    return None


def charge(
    cashier: Cashier,
    order_id: int,
    means: Means,
    auth_code: str,
    *,
    description: str,
    store_no: str,
    client_ip: str,
    now: datetime,
    seq: int | None = None,
) -> Charged:
    """Charge the code for what the order's bill asks: the first that is open, or `seq`.

    While an earlier code of this bill is not settled nothing is charged: `asking`. Any other
    attempt is closed at its channel first. Raises AlreadyPaid, NotPayable, OrderExpired,
    PaymentInProgress, BillNotFound, or what closing an older attempt raises.
    """
    attempt = _begin(cashier, order_id, means, now, seq)
    if attempt is None:
        return Charged(Charge.asking)
    ask = ask_of(attempt, description, auth_code=auth_code, client_ip=client_ip, store_no=store_no)
    try:
        opening = cashier.of(means.channel, means.account).open(ask, now)
    except ChannelRefused as error:
        return _refused(cashier, attempt, error, now)
    except ChannelUnavailable:
        return Charged(Charge.asking)  # it may be paid: `follow` asks
    with transaction() as session:
        attempts.record_opening(session, attempt.id, opening)
        if opening.transaction is not None:
            settling.settle(session, opening.transaction, now)
    return _stands(attempt.id)


def follow(cashier: Cashier, attempt_id: int, now: datetime) -> bool:
    """Ask after a charged code; when patience is over, take back what may have been charged.

    True: there is nothing left to ask. Raises ChannelUnavailable and ChannelRefused: ask again.
    """
    with reading() as session:
        attempt = session.get_one(PaymentAttempt, attempt_id)
    if attempt.state not in UNSETTLED:
        return True
    if now - attempt.created_at < PATIENCE:
        outcome = remote.check(cashier, attempt, now)
        return outcome not in (Settlement.waiting, Settlement.mismatch)
    remote.close(cashier, attempt, now)
    return True


def _begin(
    cashier: Cashier, order_id: int, means: Means, now: datetime, seq: int | None
) -> PaymentAttempt | None:
    """A number to charge a code under; None while an earlier code is in the air."""
    may_share = cashier.can_share(means.channel, means.account)
    for _ in range(_ROUNDS):
        with transaction() as session:
            bill = attempts.choose(lock_bills_of(session, order_id), seq)
            live = find_live_attempt(session, bill.id)
            if live is not None and live.state in UNSETTLED and live.way is Way.code:
                return None
            order = session.get_one(Order, order_id)
            attempt, step = attempts.start(
                session, order, means, may_share=may_share, now=now, seq=bill.seq
            )
            if step is Step.open:
                enqueue(
                    session,
                    "payments.follow_code",
                    run_at=now + ASK_EVERY,
                    key=f"payments.follow_code:{attempt.id}",
                    attempt_id=attempt.id,
                )
                return attempt
        remote.close(cashier, attempt, now)
    raise PaymentInProgress


def _refused(
    cashier: Cashier, attempt: PaymentAttempt, error: ChannelRefused, now: datetime
) -> Charged:
    """Any other no may hide a yes, and no notice would ever tell: the query does, or it is taken
    back; while neither can be had the code counts as asked for."""
    if error.pay_code not in _NOT_TAKEN:
        try:
            remote.close(cashier, attempt, now)
        except (ChannelRefused, ChannelUnavailable, PaymentInProgress):
            return Charged(Charge.asking)
    else:
        with transaction() as session:
            attempts.end(session, attempt.id, AttemptState.failed, now=now)
    found = _stands(attempt.id)
    return Charged(found.state, error.pay_code if found.state is Charge.refused else "")


def _stands(attempt_id: int) -> Charged:
    with reading() as session:
        state = session.get_one(PaymentAttempt, attempt_id).state
    if state is AttemptState.succeeded:
        return Charged(Charge.paid)
    return Charged(Charge.asking if state in UNSETTLED else Charge.refused)
