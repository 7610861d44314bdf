"""Reads of orders: the gates of members and staff, details, and lists by keyset."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

from sqlalchemy import ColumnElement, Select, func, or_, select
from sqlalchemy.orm import Session

from core import cursors
from core.errors import Malformed
from merchants.models import Store, StoreTable
from orders.errors import OrderNotFound
from orders.models import (
    Order,
    OrderDiscount,
    OrderHistory,
    OrderLine,
    OrderState,
    PaymentState,
)

MemberTab = Literal["", "unpaid", "active", "completed", "cancelled"]
StaffTab = Literal["", "new", "making", "ready", "done", "cancelled"]

MAKING = (OrderState.accepted, OrderState.preparing)
STAFF_STATES: dict[str, tuple[OrderState, ...]] = {
    "new": (OrderState.placed,),
    "making": MAKING,
    "ready": (OrderState.ready,),
    "done": (OrderState.completed,),
    "cancelled": (OrderState.cancelled,),
}


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
        statement = statement.where(Order.id < _last_id(cursor))
    return _page(session, statement.order_by(Order.id.desc()), limit)


def list_for_staff(
    session: Session,
    merchant_id: int,
    store_ids: Collection[int],
    *,
    tab: StaffTab = "",
    day: date | None = None,
    cursor: str = "",
    limit: int = 20,
) -> OrderPage:
    """Paid orders of the clerk's stores: those to do oldest first, all others newest first."""
    statement = select(Order).where(
        Order.merchant_id == merchant_id,
        Order.store_id.in_(store_ids),
        Order.paid_at.is_not(None),
    )
    if tab:
        statement = statement.where(Order.state.in_(STAFF_STATES[tab]))
    if day is not None:
        statement = statement.where(Order.business_day == day)
    oldest_first = tab in ("new", "making", "ready")
    if cursor:
        last = _last_id(cursor)
        statement = statement.where(Order.id > last if oldest_first else Order.id < last)
    order = Order.id.asc() if oldest_first else Order.id.desc()
    return _page(session, statement.order_by(order), limit)


def count_for_staff(
    session: Session, merchant_id: int, store_ids: Collection[int], day: date
) -> dict[str, int]:
    """How many orders each tab holds: those to do whenever they were placed, the rest of `day`."""
    open_states = [*STAFF_STATES["new"], *MAKING, *STAFF_STATES["ready"]]
    rows = session.execute(
        select(Order.state, func.count())
        .where(
            Order.merchant_id == merchant_id,
            Order.store_id.in_(store_ids),
            Order.paid_at.is_not(None),
            or_(Order.state.in_(open_states), Order.business_day == day),
        )
        .group_by(Order.state)
    )
    counts = {row[0]: row[1] for row in rows}
    return {tab: sum(counts.get(s, 0) for s in states) for tab, states in STAFF_STATES.items()}


def find_by_pickup(
    session: Session, merchant_id: int, store_ids: Collection[int], text: str, day: date
) -> Order | None:
    """The day's order that a pickup number (A217) or pickup code names; ready ones first."""
    wanted = "".join(text.split()).upper()
    found = session.scalars(
        select(Order)
        .where(
            Order.merchant_id == merchant_id,
            Order.store_id.in_(store_ids),
            Order.business_day == day,
            Order.paid_at.is_not(None),
            or_(Order.pickup_number == wanted, Order.pickup_code == wanted),
        )
        .order_by(Order.id.desc())
    ).all()
    ready = [order for order in found if order.state is OrderState.ready]
    return next(iter(ready or found), None)


def count_ahead(session: Session, order: Order) -> int:
    """Paid orders of the store that wait before this one."""
    return (
        session.scalar(
            select(func.count()).where(
                Order.store_id == order.store_id,
                Order.state.in_([OrderState.placed, *MAKING]),
                Order.paid_at < order.paid_at,
            )
        )
        or 0
    )


def _member_tab(tab: MemberTab) -> list[ColumnElement[bool]]:
    if tab == "unpaid":
        return [
            Order.state == OrderState.placed,
            Order.payment_state.in_([PaymentState.unpaid, PaymentState.part_paid]),
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


def _last_id(cursor: str) -> int:
    (last,) = cursors.decode(cursor, 1)
    if not isinstance(last, int) or abs(last) >= 2**63:
        raise Malformed("分页参数不对")
    return last
