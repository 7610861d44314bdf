"""One refund is written down, with all that it takes."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.orm import Session

from core import audit
from core.numbers import CROCKFORD, random_code
from core.outbox import enqueue
from orders.models import Order
from payments.models import Channel, PaymentAttempt, Refund, RefundState
from payments.refunding import taking
from payments.refunding.amounts import Source
from payments.refunding.taking import Piece


def write(
    session: Session,
    attempt: PaymentAttempt,
    order: Order,
    way: Source,
    pieces: Sequence[Piece],
    *,
    delivery_fen: int,
    batch: str,
    reason: str,
    actor: str,
    now: datetime,
    replaces: Refund | None = None,
    send: bool = True,
) -> Refund:
    """One refund of one payment, its money and its lines taken, and its job if it has a channel."""
    amount_fen = way.channel_fen + way.balance_fen
    taking.take(session, attempt, amount_fen)
    no = f"R{now:%Y%m%d}{random_code(16, CROCKFORD)}"
    refund = Refund(
        out_refund_no=no,
        batch=batch or no,
        attempt_id=attempt.id,
        order_id=order.id,
        merchant_id=order.merchant_id,
        store_id=order.store_id,
        channel=Channel.balance if way.balance_fen else attempt.channel,
        amount_fen=amount_fen,
        channel_fen=way.channel_fen,
        balance_fen=way.balance_fen,
        delivery_fen=delivery_fen,
        state=RefundState.requested,
        reason=reason,
        actor=actor,
        replaces_id=replaces.id if replaces else None,
        requested_at=now,
    )
    session.add(refund)
    session.flush()
    taking.take_lines(session, refund, pieces)
    audit.record(
        session,
        actor=actor,
        action="refund.request",
        subject=f"order:{order.no}",
        after={"out_refund_no": no, "amount_fen": amount_fen},
        merchant_id=order.merchant_id,
        reason=reason,
        now=now,
    )
    if way.channel_fen and send:
        enqueue(session, "payments.refund", key=f"payments.refund:{refund.id}", refund_id=refund.id)
    return refund
