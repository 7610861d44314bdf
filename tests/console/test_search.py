"""Finding one order among many, on the database that a shop runs on."""

from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import event, insert, text

from core import database
from core.clock import business_day
from core.database import transaction
from merchants.models import Merchant, Store
from orders.models import Order
from tests.console.conftest import Browser, Chain
from tests.factories.crm import make_member

OTHERS = 4_000


@pytest.fixture
def app(mariadb_app: Flask) -> Flask:
    return mariadb_app


def fill(chain: Chain) -> None:
    """A year of other orders, a few a day in each store."""
    today = business_day(chain.now)
    with transaction() as session:
        merchant = session.get_one(Merchant, chain.merchant_id)
        member = make_member(session, merchant=merchant)
        stores = [session.get_one(Store, store.id).id for store in (chain.here, chain.there)]
        session.execute(
            insert(Order),
            [
                {
                    "no": f"20250101{number:010}",
                    "merchant_id": merchant.id,
                    "store_id": stores[number % 2],
                    "member_id": member.id,
                    "business_day": today - timedelta(days=number // 2 % 365),
                    "pickup_number": f"A{number // 730:03}",
                    "pickup_code": "000000",
                    "state": "completed",
                    "payment_state": "paid",
                    "goods_fen": 2_000,
                    "payable_fen": 2_000,
                    "paid_fen": 2_000,
                    "placed_at": chain.now - timedelta(days=number // 2 % 365),
                    "paid_at": chain.now - timedelta(days=number // 2 % 365),
                    "expires_at": chain.now,
                }
                for number in range(OTHERS)
            ],
        )
    with database.db.engine.begin() as connection:
        connection.execute(text("ANALYZE TABLE orders")).all()


def plan_of(browser: Browser, q: str) -> tuple[str, dict[str, Any]]:
    """The page that a search shows, and how the database finds it."""
    asked: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, given: Any, *_rest: Any) -> None:
        if "FROM orders" in statement and "LIMIT" in statement:
            asked.append((statement, given))

    event.listen(database.db.engine, "before_cursor_execute", note)
    try:
        page = browser.get(f"/orders/?q={q}").text
    finally:
        event.remove(database.db.engine, "before_cursor_execute", note)
    ((statement, given),) = asked
    with database.db.engine.connect() as connection:
        (row,) = connection.exec_driver_sql(f"EXPLAIN {statement}", given).mappings().all()
    return page, dict(row)


def test_a_search_reads_a_key_and_not_the_table(chain: Chain) -> None:
    fill(chain)
    order = chain.order(pickup_number="T217", business_day=business_day(chain.now))
    clerk = chain.browser("manager")

    page, by_number = plan_of(clerk, order.no.lower())
    called, by_pickup = plan_of(clerk, "t217")

    assert ">T217</a>" in page
    assert by_number["key"] == "uq_orders_no"
    assert int(by_number["rows"]) == 1
    assert ">T217</a>" in called
    assert by_pickup["key"] == "uq_orders_store_id_business_day_pickup_number"
    assert int(by_pickup["rows"]) <= 2 * 7


def test_a_pickup_number_is_of_the_last_seven_days_and_an_order_number_of_any(
    chain: Chain,
) -> None:
    today = business_day(chain.now)
    recent = chain.order(pickup_number="T300", business_day=today - timedelta(days=6))
    older = chain.order(pickup_number="T300", business_day=today - timedelta(days=7))
    theirs = chain.order(chain.rival_store, pickup_number="T300", business_day=today)
    clerk = chain.browser("clerk")

    called = clerk.get("/orders/?q=T300").text

    assert recent.no in called
    assert older.no not in called
    assert older.no in clerk.get(f"/orders/?q={older.no}").text
    assert theirs.no not in called
    assert "没有找到" in clerk.get(f"/orders/?q={theirs.no}").text
    assert "最近 7 天" in clerk.get("/orders/?q=T999").text
