"""The order of the locks on a real server: stock is the last, whoever gives the money back."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, text, update
from sqlalchemy.exc import OperationalError

from catalogue import stock
from catalogue.models import StoreSku
from core import database
from crm.models import Member
from orders.models import Order
from payments import cancelling, refunding
from payments.refunding import Wanted
from tests import racing
from tests.conftest import NOW
from tests.payments.test_refund_lines import another_order, open_shop

pytestmark = pytest.mark.mariadb

shared = racing.shared
_WAITING = text(
    "SELECT COUNT(*) FROM information_schema.innodb_trx t"
    " JOIN information_schema.processlist p ON p.id = t.trx_mysql_thread_id"
    " WHERE t.trx_state = 'LOCK WAIT' AND p.db = DATABASE()"
)


@pytest.fixture
def arena(shared: Flask) -> Iterator[Flask]:
    yield shared
    racing.sweep()


def both(arena: Flask, *acts: Callable[[], Any]) -> list[BaseException | None]:
    """How each ended; a deadlock's victim is not run again here."""

    def run(act: Callable[[], Any]) -> None:
        with arena.app_context():
            act()

    with ThreadPoolExecutor(len(acts)) as pool:
        ends: list[Future[None]] = [pool.submit(run, act) for act in acts]
        return [end.exception() for end in ends]


def wait_until_somebody_waits() -> None:
    """For a lock that this transaction holds.

    The server shows the same picture of its transactions again to whoever looks within a tenth of
    a second of the last look: who looks more often than that never sees anybody come.
    """
    for _ in range(60):
        with database.reading() as session:
            if session.scalar(_WAITING):
                return
        time.sleep(0.25)
    raise AssertionError("nobody waits")


def test_a_cancellation_and_a_refund_of_the_same_members_other_order(
    arena: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    with database.transaction() as session:
        shop = open_shop(session, balance_fen=1_000)
        one, other, sku = shop.order.id, another_order(shop, balance_fen=500).id, shop.skus[0]
    give_back, holds_stock = stock.give_back, threading.Event()

    def slowly(*args: Any) -> int:
        returned = give_back(*args)
        holds_stock.set()
        wait_until_somebody_waits()
        return returned

    monkeypatch.setattr(stock, "give_back", slowly)

    def cancel() -> None:
        with database.transaction() as session:
            order = session.get_one(Order, one)
            cancelling.cancel(session, order, actor="staff:7", reason="缺货", now=NOW)

    def refund() -> None:
        assert holds_stock.wait(10)
        with database.transaction() as session:
            tea = Wanted({0: 1}, restock=frozenset({0}))
            order = session.get_one(Order, other)
            refunding.request(session, order, tea, "洒了", "staff:7", NOW)

    assert both(arena, cancel, refund) == [None, None]
    with database.reading() as session:
        member = session.get_one(Member, shop.member.id)
        mine = select(StoreSku.available).where(StoreSku.sku_id == sku)
        left = session.scalars(mine).one()
        # All of the first order is back; of the other one of three, a quarter of it stored value.
        assert (member.balance_fen, left) == (1_000 + 167, 9 - 2)


def test_control_who_takes_stock_before_the_member_meets_who_does_not(arena: Flask) -> None:
    with database.transaction() as session:
        shop = open_shop(session)
        member_id, store_id = shop.member.id, shop.store.id
    together = threading.Barrier(2)
    member = update(Member).where(Member.id == member_id).values(name="乔安")
    sold = update(StoreSku).where(StoreSku.store_id == store_id).values(available=1)

    def naive(*statements: Any) -> None:
        with database.transaction() as session:
            session.execute(statements[0])
            together.wait()
            session.execute(statements[1])

    ends = both(arena, lambda: naive(sold, member), lambda: naive(member, sold))

    assert [type(end) for end in ends if end is not None] == [OperationalError]
