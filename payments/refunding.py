"""Refunds: asked for by a guarded update, sent by a job, booked when the channel says so."""

from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from core import audit, rows, security_events
from core.database import claim
from core.logs import log
from core.numbers import CROCKFORD, random_code
from core.outbox import enqueue
from gateways.pay.records import RefundResult
from orders import paying, selling
from orders.models import Order
from payments import ledger, plan_refunds
from payments.errors import NothingToRefund, RefundAmountInvalid, RefundTooMuch
from payments.models import (
    NEXT_REFUND,
    PAID,
    AttemptState,
    PaymentAttempt,
    Refund,
    RefundState,
)
from payments.queries import (
    find_live_attempt,
    find_refund,
    lock_bill,
    lock_bill_of,
    merchant_of,
)

# A new number is asked for by ourselves only so often; after that a human looks.
MOST_REPLACEMENTS = 3


def request(
    session: Session, order: Order, amount_fen: int, reason: str, actor: str, now: datetime
) -> Refund:
    """Ask for part or all of an order's money back; the channel is told by a job.

    Raises RefundAmountInvalid, NothingToRefund, RefundTooMuch.
    """
    bill = lock_bill_of(session, order.id)
    attempt = find_live_attempt(session, bill.id)
    if attempt is None or attempt.state is not AttemptState.succeeded or not attempt.amount_fen:
        raise NothingToRefund
    earlier = plan_refunds.failed_fen(session, order)
    refund = request_of(session, attempt, order, amount_fen, reason=reason, actor=actor, now=now)
    plan_refunds.take(session, order, refund, earlier, now=now)
    return refund


def request_of(
    session: Session,
    attempt: PaymentAttempt,
    order: Order,
    amount_fen: int,
    *,
    reason: str,
    actor: str,
    now: datetime,
    replaces: Refund | None = None,
) -> Refund:
    """The same for one payment, which need not be the one that paid the order."""
    if amount_fen <= 0:
        raise RefundAmountInvalid
    _take(session, attempt, amount_fen)
    refund = Refund(
        out_refund_no=f"R{now:%Y%m%d}{random_code(16, CROCKFORD)}",
        attempt_id=attempt.id,
        order_id=order.id,
        amount_fen=amount_fen,
        state=RefundState.requested,
        reason=reason,
        actor=actor,
        replaces_id=replaces.id if replaces else None,
        requested_at=now,
    )
    session.add(refund)
    session.flush()
    audit.record(
        session,
        actor=actor,
        action="refund.request",
        subject=f"order:{order.no}",
        after={"out_refund_no": refund.out_refund_no, "amount_fen": amount_fen},
        merchant_id=order.merchant_id,
        reason=reason,
        now=now,
    )
    enqueue(session, "payments.refund", key=f"payments.refund:{refund.id}", refund_id=refund.id)
    return refund


def record_result(session: Session, result: RefundResult, now: datetime) -> str:
    """Act on what the channel says of a refund; safe to repeat. What became of it, in a word.

    Amounts must be those we asked for, or nothing changes.
    """
    refund = find_refund(session, result.out_refund_no)
    if refund is None:
        security_events.notice("refund_unknown", f"refund:{result.out_refund_no}")
        return "unknown"
    attempt = session.get_one(PaymentAttempt, refund.attempt_id)
    total_fen = attempt.amount_fen if result.total_fen is None else result.total_fen
    if (result.refund_fen, total_fen) != (refund.amount_fen, attempt.amount_fen):
        security_events.record(
            session,
            "refund_mismatch",
            f"refund:{refund.out_refund_no}",
            merchant_id=merchant_of(session, attempt.bill_id),
            now=now,
        )
        return "mismatch"
    lock_bill(session, attempt.bill_id)
    session.refresh(refund)  # as it is now that nobody else can move it
    if result.state == "SUCCESS":
        return _succeed(session, refund, attempt, result, now)
    if result.state == "CLOSED":
        return _replace(session, refund, attempt, now)
    if result.state == "ABNORMAL":
        moved = _move(session, refund, RefundState.failed, error="ABNORMAL", settled_at=now)
        return "abnormal" if moved else "repeated"
    _move(session, refund, RefundState.processing, refund_id=result.refund_id, error="")
    return "processing" if refund.state is RefundState.processing else "repeated"


def fail(session: Session, refund_id: int, error: str, now: datetime) -> bool:
    """The channel will not do it under any number: the money is free to be asked for again."""
    refund = session.get_one(Refund, refund_id)
    attempt = session.get_one(PaymentAttempt, refund.attempt_id)
    lock_bill(session, attempt.bill_id)
    if not _move(session, refund, RefundState.failed, error=error, settled_at=now):
        return False
    _give_back(session, attempt, refund.amount_fen)
    _undo_take_back(session, refund, now)
    log.error("refund_failed", out_refund_no=refund.out_refund_no, error=error)
    return True


def _undo_take_back(session: Session, refund: Refund, now: datetime) -> None:
    """What was taken for the first of the numbers under which this refund was asked for."""
    first = refund
    while first.replaces_id is not None:
        first = session.get_one(Refund, first.replaces_id)
    order = session.get_one(Order, refund.order_id)
    selling.undo_take_back(session, order, cause=f"refund:{first.id}", now=now)


def _succeed(
    session: Session,
    refund: Refund,
    attempt: PaymentAttempt,
    result: RefundResult,
    now: datetime,
) -> str:
    # Of the failed ones only an abnormal one still holds its money and may end well.
    if refund.state is RefundState.failed and refund.error != "ABNORMAL":
        security_events.record(
            session,
            "refund_after_failure",
            f"refund:{refund.out_refund_no}",
            merchant_id=merchant_of(session, attempt.bill_id),
            now=now,
        )
        return "refused"
    moved = _move(
        session,
        refund,
        RefundState.succeeded,
        refund_id=result.refund_id,
        error="",
        settled_at=result.success_at or now,
    )
    if not moved:
        return "repeated"
    order = session.get_one(Order, refund.order_id)
    late = attempt.state is AttemptState.succeeded_late
    ledger.post_refund(session, refund, attempt, order, late=late, now=now)
    if not late and not paying.record_refund(
        session, order, refund.amount_fen, now, reason=refund.reason
    ):
        raise ledger.LedgerBroken(f"order {order.id} refuses refund {refund.id}")
    log.info("refund_settled", order_no=order.no, amount_fen=refund.amount_fen)
    return "refunded"


def _replace(session: Session, refund: Refund, attempt: PaymentAttempt, now: datetime) -> str:
    """CLOSED: this number is dead, and a new one asks again, a few times."""
    if not _move(session, refund, RefundState.failed, error="CLOSED", settled_at=now):
        return "repeated"
    _give_back(session, attempt, refund.amount_fen)
    if _replacements(session, refund) >= MOST_REPLACEMENTS:
        _undo_take_back(session, refund, now)
        log.error("refund_failed", out_refund_no=refund.out_refund_no, error="CLOSED")
        return "closed"
    request_of(
        session,
        attempt,
        session.get_one(Order, refund.order_id),
        refund.amount_fen,
        reason=refund.reason,
        actor=refund.actor,
        now=now,
        replaces=refund,
    )
    return "replaced"


def _replacements(session: Session, refund: Refund) -> int:
    count, earlier = 0, refund.replaces_id
    while earlier is not None:
        count += 1
        earlier = session.scalar(select(Refund.replaces_id).where(Refund.id == earlier))
    return count


def _move(session: Session, refund: Refund, to: RefundState, **values: object) -> bool:
    sources = [state for state, targets in NEXT_REFUND.items() if to in targets]
    moved = claim(
        session,
        update(Refund)
        .where(Refund.id == refund.id, Refund.state.in_(sources))
        .values(state=to, **values),
    )
    session.refresh(refund)
    return moved == 1


def _take(session: Session, attempt: PaymentAttempt, amount_fen: int) -> None:
    taken = claim(
        session,
        update(PaymentAttempt)
        .where(
            PaymentAttempt.id == attempt.id,
            PaymentAttempt.state.in_(PAID),
            PaymentAttempt.refunded_fen + amount_fen <= PaymentAttempt.amount_fen,
        )
        .values(refunded_fen=PaymentAttempt.refunded_fen + amount_fen),
    )
    session.refresh(attempt)
    if taken == 0:
        raise RefundTooMuch(refundable_fen=attempt.amount_fen - attempt.refunded_fen)


def _give_back(session: Session, attempt: PaymentAttempt, amount_fen: int) -> None:
    given = claim(
        session,
        update(PaymentAttempt)
        .where(PaymentAttempt.id == attempt.id, PaymentAttempt.refunded_fen >= amount_fen)
        .values(refunded_fen=PaymentAttempt.refunded_fen - amount_fen),
    )
    rows.all_moved(PaymentAttempt, given)
    session.refresh(attempt)
