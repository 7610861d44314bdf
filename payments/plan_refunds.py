"""Refunds of plans: how much may be asked back, and what is taken for it, once."""

from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from crm import balance
from orders import selling
from orders.models import LineKind, Order
from payments import ledger, queries, stored
from payments.errors import RefundAmountInvalid
from payments.models import HOLDING, AttemptState, PaymentAttempt, Refund, RefundState


def refundable_fen(session: Session, order: Order, now: datetime) -> tuple[int, str]:
    """What may still be asked back for an order, and by which rule; "" where there is none."""
    left = queries.refundable_fen(session, order.id)
    if order.plan_id is None or left == 0:
        return left, ""
    if taken := failed_fen(session, order):
        return min(taken, left), "上次没退成：已经停了，钱再退一次"
    due, words = selling.refundable_fen(session, order, now=now)
    return min(due, left), words


def take(
    session: Session,
    order: Order,
    refund: Refund,
    whole_fen: int,
    failed_before_fen: int,
    *,
    now: datetime,
) -> None:
    """Take back what the money stands for: `whole_fen` of it, of which `refund` is the first part.
    What an earlier refund took and failed is gone already: the same money is asked for. Raises
    RefundAmountInvalid and what `selling.take_back` does."""
    if failed_before_fen:
        if whole_fen != failed_before_fen:
            raise RefundAmountInvalid
        return
    cause = f"refund:{refund.id}"
    selling.take_back(session, order, whole_fen, cause=cause, actor=refund.actor, now=now)
    _post(session, order, cause, now)


def take_again(session: Session, order: Order, refund: Refund, *, now: datetime) -> bool:
    """A refund that had failed was done all the same: the stored value of its top-up goes once
    more. False: the member has spent it since, and the money is gone too."""
    if order.kind is not LineKind.top_up:
        return True
    cause = f"again:refund:{refund.id}"
    try:
        selling.take_back(
            session, order, refund.amount_fen, cause=cause, actor=refund.actor, now=now
        )
    except balance.PrincipalSpent:
        return False
    _post(session, order, cause, now)
    return True


def undo(session: Session, order: Order, cause: str, *, now: datetime) -> None:
    """The money could not be given back: what was taken for `cause` is there again; once."""
    if stored.moved_by(session, f"undo:{cause}") is not None:
        return
    selling.undo_take_back(session, order, cause=cause, now=now)
    _post(session, order, f"undo:{cause}", now)


def _post(session: Session, order: Order, cause: str, now: datetime) -> None:
    """The ledger owes as much less, or again, as the member's balance says."""
    moved = stored.moved_by(session, cause) if order.kind is LineKind.top_up else None
    if moved is not None:
        ledger.post_taken_back(session, order, f"stored:{cause}", *moved, now=now)


def failed_fen(session: Session, order: Order) -> int:
    """What a membership or a pass was given up for in vain."""
    if not selling.stays_taken(order):
        return 0
    asked = (
        select(Refund.amount_fen)
        .join(PaymentAttempt, PaymentAttempt.id == Refund.attempt_id)
        .where(Refund.order_id == order.id, PaymentAttempt.state == AttemptState.succeeded)
    )
    alive = (Refund.state != RefundState.failed) | Refund.error.in_(HOLDING)
    if session.scalar(select(func.count()).select_from(asked.where(alive).subquery())):
        return 0
    return int(session.scalar(asked.order_by(Refund.id.desc()).limit(1)) or 0)
