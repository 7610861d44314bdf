"""An order ends before its time, and its bill with it: what was paid is asked back."""

from datetime import datetime

from sqlalchemy.orm import Session

from orders import cancelling, paying
from orders.models import Order, OrderState
from orders.moving import wrong_state
from payments import billing, refunding
from payments.errors import PaymentInProgress
from payments.models import UNSETTLED
from payments.queries import find_live_attempt, lock_bill_of


def cancel(
    session: Session,
    order: Order,
    *,
    actor: str,
    reason: str,
    now: datetime,
    seen: OrderState | None = None,
) -> int:
    """Cancel the order and void its bill, or ask all of its money back; how much, in fen.

    An order of 0 fen is given back at once: no channel will ever report on it. `seen`: the state
    in which the caller was allowed to. Raises PaymentInProgress while somebody may still pay,
    WrongState when the order has moved on.
    """
    bill = lock_bill_of(session, order.id)
    session.refresh(order)
    if seen is not None and order.state is not seen:
        raise wrong_state(order)
    live = find_live_attempt(session, bill.id)
    if live is not None and live.state in UNSETTLED:
        raise PaymentInProgress
    if live is not None and live.amount_fen == 0:
        paying.record_refund(session, order, 0, now, reason=reason)  # coupon before stock
    rest = live.amount_fen - live.refunded_fen if live is not None else 0
    if live is not None and rest > 0:  # the balance's part touches coupon and member: before stock
        refunding.request_of(session, live, order, rest, reason=reason, actor=actor, now=now)
    if not cancelling.cancel(session, order, actor=actor, reason=reason, now=now):
        raise wrong_state(order)
    billing.void_bill(session, bill)
    return rest
