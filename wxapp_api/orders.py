"""Orders of the member: place, show, list, cancel."""

from flask import g, request
from sqlalchemy.orm import Session

import gateways
from core import limits
from core.clock import now as clock_now
from core.database import reading, transaction
from orders import queries, unpaid
from orders.cancelling import member_may_cancel
from orders.placing import place
from orders.queries import Details
from payments import billing, remote
from payments.queries import list_live_attempts, list_refunds, order_no_of
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
        if fresh:
            billing.open_bill(session, order)
    with reading() as session:
        found = queries.details(session, order)
        return (order_out(found, [], []) if fresh else _out(session, found)), 201


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


def show(no: str) -> OrderOut:
    with reading() as session:
        order = queries.get_for_member(session, g.member.id, no)
        found = queries.details(session, order)
        return _out(session, found)


def _out(session: Session, found: Details) -> OrderOut:
    order_id = found.order.id
    return order_out(found, list_refunds(session, order_id), list_live_attempts(session, order_id))
