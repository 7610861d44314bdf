"""Who may give money back by himself, and what comes back with it: a merchant's rules, in one
place, which every door asks.

The sum that counts is all that was asked back of the order, this refund included: cutting a refund
into pieces makes none of them smaller.
"""

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from core import audit
from core.database import claim, insert_ignore
from merchants.models import Role
from orders.models import Order
from orders.paying import CouponBack
from payments.asked_models import RefundRules
from payments.errors import RefundBeyondLimit
from payments.models import HOLDING, AttemptState, Bill, PaymentAttempt, Refund, RefundState
from payments.refunding.again import HOLDS_MONEY


@dataclass(frozen=True)
class Rules:
    """A clerk gives back up to `clerk_fen` of an order within `clerk_minutes` of its payment, a
    manager up to `manager_fen`, an owner all of it. In the chat one person agrees to `chat_day_fen`
    a day."""

    clerk_fen: int = 0
    clerk_minutes: int = 30
    manager_fen: int = 1_000_00
    chat_day_fen: int = 200_00
    coupon_back: CouponBack = CouponBack.always


def of(session: Session, merchant_id: int) -> Rules:
    """Those of the merchant, or what holds until they say otherwise."""
    found = session.get(RefundRules, merchant_id, populate_existing=True)
    if found is None:
        return Rules()
    return Rules(**{name: getattr(found, name) for name in asdict(Rules())})


def save(session: Session, merchant_id: int, rules: Rules, *, actor: str, now: datetime) -> None:
    before, values = asdict(of(session, merchant_id)), asdict(rules)
    if not insert_ignore(session, RefundRules, [{"merchant_id": merchant_id, **values}]):
        mine = update(RefundRules).where(RefundRules.merchant_id == merchant_id)
        claim(session, mine.values(**values))
    changed = [name for name in values if values[name] != before[name]]
    if not changed:
        return
    audit.record(
        session,
        actor=actor,
        action="refund.rules",
        subject=f"merchant:{merchant_id}",
        before={name: before[name] for name in changed},
        after={name: values[name] for name in changed},
        merchant_id=merchant_id,
        now=now,
    )


def limit_fen(rules: Rules, role: Role, paid_at: datetime | None, now: datetime) -> int | None:
    """How much of one order this role gives back by itself; None: all of it."""
    if role is Role.owner:
        return None
    if role is Role.manager:
        return rules.manager_fen
    fresh = paid_at is not None and now - paid_at <= timedelta(minutes=rules.clerk_minutes)
    return rules.clerk_fen if fresh else 0


def may_alone(
    rules: Rules, role: Role, whole_fen: int, *, paid_at: datetime | None, now: datetime
) -> bool:
    """Whether one person decides. Else somebody else has to agree."""
    limit = limit_fen(rules, role, paid_at, now)
    return limit is None or whole_fen <= limit


def may_agree(rules: Rules, role: Role, asked_by: Role | None, whole_fen: int) -> bool:
    """Whether this role is the second person: an owner always, a manager up to what a manager
    may; beyond that only to another manager, so that two answer who may both give money back."""
    if role is Role.owner:
        return True
    if role is not Role.manager:
        return False
    return whole_fen <= rules.manager_fen or asked_by in (Role.manager, Role.owner)


def check_again(
    session: Session, refund: Refund, order: Order, role: Role, *, now: datetime
) -> None:
    """Whoever sends a refund elsewhere, asks for it anew or says that it was given back otherwise
    decides about that money once more. Raises RefundBeyondLimit."""
    if not may_again(session, refund, order, role, now=now):
        raise RefundBeyondLimit


def may_again(session: Session, refund: Refund, order: Order, role: Role, *, now: datetime) -> bool:
    """Whether one person decides that; else another has to agree."""
    whole_fen = whole_again_fen(session, refund, order)
    known, paid_at = of(session, order.merchant_id), paid_at_of(session, order)
    return may_alone(known, role, whole_fen, paid_at=paid_at, now=now)


def paid_at_of(session: Session, order: Order) -> datetime | None:
    """When the order was paid; of one that is paid in part, its last bill."""
    if order.paid_at is not None:
        return order.paid_at
    return session.scalar(select(func.max(Bill.paid_at)).where(Bill.order_id == order.id))


def whole_again_fen(session: Session, refund: Refund, order: Order) -> int:
    """All that goes back of an order, this refund counted once."""
    whole_fen = asked_fen(session, order)
    attempt = session.get_one(PaymentAttempt, refund.attempt_id)
    counted = refund.state is not RefundState.failed or refund.error in HOLDING
    if not (counted and attempt.state is AttemptState.succeeded):
        whole_fen += refund.amount_fen
    return whole_fen


def asked_fen(session: Session, order: Order) -> int:
    """What was asked back of an order so far and did not fail."""
    sums = (
        select(func.coalesce(func.sum(Refund.amount_fen), 0))
        .join(PaymentAttempt, PaymentAttempt.id == Refund.attempt_id)
        .where(PaymentAttempt.state == AttemptState.succeeded)
    )
    return int(session.scalar(sums.where(Refund.order_id == order.id, HOLDS_MONEY)) or 0)
