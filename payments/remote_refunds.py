"""Conversations with the payment channel about refunds: ask, ask again, learn the end."""

from datetime import datetime, timedelta

from core.database import reading, transaction
from core.outbox import enqueue
from gateways.wechat.errors import PayError
from gateways.wechat.pay_records import RefundResult
from gateways.wechat.registry import Wechat
from payments import refunding
from payments.models import PaymentAttempt, Refund, RefundState
from payments.remote import notify_url

FIRST_QUERY = timedelta(seconds=20)


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
    return _record(refund_id, result, now)


def check_refund(wechat: Wechat, refund_id: int, now: datetime) -> str:
    """Ask the channel how a refund stands and act on it: this heals a lost notice."""
    with reading() as session:
        refund = session.get_one(Refund, refund_id)
        attempt = session.get_one(PaymentAttempt, refund.attempt_id)
    if refund.state is not RefundState.processing:
        return "repeated"
    result = wechat.pay(attempt.mchid).query_refund(refund.out_refund_no)
    return "processing" if result is None else _record(refund_id, result, now)


def _record(refund_id: int, result: RefundResult, now: datetime) -> str:
    with transaction() as session:
        outcome = refunding.record_result(session, result, now)
        if outcome == "processing":
            enqueue(
                session,
                "payments.query_refund",
                run_at=now + FIRST_QUERY,
                key=f"payments.query_refund:{refund_id}",
                refund_id=refund_id,
            )
        return outcome
