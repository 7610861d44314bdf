"""Whether a payment is to be shared, and who gets how much of it."""

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from core import later
from core.clock import business_day
from orders.models import Order
from payments.models import (
    PaymentAttempt,
    ReceiverPurpose,
    ReceiverState,
    Sharing,
    SharingReceiver,
    SharingState,
)
from payments.settlement.terms import terms_on


class Portion(NamedTuple):
    receiver: SharingReceiver
    amount_fen: int


def is_wanted(session: Session, merchant_id: int, *, now: datetime) -> bool:
    """Whether anybody gets a part of what this merchant is paid now."""
    return any(bp for _, bp in _rates(session, merchant_id, now))


def plan(session: Session, attempt: PaymentAttempt, order: Order, *, paid_at: datetime) -> None:
    """A payment that was opened to be shared is paid: it is due. Nobody waits for the row.

    `paid_at`: not when we heard of it, for what is given of it goes by what was agreed then.
    """
    row = {
        "attempt_id": attempt.id,
        "merchant_id": order.merchant_id,
        "order_id": order.id,
        "round": 0,
        "state": SharingState.due,
        "error": "",
        "paid_at": paid_at,
    }
    later.add(session, Sharing, row)


def portions(
    session: Session, merchant_id: int, base_fen: int, *, paid_at: datetime
) -> list[Portion]:
    """What each gets of `base_fen`, rounded down, the platform first: never more than was agreed
    when it was paid, nor than there is."""
    found, left = [], base_fen
    for receiver, bp in _rates(session, merchant_id, paid_at):
        amount = min(base_fen * bp // 10_000, left)
        left -= amount
        if amount:
            found.append(Portion(receiver, amount))
    return found


def _rates(
    session: Session, merchant_id: int, paid_at: datetime
) -> list[tuple[SharingReceiver, int]]:
    """Whoever was added later has no part of a payment; the platform's is a matter of its terms."""
    receivers = session.scalars(
        select(SharingReceiver)
        .where(
            SharingReceiver.merchant_id == merchant_id,
            SharingReceiver.state == ReceiverState.active,
            or_(
                SharingReceiver.purpose == ReceiverPurpose.commission,
                SharingReceiver.created_at <= paid_at,
            ),
        )
        .order_by(SharingReceiver.id)
    ).all()
    if not receivers:
        return []
    terms = terms_on(session, merchant_id, business_day(paid_at))
    commission_bp = terms.commission_bp if terms else 0
    rates = [
        (one, commission_bp if one.purpose is ReceiverPurpose.commission else one.share_bp)
        for one in receivers
    ]
    return sorted(rates, key=lambda rate: rate[0].purpose is not ReceiverPurpose.commission)
