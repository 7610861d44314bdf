"""Stock is taken, sold and given back, each exactly once, and the ledger adds up."""

from datetime import datetime

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from catalogue import shelf, stock
from catalogue.errors import OutOfStock
from catalogue.models import HoldState, ShelfState, StockEntry, StockHold
from tests.factories.catalogue import available, make_sku
from tests.factories.crm import make_member
from tests.factories.merchants import make_store
from tests.factories.orders import make_order


def states(session: Session) -> list[HoldState]:
    return list(session.scalars(select(StockHold.state).order_by(StockHold.sku_id)))


def test_a_hold_takes_counted_stock_and_leaves_uncounted_alone(
    session: Session, now: datetime
) -> None:
    store = make_store(session)
    order = make_order(session, make_member(session), store)
    counted = make_sku(session, store, available=5)
    endless = make_sku(session, store)

    stock.hold(session, order.id, store.id, {endless.id: 9, counted.id: 2}, now)

    assert available(session, store, counted) == 3
    assert available(session, store, endless) is None
    assert states(session) == [HoldState.held, HoldState.held]
    assert session.scalars(select(StockEntry.change)).all() == [-2]


def test_more_than_there_is_is_refused_with_what_is_left(session: Session, now: datetime) -> None:
    store = make_store(session)
    order = make_order(session, make_member(session), store)
    sku = make_sku(session, store, available=1)

    with pytest.raises(OutOfStock) as refused:
        stock.hold(session, order.id, store.id, {sku.id: 2}, now)

    assert refused.value.extra["left"] == 1
    assert available(session, store, sku) == 1


def test_a_sku_that_staff_marked_sold_out_is_not_held(session: Session, now: datetime) -> None:
    store = make_store(session)
    order = make_order(session, make_member(session), store)
    sku = make_sku(session, store, available=5)
    shelf.set_state(session, store.id, sku.id, ShelfState.sold_out, actor="staff:1", now=now)
    session.flush()

    with pytest.raises(OutOfStock):
        stock.hold(session, order.id, store.id, {sku.id: 1}, now)


def test_giving_back_twice_returns_once(session: Session, now: datetime) -> None:
    store = make_store(session)
    order = make_order(session, make_member(session), store)
    sku = make_sku(session, store, available=5)
    stock.hold(session, order.id, store.id, {sku.id: 2}, now)

    assert stock.give_back(session, order.id, now) == 1
    assert stock.give_back(session, order.id, now) == 0

    assert available(session, store, sku) == 5
    assert states(session) == [HoldState.returned]


def test_sold_stock_can_go_back_and_returned_stock_cannot_be_sold(
    session: Session, now: datetime
) -> None:
    store = make_store(session)
    order = make_order(session, make_member(session), store)
    sku = make_sku(session, store, available=5)
    stock.hold(session, order.id, store.id, {sku.id: 2}, now)

    for _ in range(2):
        stock.sell_held(session, order.id)
        assert states(session) == [HoldState.sold]
    assert stock.give_back(session, order.id, now) == 1
    stock.sell_held(session, order.id)

    assert states(session) == [HoldState.returned]
    assert available(session, store, sku) == 5


def test_what_is_available_is_the_sum_of_the_ledger(session: Session, now: datetime) -> None:
    store = make_store(session)
    member = make_member(session)
    sku = make_sku(session, store)
    shelf.set_available(session, store.id, sku.id, 10, actor="staff:1", now=now)
    for quantity in (3, 4):
        order = make_order(session, member, store)
        stock.hold(session, order.id, store.id, {sku.id: quantity}, now)
    stock.give_back(session, order.id, now)
    shelf.set_available(session, store.id, sku.id, 20, actor="staff:1", reason="补货", now=now)

    assert available(session, store, sku) == 20
    assert session.scalar(select(func.sum(StockEntry.change))) == 20


def test_pieces_go_back_one_by_one_and_the_rest_with_the_order(
    session: Session, now: datetime
) -> None:
    store = make_store(session)
    order = make_order(session, make_member(session), store)
    sku, other = make_sku(session, store, available=5), make_sku(session, store, available=5)
    stock.hold(session, order.id, store.id, {sku.id: 3, other.id: 1}, now)
    stock.sell_held(session, order.id)

    assert stock.put_back(session, order.id, {sku.id: 1}, now) == 1
    assert (available(session, store, sku), available(session, store, other)) == (3, 4)
    assert states(session) == [HoldState.sold, HoldState.sold]
    assert stock.put_back(session, order.id, {sku.id: 9}, now) == 2
    assert stock.put_back(session, order.id, {sku.id: 1}, now) == 0
    assert states(session) == [HoldState.returned, HoldState.sold]
    assert stock.give_back(session, order.id, now) == 1

    assert (available(session, store, sku), available(session, store, other)) == (5, 5)
    assert session.scalars(
        select(StockEntry.change).where(StockEntry.sku_id == sku.id).order_by(StockEntry.id)
    ).all() == [-3, 1, 2]
