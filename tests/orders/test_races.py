"""Races for the last item, on MariaDB. Each has a control that shows the race is real."""

import threading
from datetime import datetime

import pytest
from flask import Flask
from sqlalchemy import func, select, update

from catalogue.models import StockEntry, StockHold, StoreSku
from core import idempotency
from core.database import reading, transaction
from coupons.models import Coupon
from coupons.rationing import PromotionTake, PromotionUnits
from crm import plans
from crm.models import PaidTerm, PlanKind, TermState
from crm.plans import fulfilling, giving_up
from orders import cancelling, paying, selling, unpaid
from orders.models import Order, OrderState, PaymentState
from orders.placing import place, scope_of
from tests import racing
from tests.factories.coupons import make_template
from tests.factories.crm import make_member
from tests.orders.shop import Shop, open_shop
from tests.orders.test_rations import half_price, pieces_taken
from tests.orders.test_selling import buy as buy_plan
from tests.orders.test_selling import make_plan
from tests.racing import race, refusals

pytestmark = pytest.mark.mariadb
BUYERS = 64


shared, app = racing.shared, racing.app


def open_with(available: int) -> Shop:
    with transaction() as session:
        return open_shop(session, available=available)


def left() -> int | None:
    with reading() as session:
        return session.scalars(select(StoreSku.available)).one()


def test_control_reading_before_writing_oversells(app: Flask) -> None:
    open_with(1)
    together = threading.Barrier(16)

    def buy(_: int) -> bool:
        with transaction() as session:
            available = session.scalars(select(StoreSku.available)).one() or 0
            together.wait()
            if available < 1:
                return False
            session.execute(update(StoreSku).values(available=available - 1))
            return True

    assert sum(result is True for result in race(app, 16, buy)) == 16
    assert left() == 0


def test_one_member_at_sixteen_tills_holds_three_orders(app: Flask, now: datetime) -> None:
    shop = open_with(100)

    def buy(i: int) -> str:
        with transaction() as session:
            unpaid.check(session, shop.member, shop.cart(), key=f"key-{i}")
            return place(session, shop.cart(), shop.member, key=f"key-{i}", now=now)[0].no

    results = race(app, 16, buy)

    assert refusals(results) == ["too_many_unpaid"] * 13
    assert left() == 97
    with reading() as session:
        assert session.scalar(select(func.count()).select_from(Order)) == 3


def test_control_counting_before_writing_holds_sixteen(app: Flask, now: datetime) -> None:
    shop = open_with(100)
    together = threading.Barrier(16)

    def buy(i: int) -> bool:
        with transaction() as session:
            of_member = Order.member_id == shop.member.id
            held = session.scalar(select(func.count()).select_from(Order).where(of_member)) or 0
            together.wait()
            if held >= unpaid.MOST:
                return False
            return place(session, shop.cart(), shop.member, key=f"key-{i}", now=now)[1]

    assert race(app, 16, buy) == [True] * 16
    assert left() == 84


def test_64_buyers_of_the_last_item_make_one_order(app: Flask, now: datetime) -> None:
    shop = open_with(1)
    with transaction() as session:
        members = [make_member(session, merchant=shop.merchant) for _ in range(BUYERS)]

    def buy(i: int) -> str:
        with transaction() as session:
            return place(session, shop.cart(), members[i], key="key-1", now=now)[0].no

    results = race(app, BUYERS, buy)

    assert refusals(results) == ["out_of_stock"] * (BUYERS - 1)
    assert left() == 0
    with reading() as session:
        assert session.scalar(select(func.count()).select_from(Order)) == 1
        assert session.scalars(select(StockHold.quantity)).all() == [1]
        assert session.scalars(select(StockEntry.change)).all() == [-1]
        assert session.scalars(select(Order.pickup_number)).all() == ["A001"]


def test_20_buyers_of_5_items_sell_5_with_numbers_1_to_5(app: Flask, now: datetime) -> None:
    shop = open_with(5)
    with transaction() as session:
        members = [make_member(session, merchant=shop.merchant) for _ in range(20)]

    def buy(i: int) -> str:
        with transaction() as session:
            return place(session, shop.cart(), members[i], key="key-1", now=now)[0].no

    results = race(app, 20, buy)

    assert len(refusals(results)) == 15
    with reading() as session:
        numbers = session.scalars(select(Order.pickup_number).order_by(Order.pickup_number))
        assert numbers.all() == [f"A00{i}" for i in range(1, 6)]


def test_one_key_pressed_16_times_is_one_order(app: Flask, now: datetime) -> None:
    shop = open_with(100)

    def press(_: int) -> str:
        with transaction() as session:
            return place(session, shop.cart(), shop.member, key="key-1", now=now)[0].no

    results = race(app, 16, press)

    assert refusals(results) == []
    assert len(set(results)) == 1
    assert left() == 99


def test_control_a_key_that_is_looked_up_first_is_sixteen_orders(app: Flask, now: datetime) -> None:
    """The unique key is what tells them apart; here each has one of its own."""
    shop = open_with(100)
    together = threading.Barrier(16)

    def press(i: int) -> bool:
        with transaction() as session:
            known = idempotency.is_known(session, scope=scope_of(shop.member), key="key-1")
            together.wait()
            if known:
                return False
            return place(session, shop.cart(), shop.member, key=f"key-1-{i}", now=now)[1]

    assert race(app, 16, press) == [True] * 16
    assert left() == 84


def test_paying_and_expiring_at_once_have_one_winner(app: Flask, now: datetime) -> None:
    shop = open_with(50)
    with transaction() as session:
        ids = [
            place(session, shop.cart(), shop.member, key=f"key-{i:03}", now=now)[0].id
            for i in range(10)
        ]

    def act(i: int) -> bool:
        with transaction() as session:
            order = session.get_one(Order, ids[i // 2])
            if i % 2:  # expiry leaves alone what it reads as paid
                unpaid = order.payment_state is PaymentState.unpaid
                return unpaid and cancelling.cancel(
                    session, order, actor="system", reason="超时", now=now
                )
            return paying.mark_paid(session, order, amount_fen=2200, now=now)

    results = race(app, 20, act)

    assert [results[i] is not results[i + 1] for i in range(0, 20, 2)] == [True] * 10
    with reading() as session:
        orders = session.scalars(select(Order)).all()
    paid = [order for order in orders if order.payment_state is PaymentState.paid]
    assert all((order.state is OrderState.cancelled) is (order not in paid) for order in orders)
    assert left() == 50 - len(paid)


def test_a_month_is_not_given_while_its_membership_goes_back(
    app: Flask, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    with transaction() as session:
        shop = open_shop(session)
        template = make_template(session, shop.merchant)
        more = {"days": 30, "template_id": template.id, "coupons": 2}
        plan = make_plan(shop, PlanKind.membership, now, **more)
        order_id = buy_plan(shop, plan, now).id
    count, sweeps = fulfilling._share, []

    def give() -> None:
        with app.app_context(), transaction() as other:
            plans.give_due(other, plan.merchant_id, now=now)

    def counted(*given: object) -> giving_up.Share:
        share = count(*given)  # type: ignore[arg-type]
        sweeps.append(threading.Thread(target=give))
        sweeps[0].start()
        sweeps[0].join(0.3)
        return share

    monkeypatch.setattr(fulfilling, "_share", counted)
    with transaction() as session:
        order = session.get_one(Order, order_id)
        by = {"cause": "refund:1", "actor": "staff:1", "now": now}
        selling.take_back(session, order, order.paid_fen, **by)
        assert sweeps[0].is_alive()
    sweeps[0].join(10)

    with reading() as session:
        assert session.scalars(select(PaidTerm.state)).one() is TermState.refunded
        assert session.scalars(select(Coupon.id)).all() == []


def test_control_looking_before_taking_sells_more_than_there_are(app: Flask) -> None:
    with transaction() as session:
        promotion = half_price(session, open_shop(session), pieces_each=1)
        session.add(PromotionUnits(promotion_id=promotion.id, subject="sku:1", used=0))
    together = threading.Barrier(16)

    def buy(_: int) -> bool:
        with transaction() as session:
            used = session.scalars(select(PromotionUnits.used)).one()
            together.wait()
            if used:
                return False
            session.execute(update(PromotionUnits).values(used=used + 1))
            return True

    assert sum(result is True for result in race(app, 16, buy)) == 16


def test_64_buyers_of_ten_pieces_get_ten(app: Flask, now: datetime) -> None:
    with transaction() as session:
        shop = open_shop(session, available=100)
        half_price(session, shop, pieces_each=10)
        buyers = [make_member(session, merchant=shop.merchant) for _ in range(64)]

    def buy(i: int) -> int:
        with transaction() as session:
            order, _ = place(
                session, shop.cart(), buyers[i], key="k", expected_payable_fen=1_100, now=now
            )
            return order.payable_fen

    results = race(app, 64, buy)

    assert [result for result in results if isinstance(result, int)] == [1_100] * 10
    assert set(refusals(results)) <= {"ration_gone", "price_changed"}
    with reading() as session:
        assert pieces_taken(session) == {"sku": 10}
        assert session.scalar(select(func.sum(PromotionTake.pieces))) == 10
        assert session.scalar(select(func.count()).select_from(Order)) == 10


def test_one_member_at_many_tills_gets_what_one_may(app: Flask, now: datetime) -> None:
    with transaction() as session:
        shop = open_shop(session, available=100)
        half_price(session, shop, pieces_per_member=2)

    def buy(i: int) -> int:
        with transaction() as session:
            return place(session, shop.cart(), shop.member, key=f"k{i}", now=now)[0].payable_fen

    paid = [result for result in race(app, 16, buy) if isinstance(result, int)]

    assert sorted(paid)[:2] == [1_100, 1_100]
    assert set(sorted(paid)[2:]) <= {2_200}
    with reading() as session:
        assert pieces_taken(session) == {"member": 2}
