"""An order ends before its time, and its bills with it: what was paid is asked back."""

from datetime import datetime

from sqlalchemy.orm import Session

from core import rows
from orders import cancelling, paying
from orders.models import Order, OrderState
from orders.moving import wrong_state
from payments import billing, refunding
from payments.errors import PaymentInProgress
from payments.models import UNSETTLED, BillState
from payments.queries import list_live_attempts, lock_bills_of


def cancel(
    session: Session,
    order: Order,
    *,
    actor: str,
    reason: str,
    now: datetime,
    seen: OrderState | None = None,
) -> int:
    """Cancel the order, void its open bills and ask all of its money back; how much, in fen.

    An order of 0 fen is given back at once: no channel will ever report on it. `seen`: the state
    in which the caller was allowed to. Raises PaymentInProgress while somebody may still pay,
    WrongState when the order has moved on.
    """
    bills = lock_bills_of(session, order.id)
    session.refresh(order)
    if seen is not None and order.state is not seen:
        raise wrong_state(order)
    lives = list_live_attempts(session, order.id)
    if any(live.state in UNSETTLED for live in lives):
        raise PaymentInProgress
    if any(live.amount_fen == 0 for live in lives):
        paying.record_refund(session, order, 0, now, reason=reason)  # coupon before stock
    left = [(live, live.amount_fen - live.refunded_fen) for live in lives]

    def money() -> None:
        batch = ""
        for live, rest in left:
            if rest > 0:
                refund = refunding.request_of(
                    session, live, order, rest, reason=reason, actor=actor, now=now, batch=batch
                )
                batch = refund.batch

    for bill in bills:
        if bill.state is BillState.open and not billing.void_bill(session, bill):
            raise rows.NotMoved(f"bill {bill.id} is held and was open")
    if not cancelling.cancel(session, order, actor=actor, reason=reason, now=now, money=money):
        raise wrong_state(order)
    return sum(rest for _, rest in left)
