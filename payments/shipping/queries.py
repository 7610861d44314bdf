"""What pages ask about shipping information."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.orm import Session

from core import cursors
from orders.models import Order
from payments.shipping.models import UNTOLD, PaymentShipping, ShippingControl, ShippingState

PAGE = 50


@dataclass(frozen=True)
class Row:
    """One payment, with the order that it paid."""

    shipping: PaymentShipping
    order_no: str
    number: str


@dataclass(frozen=True)
class Page:
    rows: Sequence[Row]
    next: str | None


def page(
    session: Session,
    merchant_id: int,
    store_ids: Collection[int],
    states: Collection[ShippingState],
    *,
    oldest_first: bool,
    cursor: str = "",
) -> Page:
    """What is due first, or what was last. Raises Malformed for a cursor that is none."""
    wanted = [*_mine(merchant_id, store_ids), PaymentShipping.state.in_(states)]
    if (at := cursors.place(cursor)) is not None:
        wanted.append(_beyond(*at, oldest_first))
    order = (
        (PaymentShipping.paid_at, PaymentShipping.id)
        if oldest_first
        else (PaymentShipping.paid_at.desc(), PaymentShipping.id.desc())
    )
    found = session.execute(
        select(PaymentShipping, Order.no, Order.pickup_number)
        .join(Order, Order.id == PaymentShipping.order_id)
        .where(*wanted)
        .order_by(*order)
        .limit(PAGE + 1)
    ).all()
    rows = [Row(shipping, no, number or no[-6:]) for shipping, no, number in found[:PAGE]]
    last = rows[-1].shipping if len(found) > PAGE else None
    return Page(rows, cursors.after(last.paid_at, last.id) if last else None)


def counts(
    session: Session,
    merchant_id: int,
    store_ids: Collection[int],
    states: Collection[ShippingState],
) -> dict[ShippingState, int]:
    """How many stand in each of these states."""
    found = session.execute(
        select(PaymentShipping.state, func.count())
        .where(*_mine(merchant_id, store_ids), PaymentShipping.state.in_(states))
        .group_by(PaymentShipping.state)
    )
    return {state: int(number) for state, number in found}


def overdue(
    session: Session, merchant_id: int, store_ids: Collection[int], *, before: datetime
) -> tuple[int, datetime | None]:
    """How many payments of before then the platform was not told of, and the oldest of them."""
    number, oldest = session.execute(
        select(func.count(), func.min(PaymentShipping.paid_at)).where(
            *_mine(merchant_id, store_ids),
            PaymentShipping.state.in_(UNTOLD),
            PaymentShipping.paid_at < before,
        )
    ).one()
    return int(number), oldest


def controls(session: Session, appids: Collection[str]) -> list[ShippingControl]:
    return list(
        session.scalars(
            select(ShippingControl)
            .where(ShippingControl.appid.in_(appids))
            .order_by(ShippingControl.id)
        )
    )


def _mine(merchant_id: int, store_ids: Collection[int]) -> list[ColumnElement[bool]]:
    return [
        PaymentShipping.merchant_id == merchant_id,
        PaymentShipping.store_id.in_(store_ids),
    ]


def _beyond(at: object, id_: int, oldest_first: bool) -> ColumnElement[bool]:
    paid_at, own_id = PaymentShipping.paid_at, PaymentShipping.id
    if oldest_first:
        return or_(paid_at > at, and_(paid_at == at, own_id > id_))
    return or_(paid_at < at, and_(paid_at == at, own_id < id_))
