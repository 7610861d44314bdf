"""A sum at the counter: an order with one line that is money, of a member who may be unknown."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from core import idempotency, rows
from core.clock import business_day
from core.numbers import order_no
from core.outbox import enqueue
from crm.models import Member
from merchants.models import Store
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
from orders.placing import PAY_WITHIN

NAME = "收款"


def place_amount(
    session: Session,
    store: Store,
    amount_fen: int,
    *,
    member: Member | None = None,
    note: str = "",
    actor: str,
    key: str,
    now: datetime,
) -> tuple[Order, bool]:
    """Place an order for the sum. Answers (order, newly placed); the same `key` the same order.

    Paying completes it. Coupons and points take nothing off: they are measured on goods. Raises
    IdempotencyConflict for another sum under the same key, ValueError for a sum of nothing.
    """
    if amount_fen <= 0:
        raise ValueError("a sum of nothing")
    no = order_no(now)
    body = {"store_id": store.id, "amount_fen": amount_fen, "member": member and member.id}
    scope = f"orders.collect:{actor}"
    replay = idempotency.begin(session, scope=scope, key=key, body=body, now=now, result={"no": no})
    if replay is not None:
        return session.scalars(select(Order).where(Order.no == replay.result["no"])).one(), False
    row = {
        "no": no,
        "merchant_id": store.merchant_id,
        "store_id": store.id,
        "member_id": member.id if member else None,
        "fulfilment": Fulfilment.none,
        "kind": LineKind.amount,
        "state": OrderState.placed,
        "payment_state": PaymentState.unpaid,
        "in_shares": False,
        "business_day": business_day(now),
        "pickup_code": "",
        "goods_fen": amount_fen,
        "discount_fen": 0,
        "payable_fen": amount_fen,
        "paid_fen": 0,
        "refunded_fen": 0,
        "points_used": 0,
        "note": note,
        "quote": {"goods_fen": amount_fen, "discounts": [], "payable_fen": amount_fen},
        "placed_at": now,
        "expires_at": now + PAY_WITHIN,
        "cancel_reason": "",
    }
    order = rows.adopt(session, Order, rows.add(session, Order, row), row)
    line = {
        "order_id": order.id,
        "position": 0,
        "kind": LineKind.amount,
        "name": NAME,
        "options": [],
        "quantity": 1,
        "unit_fen": amount_fen,
        "amount_fen": amount_fen,
        "payable_fen": amount_fen,
    }
    rows.add(session, OrderLine, line)
    placed = {"kind": HistoryKind.state, "before": "", "after": OrderState.placed}
    rows.add(session, OrderHistory, {"order_id": order.id, **placed, "actor": actor, "at": now})
    key = f"orders.expire:{order.id}"
    enqueue(session, "orders.expire", run_at=order.expires_at, key=key, order_id=order.id)
    return order, True
