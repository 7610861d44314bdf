"""From a paid order to the customer's hands: accept, make, ready, hand over against the code."""

import hmac
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from core import audit, lockouts
from core.outbox import enqueue, enqueue_first
from crm import visits
from orders.errors import WrongPickupCode
from orders.models import Order, OrderState, PaymentState
from orders.moving import move, wrong_state

PAID = (PaymentState.paid, PaymentState.part_refunded)


def accept(session: Session, order: Order, *, actor: str, now: datetime) -> None:
    """The store takes the order on. Raises WrongState: unpaid, or somebody was faster."""
    _move(session, order, OrderState.accepted, actor=actor, now=now, accepted_at=now)


def start(session: Session, order: Order, *, actor: str, now: datetime) -> None:
    """Somebody begins to make it."""
    _move(session, order, OrderState.preparing, actor=actor, now=now)


def ready(session: Session, order: Order, *, actor: str, now: datetime) -> None:
    """It can be fetched; the member is told by a job."""
    _move(session, order, OrderState.ready, actor=actor, now=now, ready_at=now)
    enqueue(session, "orders.after_ready", key=f"orders.after_ready:{order.id}", order_id=order.id)


def complete(session: Session, order: Order, *, code: str, actor: str, now: datetime) -> None:
    """Hand over against the pickup code. Raises WrongPickupCode, LockedOut or WrongState.

    On WrongPickupCode the door notes the miss in a transaction of its own: `note_wrong_code`.
    """
    lockouts.check(session, _subject(actor), now=now)
    given = "".join(code.split())
    if not hmac.compare_digest(given.encode("utf-8", "replace"), order.pickup_code.encode()):
        raise WrongPickupCode("取餐码不对，请顾客再出示一次", errors={"code": "取餐码不对"})
    _move(session, order, OrderState.completed, actor=actor, now=now, completed_at=now)
    lockouts.clear(session, _subject(actor), now=now)
    key = f"orders.after_completed:{order.id}"
    enqueue_first(session, "orders.after_completed", key=key, order_id=order.id)
    cause = {"order_id": order.id}
    visits.record_visit(session, order.buyer_id, order.store_id, now, cause=cause)


def note_wrong_code(
    session: Session, *, actor: str, now: datetime, merchant_id: int | None = None
) -> bool:
    """Count a wrong code: ten in a minute lock the clerk out for five. True: this one did."""
    return lockouts.fail(session, _subject(actor), now=now, merchant_id=merchant_id)


def _subject(actor: str) -> str:
    return f"pickup:{actor}"


def _move(
    session: Session, order: Order, to: OrderState, *, actor: str, now: datetime, **values: Any
) -> None:
    before = order.state
    paid = {"payment_state": PAID}
    if not move(session, order, to, actor=actor, now=now, expected=paid, **values):
        raise wrong_state(order)
    if actor.startswith("staff:"):
        audit.record(
            session,
            actor=actor,
            action=f"order.{to}",
            subject=f"order:{order.no}",
            before={"state": before},
            after={"state": to},
            merchant_id=order.merchant_id,
            now=now,
        )
