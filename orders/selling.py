"""A plan is bought like goods, by itself: an order that its payment completes."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from core import idempotency, rows
from core.clock import business_day
from core.numbers import order_no
from core.outbox import enqueue
from crm import plans
from crm.models import Member, Plan, PlanKind
from merchants.models import Store
from orders.errors import TooManyUnpaid
from orders.models import (
    Fulfilment,
    HistoryKind,
    LineKind,
    Order,
    OrderHistory,
    OrderLine,
    OrderState,
    PaymentState,
)
from orders.moving import move
from orders.placing import PAY_WITHIN, scope_of


def place_plan(
    session: Session, plan: Plan, member: Member, store: Store, *, key: str, now: datetime
) -> tuple[Order, bool]:
    """Place an order for the plan. Answers (order, newly placed); the same `key` the same order.

    Raises PlanNotFound when it is not sold now, TooManyUnpaid when one for it waits to be paid.
    """
    no = order_no(now)
    body = {"plan_id": plan.id}
    replay = idempotency.begin(
        session, scope=scope_of(member), key=key, body=body, now=now, result={"no": no}
    )
    if replay is not None:
        return session.scalars(select(Order).where(Order.no == replay.result["no"])).one(), False
    plans.check_sold(session, plan, now=now)
    waiting = select(Order.id).where(
        Order.member_id == member.id,
        Order.plan_id == plan.id,
        Order.state == OrderState.placed,
        Order.payment_state == PaymentState.unpaid,
    )
    if session.scalar(waiting.limit(1)) is not None:
        raise TooManyUnpaid("这一档有一单还没付款，先去付款或取消", unpaid=1)
    return _write(session, no, plan, member, store, now), True


def complete_paid(session: Session, order: Order, *, now: datetime) -> None:
    """placed → completed for an order that was just paid, and a plan is the member's."""
    moved = move(session, order, OrderState.completed, actor="system", now=now, completed_at=now)
    if not moved:
        raise rows.NotMoved(f"order {order.id} was not placed when it was paid")
    if order.plan_id is None:
        return
    plans.fulfil(session, order.plan_id, order.buyer_id, order.id, paid_fen=order.paid_fen, now=now)


def take_back(
    session: Session, order: Order, refund_fen: int, *, cause: str, actor: str, now: datetime
) -> None:
    """Before money of a plan is asked back. Raises what `plans.before_refund` does."""
    if order.plan_id is not None:
        plans.before_refund(
            session,
            order.plan_id,
            order.buyer_id,
            order.id,
            refund_fen,
            paid_fen=order.paid_fen,
            cause=cause,
            actor=actor,
            now=now,
        )


def refundable_fen(session: Session, order: Order, *, now: datetime) -> tuple[int, str]:
    """How much of a plan's price its rules allow to be asked back, and why so much."""
    if order.plan_id is None:
        raise ValueError(f"order {order.id} is of no plan")
    return plans.refundable_fen(
        session, order.plan_id, order.buyer_id, order.id, paid_fen=order.paid_fen, now=now
    )


def stays_taken(order: Order) -> bool:
    """Whether a refund that failed leaves what it was for ended."""
    return order.plan_id is not None and plans.stays_taken(PlanKind(order.kind.value))


def undo_take_back(session: Session, order: Order, *, cause: str, now: datetime) -> None:
    """The money could not be given back."""
    if order.plan_id is not None:
        plans.refund_failed(session, PlanKind(order.kind.value), order.id, cause=cause, now=now)


def _write(
    session: Session, no: str, plan: Plan, member: Member, store: Store, now: datetime
) -> Order:
    kind = LineKind(plan.kind.value)
    row = {
        "no": no,
        "merchant_id": store.merchant_id,
        "store_id": store.id,
        "member_id": member.id,
        "fulfilment": Fulfilment.none,
        "kind": kind,
        "plan_id": plan.id,
        "state": OrderState.placed,
        "payment_state": PaymentState.unpaid,
        "in_shares": False,
        "business_day": business_day(now),
        "pickup_code": "",
        "goods_fen": plan.price_fen,
        "discount_fen": 0,
        "payable_fen": plan.price_fen,
        "paid_fen": 0,
        "refunded_fen": 0,
        "points_used": 0,
        "note": "",
        "quote": {"goods_fen": plan.price_fen, "discounts": [], "payable_fen": plan.price_fen},
        "placed_at": now,
        "expires_at": now + PAY_WITHIN,
        "cancel_reason": "",
    }
    order = rows.adopt(session, Order, rows.add(session, Order, row), row)
    line = {
        "order_id": order.id,
        "position": 0,
        "kind": kind,
        "name": plan.name,
        "options": [],
        "quantity": 1,
        "unit_fen": plan.price_fen,
        "amount_fen": plan.price_fen,
        "payable_fen": plan.price_fen,
    }
    rows.add(session, OrderLine, line)
    placed = {"kind": HistoryKind.state, "before": "", "after": OrderState.placed}
    by = {"actor": f"member:{member.id}", "reason": "", "at": now}
    rows.add(session, OrderHistory, {"order_id": order.id, **placed, **by})
    key = f"orders.expire:{order.id}"
    enqueue(session, "orders.expire", run_at=order.expires_at, key=key, order_id=order.id)
    return order
