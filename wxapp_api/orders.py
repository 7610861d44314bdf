"""Orders of the member: place, show, list, cancel."""

from collections.abc import Callable

from flask import g, request
from sqlalchemy.orm import Session

import gateways
from core import limits
from core.clock import now as clock_now
from core.database import reading, transaction
from orders import queries, unpaid
from orders.cancelling import member_may_cancel
from orders.models import Order
from orders.placing import place
from orders.queries import Details
from payments import billing, remote, splitting
from payments.models import BillKind
from payments.queries import find_paid_by_others, list_bills, list_refunds, order_no_of
from wxapp_api.access import member
from wxapp_api.blueprints import MEMBER, make_blueprint
from wxapp_api.order_views import order_out, order_row
from wxapp_api.quotes import read_cart
from wxapp_api.schemas.common import Page, WriteHeader
from wxapp_api.schemas.orders import (
    CancelIn,
    OrderIn,
    OrderOut,
    OrderPath,
    OrderRow,
    OrdersQuery,
    SplitIn,
)

blueprint = make_blueprint("orders", "订单")


class OrdersOut(Page[OrderRow]):
    """A page of orders, newest first."""


@blueprint.post("/orders", responses={201: OrderOut}, security=MEMBER)
@member
def place_order(header: WriteHeader, body: OrderIn) -> tuple[OrderOut, int]:
    """Place an order; the same key and body again answer the same order.

    409 `too_many_unpaid`: somebody who holds three unpaid orders pays or cancels one first.
    422 `too_many_pieces`: over 200 in one order, or 99 of one SKU in it and what is unpaid.
    """
    limits.check(
        "orders", ip=request.remote_addr, member=g.member.id, merchant=g.member.merchant_id
    )
    now, cart = clock_now(), read_cart(body)
    with transaction() as session:
        unpaid.check(session, g.member, cart, key=header.idempotency_key)
        order, fresh = place(
            session,
            cart,
            g.member,
            key=header.idempotency_key,
            expected_payable_fen=body.expected_payable_fen,
            note=body.note,
            now=now,
        )
        bill = billing.open_bill(session, order) if fresh else None
    with reading() as session:
        found = queries.details(session, order)
        return (order_out(found, [(bill, None)]) if bill else _out(session, found)), 201


@blueprint.get("/orders", responses={200: OrdersOut}, security=MEMBER)
@member
def list_orders(query: OrdersQuery) -> OrdersOut:
    """The member's orders, newest first."""
    with reading() as session:
        page = queries.list_for_member(
            session, g.member.id, tab=query.state, cursor=query.cursor, limit=query.limit
        )
    return OrdersOut(items=[order_row(found) for found in page.items], next=page.next)


@blueprint.get("/orders/<no>", responses={200: OrderOut}, security=MEMBER)
@member
def show_order(path: OrderPath) -> OrderOut:
    """One order with its lines, discounts, history and refunds: by its number, or by that of a
    payment of it, which is all that a message of WeChat's knows."""
    if path.no[0].isdigit():
        return show(path.no)
    with reading() as session:
        no = order_no_of(session, path.no)
    return show(no)


@blueprint.post("/orders/<no>/cancel", responses={200: OrderOut}, security=MEMBER)
@member
def cancel_order(path: OrderPath, body: CancelIn) -> OrderOut:
    """Cancel before the store accepts; what was paid is refunded. Again: the same answer."""
    with reading() as session:
        order = queries.get_for_member(session, g.member.id, path.no)
    remote.cancel_order(
        gateways.cashier(),
        order.id,
        actor=f"member:{g.member.id}",
        reason=body.reason or "顾客取消",
        now=clock_now(),
        allowed=member_may_cancel,
    )
    return show(path.no)


@blueprint.post("/orders/<no>/split", responses={200: OrderOut}, security=MEMBER)
@member
def split_order(path: OrderPath, body: SplitIn) -> OrderOut:
    """An unpaid order is paid in equal shares, by whoever has the link. Again: the same answer."""

    def change(session: Session, order: Order) -> None:
        splitting.split_equally(session, order, body.shares, now=clock_now())

    return _rearranged(path.no, change)


@blueprint.post("/orders/<no>/unsplit", responses={200: OrderOut}, security=MEMBER)
@member
def unsplit_order(path: OrderPath) -> OrderOut:
    """One pays it all again; only while nobody has paid a share."""

    def change(session: Session, order: Order) -> None:
        splitting.rejoin(session, order, now=clock_now())

    return _rearranged(path.no, change)


def _rearranged(no: str, change: Callable[[Session, Order], None]) -> OrderOut:
    limits.check(
        "payments", ip=request.remote_addr, member=g.member.id, merchant=g.member.merchant_id
    )
    with reading() as session:
        order = queries.get_for_member(session, g.member.id, no)
    remote.rearrange(gateways.cashier(), order.id, change, now=clock_now())
    return show(no)


def show(no: str) -> OrderOut:
    with reading() as session:
        order = queries.get_for_member(session, g.member.id, no)
        found = queries.details(session, order)
        return _out(session, found)


def _out(session: Session, found: Details) -> OrderOut:
    order_id = found.order.id
    bills = list_bills(session, order_id)
    shared = any(bill.kind is BillKind.share for bill, _ in bills)
    token = splitting.find_token(session, order_id) if shared else None
    refunds = list_refunds(session, order_id)
    return order_out(found, bills, refunds, token, find_paid_by_others(session, refunds))
