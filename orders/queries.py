"""Reads of orders: the gates of members and staff, details, and the member's list by keyset."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import ColumnElement, Select, and_, case, or_, select
from sqlalchemy.orm import Session

from core import cursors
from merchants.models import Store, StoreTable
from orders.errors import OrderNotFound
from orders.models import (
    OWING,
    LineKind,
    Order,
    OrderDiscount,
    OrderHistory,
    OrderLine,
    OrderState,
    PaymentState,
)

MemberTab = Literal["", "unpaid", "active", "completed", "cancelled"]


@dataclass(frozen=True)
class Details:
    """An order and everything that belongs to it."""

    order: Order
    store: Store
    table: StoreTable | None
    lines: list[OrderLine]
    discounts: list[OrderDiscount]
    history: list[OrderHistory]


@dataclass(frozen=True)
class Listed:
    """A row of a list: the order, its store and its lines."""

    order: Order
    store: Store
    lines: list[OrderLine]


@dataclass(frozen=True)
class OrderPage:
    items: list[Listed]
    next: str | None


def get_order(session: Session, order_id: int) -> Order:
    order = session.get(Order, order_id, populate_existing=True)
    if order is None:
        raise OrderNotFound
    return order


def get_for_member(session: Session, member_id: int, no: str) -> Order:
    """The gate: somebody else's order is not found."""
    return _one(session, select(Order).where(Order.no == no, Order.member_id == member_id))


def get_for_staff(session: Session, merchant_id: int, store_ids: Collection[int], no: str) -> Order:
    """The gate: paid or once paid, and of one of the clerk's stores."""
    return _one(
        session,
        select(Order).where(
            Order.no == no,
            Order.merchant_id == merchant_id,
            Order.store_id.in_(store_ids),
            Order.paid_at.is_not(None),
        ),
    )


def get_waiting_for_staff(
    session: Session, merchant_id: int, store_ids: Collection[int], no: str
) -> Order:
    """The gate to an order of goods that is not paid yet, or is by now, or ended when some of it
    was."""
    mine = (Order.merchant_id == merchant_id, Order.store_id.in_(store_ids))
    shown = or_(Order.state != OrderState.cancelled, Order.paid_fen > 0)
    goods = (Order.kind == LineKind.goods, shown)
    return _one(session, select(Order).where(Order.no == no, *mine, *goods))


def get_with_money(
    session: Session, merchant_id: int, store_ids: Collection[int], no: str
) -> Order:
    """The gate to what may be given back: of an order that is paid, or in part."""
    mine = (Order.merchant_id == merchant_id, Order.store_id.in_(store_ids))
    return _one(session, select(Order).where(Order.no == no, *mine, Order.paid_fen > 0))


def list_owing(
    session: Session,
    store_ids: Collection[int],
    *,
    now: datetime,
    cursor: str = "",
    limit: int = 50,
) -> tuple[list[Order], str | None]:
    """Orders of goods that may still be paid, and the cursor of the next page: what somebody has
    put money down for before what nobody has, in both whose time is over first before the others.

    Of the stores' index these are the few that are placed and without a time of payment.
    """
    turn = case((Order.payment_state == PaymentState.part_paid, 0), else_=1)
    waiting = select(Order).where(
        Order.store_id.in_(store_ids),
        Order.state == OrderState.placed,
        Order.paid_at.is_(None),
        Order.payment_state.in_(OWING),
        Order.expires_at > now,
        Order.kind == LineKind.goods,
    )
    if cursor:
        waiting = waiting.where(_behind(cursor, turn))
    found = session.scalars(waiting.order_by(turn, Order.expires_at, Order.id).limit(limit + 1))
    orders = list(found)
    if len(orders) <= limit:
        return orders, None
    last = orders[limit - 1]
    began = 0 if last.payment_state is PaymentState.part_paid else 1
    return orders[:limit], cursors.encode([began, last.expires_at.isoformat(), last.id])


def _behind(cursor: str, turn: ColumnElement[int]) -> ColumnElement[bool]:
    position = cursors.decode(cursor, 3)
    began, last_id = cursors.number(position[0]), cursors.number(position[2])
    at = cursors.moment(position[1])
    later = or_(Order.expires_at > at, and_(Order.expires_at == at, Order.id > last_id))
    return or_(turn > began, and_(turn == began, later))


def details(session: Session, order: Order) -> Details:
    """The order with all that belongs to it, in a constant number of reads."""
    return Details(
        order=order,
        store=session.get_one(Store, order.store_id),
        table=session.get(StoreTable, order.table_id) if order.table_id else None,
        lines=_rows(session, OrderLine, order.id, OrderLine.position),
        discounts=_rows(session, OrderDiscount, order.id, OrderDiscount.position),
        history=_rows(session, OrderHistory, order.id, OrderHistory.id),
    )


def list_for_member(
    session: Session, member_id: int, *, tab: MemberTab = "", cursor: str = "", limit: int = 20
) -> OrderPage:
    """The member's orders, newest first."""
    statement = select(Order).where(Order.member_id == member_id, *_member_tab(tab))
    if cursor:
        statement = statement.where(Order.id < cursors.number(cursors.decode(cursor, 1)[0]))
    return _page(session, statement.order_by(Order.id.desc()), limit)


def _member_tab(tab: MemberTab) -> list[ColumnElement[bool]]:
    if tab == "unpaid":
        return [
            Order.state == OrderState.placed,
            Order.payment_state.in_(OWING),
        ]
    if tab == "active":
        finished = [OrderState.completed, OrderState.cancelled]
        return [Order.paid_at.is_not(None), Order.state.not_in(finished)]
    return [Order.state == OrderState(tab)] if tab else []


def _one(session: Session, statement: Select[Order]) -> Order:
    order = session.scalar(statement.execution_options(populate_existing=True))
    if order is None:
        raise OrderNotFound
    return order


def _page(session: Session, statement: Select[Order], limit: int) -> OrderPage:
    found = session.scalars(statement.limit(limit + 1)).all()
    shown = found[:limit]
    lines = _lines(session, [order.id for order in shown])
    ids = {order.store_id for order in shown}
    stores = {s.id: s for s in session.scalars(select(Store).where(Store.id.in_(ids)))}
    items = [Listed(order, stores[order.store_id], lines[order.id]) for order in shown]
    more = cursors.encode([shown[-1].id]) if len(found) > limit else None
    return OrderPage(items, more)


def _lines(session: Session, order_ids: Sequence[int]) -> dict[int, list[OrderLine]]:
    rows = session.scalars(
        select(OrderLine)
        .where(OrderLine.order_id.in_(order_ids))
        .order_by(OrderLine.order_id, OrderLine.position)
    )
    found: dict[int, list[OrderLine]] = defaultdict(list)
    for row in rows:
        found[row.order_id].append(row)
    return found


def _rows(session: Session, model: Any, order_id: int, key: Any) -> list[Any]:
    return list(session.scalars(select(model).where(model.order_id == order_id).order_by(key)))
