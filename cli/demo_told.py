"""What channels must know of the demo's past, so that their bills have it, a payment of it can be
refunded and nothing of it counts as missing when a day is skipped."""

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from cli import demo_recon
from payments.models import (
    PAID,
    PartState,
    PaymentAttempt,
    Refund,
    Sharing,
    SharingPart,
    SharingReceiver,
)
from payments.shipping.models import UNTOLD, PaymentShipping


def of_past(session: Session, merchant_id: int) -> dict[str, list[dict[str, Any]]]:
    """Payments, refunds and sharings as `POST /sandbox/api/past` takes them."""
    mine = (
        PaymentAttempt.merchant_id == merchant_id,
        PaymentAttempt.channel.in_(demo_recon.RATES),
        PaymentAttempt.state.in_(PAID),
        PaymentAttempt.channel_fen > 0,
    )
    untold = select(PaymentShipping.attempt_id).where(PaymentShipping.state.in_(UNTOLD))
    waiting = set(session.scalars(untold))
    paid = session.scalars(select(PaymentAttempt).where(*mine).order_by(PaymentAttempt.id))
    back = session.execute(
        select(Refund, PaymentAttempt)
        .join(PaymentAttempt, PaymentAttempt.id == Refund.attempt_id)
        .where(*mine, Refund.channel_fen > 0, demo_recon.KNOWN)
        .order_by(Refund.id)
    )
    shared = session.execute(
        select(SharingPart, SharingReceiver, Sharing, PaymentAttempt)
        .join(SharingReceiver, SharingReceiver.id == SharingPart.receiver_id)
        .join(Sharing, Sharing.id == SharingPart.sharing_id)
        .join(PaymentAttempt, PaymentAttempt.id == Sharing.attempt_id)
        .where(*mine, SharingPart.state == PartState.succeeded)
        .order_by(SharingPart.id)
    )
    return {
        "payments": [
            {
                "channel": each.channel,
                "account": each.account,
                "appid": each.appid,
                "payer": each.payer,
                "way": each.way,
                "number": each.out_trade_no,
                "transaction_id": each.transaction_id,
                "fen": each.channel_fen,
                "at": (each.settled_at or each.created_at).timestamp(),
                "shipped": each.id not in waiting,
                "shared": each.shared,
            }
            for each in paid
        ],
        "sharings": [
            {
                "account": attempt.account,
                "number": part.no,
                "transaction_id": attempt.transaction_id,
                "receiver": receiver.account,
                "fen": part.amount_fen,
                "returned_fen": part.returned_fen,
                "at": (sharing.asked_at or sharing.paid_at).timestamp(),
            }
            for part, receiver, sharing, attempt in shared
        ],
        "refunds": [
            {
                "account": attempt.account,
                "number": refund.out_refund_no,
                "payment": attempt.out_trade_no,
                "refund_id": demo_recon.refund_id(refund),
                "fen": refund.channel_fen,
                "at": refund.requested_at.timestamp(),
                "state": demo_recon.STATES[refund.state],
            }
            for refund, attempt in back
        ],
    }
