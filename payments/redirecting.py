"""A refund that the payer's account did not take (ABNORMAL) goes to another account.

From the moment it is asked for until the channel says how it ended the refund is REDIRECTED: nobody
asks again or gives the money back otherwise.

A conversation like those of `remote`: what is asked is on record before it is asked, a job asks how
it ended, and no transaction is open during a call.
"""

from contextlib import suppress
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from core import audit, rows
from core.database import reading, transaction
from core.outbox import enqueue
from gateways.cashier import Cashier
from gateways.pay.errors import ChannelRefused, ChannelUnavailable
from gateways.pay.redirecting import Card, Redirects
from orders.models import Order
from payments.asks import asked_of, refund_of
from payments.errors import RefundNotStuck
from payments.models import ABNORMAL, REDIRECTED, PaymentAttempt, Refund, RefundState
from payments.queries import lock_bill
from payments.refunding import outcomes

ASK_AFTER = timedelta(seconds=20)


def is_redirectable(cashier: Cashier, refund: Refund, attempt: PaymentAttempt) -> bool:
    stuck = refund.state is RefundState.failed and refund.error == ABNORMAL
    return stuck and isinstance(cashier.of(attempt.channel, attempt.account), Redirects)


def redirect(
    cashier: Cashier, refund_id: int, card: Card | None, *, actor: str, now: datetime
) -> str:
    """Ask for it. What the channel says, in its word.

    Without a card the money comes to the merchant, who hands it on. Raises RefundNotStuck,
    ChannelRefused or ChannelUnavailable (the job asks how it ended).
    """
    with transaction() as session:
        refund, attempt = _of(session, refund_id)
        lock_bill(session, attempt.bill_id)
        session.refresh(refund)
        channel = cashier.of(attempt.channel, attempt.account)
        if not is_redirectable(cashier, refund, attempt) or not isinstance(channel, Redirects):
            raise RefundNotStuck
        if not _mark(session, refund_id, ABNORMAL, REDIRECTED):
            raise RefundNotStuck
        order_no = session.get_one(Order, refund.order_id).no
        audit.record(
            session,
            actor=actor,
            action="refund.redirect",
            subject=f"order:{order_no}",
            after={
                "out_refund_no": refund.out_refund_no,
                "amount_fen": refund.amount_fen,
                "to": "card" if card else "merchant",
            },
            merchant_id=refund.merchant_id,
            now=now,
        )
        enqueue(
            session,
            "payments.query_redirected",
            run_at=now + ASK_AFTER,
            key=f"payments.query_redirected:{refund.id}:{int(now.timestamp())}",
            refund_id=refund.id,
        )
    try:
        result = channel.redirect_refund(refund.refund_id or "", refund.out_refund_no, card, now)
    except ChannelRefused:
        # A no may hide an earlier yes: what stands there decides whether it may be tried again.
        with suppress(ChannelRefused, ChannelUnavailable):
            check(cashier, refund_id, now)
        raise
    with transaction() as session:
        outcomes.record_result(session, result, now)
    return result.state


def check(cashier: Cashier, refund_id: int, now: datetime) -> str:
    """How it stands at the channel, in its word, acted upon: what it did not send on is abnormal
    again. Also asked of one that was finished by hand: the channel may have paid it too."""
    with reading() as session:
        refund, attempt = _of(session, refund_id)
    if refund.state is not RefundState.failed and not refund.finished_by:
        return "SUCCESS"
    channel = cashier.of(attempt.channel, attempt.account)
    result = channel.query_refund(asked_of(attempt), refund_of(refund, attempt))
    if result is None or result.state == ABNORMAL:
        with transaction() as session:
            if _mark(session, refund_id, REDIRECTED, ABNORMAL):
                outcomes.tell(session, session.get_one(Refund, refund_id, populate_existing=True))
        return ABNORMAL
    with transaction() as session:
        outcomes.record_result(session, result, now)
    return result.state


def _mark(session: Session, refund_id: int, known: str, word: str) -> bool:
    before = {"id": refund_id, "state": RefundState.failed, "error": known}
    return rows.compare_and_set(session, Refund, before, {"error": word}) == 1


def _of(session: Session, refund_id: int) -> tuple[Refund, PaymentAttempt]:
    refund = session.get_one(Refund, refund_id)
    return refund, session.get_one(PaymentAttempt, refund.attempt_id)
