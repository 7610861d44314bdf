"""From cart to order, in the caller's one transaction."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from catalogue import stock
from catalogue.pricing import PricedItem
from core import idempotency, rows
from core.clock import business_day
from core.numbers import DIGITS, order_no, random_code
from core.outbox import enqueue
from coupons import locking, rationing
from crm import points
from crm.models import Member
from orders.errors import CouponNotApplicable, PriceChanged, StoreClosed, TableNeeded
from orders.models import (
    Fulfilment,
    HistoryKind,
    LineKind,
    Order,
    OrderDiscount,
    OrderHistory,
    OrderLine,
    OrderState,
    PaymentState,
)
from orders.numbering import next_number
from orders.quoting import BEST, Cart, Quote, quote
from orders.rules import Price

PAY_WITHIN = timedelta(minutes=15)


def place(
    session: Session,
    cart: Cart,
    member: Member,
    *,
    key: str,
    expected_payable_fen: int | None = None,
    note: str = "",
    now: datetime,
) -> tuple[Order, bool]:
    """Place the order: stock held, coupon locked, expiry queued. Answers (order, newly placed).

    The same `key` with the same cart answers the first order; with another cart it raises
    IdempotencyConflict. Raises PriceChanged when the member saw another amount, StoreClosed,
    TableNeeded, CouponNotApplicable, RationGone, OutOfStock and what a quote raises; then nothing
    is kept.
    An order of 0 fen is placed like any other: the door settles it in the same transaction.
    """
    scope = scope_of(member)
    body = {"cart": _plain(cart), "expected_payable_fen": expected_payable_fen, "note": note}
    no = order_no(now)
    replay = idempotency.begin(session, scope=scope, key=key, body=body, now=now, result={"no": no})
    if replay is not None:
        return session.scalars(select(Order).where(Order.no == replay.result["no"])).one(), False
    quoted = quote(session, cart, member, now)
    _check(cart, quoted, expected_payable_fen)
    order = _write(session, no, quoted, member, note, now)
    off = {each.id: each.amount_fen for each in quoted.price.coupons}
    for coupon in sorted(quoted.coupons, key=lambda each: each.id):
        locking.lock(session, coupon, order.id, now, discount_fen=off[coupon.id])
    _take_rations(session, quoted, order)
    if quoted.points.used:
        points.hold_for(session, member.id, order.id, quoted.points.used, now=now)
    enqueue(
        session,
        "orders.expire",
        run_at=order.expires_at,
        key=f"orders.expire:{order.id}",
        order_id=order.id,
    )
    _take(session, quoted, order, now)
    return order, True


def scope_of(member: Member) -> str:
    """Whose idempotency keys these are."""
    return f"orders.place:{member.id}"


def _check(cart: Cart, quoted: Quote, expected_payable_fen: int | None) -> None:
    if not quoted.store_open:
        raise StoreClosed
    if cart.fulfilment is Fulfilment.dine_in and quoted.table is None:
        raise TableNeeded(errors={"table_code": "堂食要先扫桌码"})
    used = {coupon.id for coupon in quoted.coupons}
    if cart.coupon_id != BEST and (unused := [id_ for id_ in cart.named if id_ not in used]):
        told = {each.id: each.reason for each in quoted.price.rejected if each.kind == "coupon"}
        raise CouponNotApplicable(told.get(unused[0], ""))
    payable = quoted.price.payable_fen
    if expected_payable_fen is not None and expected_payable_fen != payable:
        raise PriceChanged(payable)


def _write(
    session: Session, no: str, quoted: Quote, member: Member, note: str, now: datetime
) -> Order:
    price = quoted.price
    row = {
        "no": no,
        "merchant_id": quoted.store.merchant_id,
        "store_id": quoted.store.id,
        "member_id": member.id,
        "fulfilment": quoted.fulfilment,
        "kind": LineKind.goods,
        "table_id": quoted.table.id if quoted.table else None,
        "state": OrderState.placed,
        "payment_state": PaymentState.unpaid,
        "in_shares": False,
        "business_day": business_day(now),
        "pickup_code": random_code(6, DIGITS),
        "goods_fen": price.goods_fen,
        "discount_fen": price.discount_fen,
        "payable_fen": price.payable_fen,
        "paid_fen": 0,
        "refunded_fen": 0,
        "coupon_id": quoted.coupon_id,
        "points_used": quoted.points.used,
        "note": note,
        "quote": quoted.snapshot(),
        "placed_at": now,
        "expires_at": now + PAY_WITHIN,
        "cancel_reason": "",
    }
    order = rows.adopt(session, Order, rows.add(session, Order, row), row)
    rows.add_all(session, OrderLine, _lines(order.id, quoted.items, price))
    rows.add_all(session, OrderDiscount, _discounts(order.id, price))
    placed = {"kind": HistoryKind.state, "before": "", "after": OrderState.placed}
    by = {"actor": f"member:{member.id}", "reason": "", "at": now}
    rows.add(session, OrderHistory, {"order_id": order.id, **placed, **by})
    return order


def _lines(order_id: int, items: Sequence[PricedItem], price: Price) -> list[dict[str, Any]]:
    return [
        {
            "order_id": order_id,
            "position": position,
            "sku_id": item.sku_id,
            "product_id": item.product_id,
            "name": item.name,
            "sku_name": item.sku_name,
            "image": item.image,
            "options": [asdict(option) for option in item.options],
            "options_text": item.options_text,
            "quantity": item.quantity,
            "unit_fen": item.unit_fen,
            "amount_fen": item.amount_fen,
            "discount_fen": off,
            "payable_fen": item.amount_fen - off,
        }
        for position, (item, off) in enumerate(zip(items, price.line_discounts, strict=True))
    ]


def _discounts(order_id: int, price: Price) -> list[dict[str, Any]]:
    return [
        {
            "order_id": order_id,
            "position": position,
            "kind": found.kind,
            "ref_id": found.id,
            "name": found.name,
            "reason": found.reason,
            "amount_fen": found.amount_fen,
            "per_line": list(found.per_line),
        }
        for position, found in enumerate(price.discounts)
    ]


def _take(session: Session, quoted: Quote, order: Order, now: datetime) -> None:
    """The rows that everybody queues for come last: stock, then the store's pickup counter.

    Who finds the stock gone never touches the counter.
    """
    wanted: Counter[int] = Counter()
    for item in quoted.items:
        wanted[item.sku_id] += item.quantity
    stock.hold(session, order.id, order.store_id, wanted, now)
    number = {"pickup_number": next_number(session, quoted.store, order.business_day)}
    rows.compare_and_set(session, Order, {"id": order.id}, number)
    rows.note(order, number)


def _take_rations(session: Session, quoted: Quote, order: Order) -> None:
    """Pieces of timed prices that are sold for so many only. Raises RationGone."""
    rationed = [found for found in quoted.price.discounts if found.pieces]
    if not rationed:
        return
    wanted = {found.id: dict(found.pieces) for found in rationed}
    limits = {found.id: found.limits for found in rationed if found.limits is not None}
    rationing.take(session, order.id, order.buyer_id, wanted, limits)


def _plain(cart: Cart) -> dict[str, Any]:
    return asdict(cart)
