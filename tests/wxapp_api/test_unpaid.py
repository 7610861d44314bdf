"""Nobody holds the shop's stock with orders that they do not pay."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from catalogue.models import Sku
from core import clock
from core.database import reading, transaction
from orders import paying
from orders.models import Order
from payments import billing
from tests.factories.catalogue import available, make_sku
from tests.wxapp_api.conftest import Phone, Stall
from tests.wxapp_api.test_orders import json, left, pay, place


def test_the_fourth_unpaid_order_is_refused_and_holds_nothing(phone: Phone, stall: Stall) -> None:
    for number in range(3):
        json(place(phone, stall.cart(), key=f"order-000{number}"), 201)

    refused = place(phone, stall.cart(), key="order-0003")

    assert (refused.status_code, refused.json["code"]) == (409, "too_many_unpaid")
    assert refused.json["detail"] == "你有 3 单还没付完，先付款或取消一单，再下新单"
    assert refused.json["unpaid"] == 3
    assert left(stall) == 7
    with reading() as session:
        assert session.scalar(select(func.count()).select_from(Order)) == 3


def test_asking_again_answers_the_first_order_also_with_all_three_unpaid(
    phone: Phone, stall: Stall
) -> None:
    numbers = [
        json(place(phone, stall.cart(), key=f"order-000{number}"), 201)["no"] for number in range(3)
    ]

    again = [
        json(place(phone, stall.cart(), key=f"order-000{number}"), 201)["no"] for number in range(3)
    ]

    assert again == numbers
    assert left(stall) == 7


def test_paying_or_cancelling_one_makes_room_for_one(phone: Phone, stall: Stall) -> None:
    numbers = [
        json(place(phone, stall.cart(), key=f"order-000{number}"), 201)["no"] for number in range(3)
    ]

    pay(numbers[0])
    json(place(phone, stall.cart(), key="after-paying"), 201)
    assert place(phone, stall.cart(), key="too-many").status_code == 409
    json(phone.post(f"orders/{numbers[1]}/cancel", json={}))
    json(place(phone, stall.cart(), key="after-cancelling"), 201)

    assert place(phone, stall.cart(), key="too-many").status_code == 409
    assert left(stall) == 6


def pay_part(no: str, fen: int) -> None:
    with transaction() as session:
        order = session.scalars(select(Order).where(Order.no == no)).one()
        assert paying.mark_part_paid(
            session, order, amount_fen=fen, reason="一部分", now=clock.now()
        )


def test_of_what_a_deposit_is_paid_counts_no_more(phone: Phone, stall: Stall) -> None:
    """The rest is due in weeks: the shop stays open to them."""
    numbers = [
        json(place(phone, stall.cart(), key=f"order-000{number}"), 201)["no"] for number in range(3)
    ]
    assert place(phone, stall.cart(), key="too-many").status_code == 409

    with transaction() as session:
        order, at = session.scalars(select(Order).where(Order.no == numbers[0])).one(), clock.now()
        billing.open_deposit(session, order, 100, rest_by=at + timedelta(days=7), now=at)
    assert place(phone, stall.cart(), key="too-many").status_code == 409
    pay_part(numbers[0], 100)

    json(place(phone, stall.cart(), key="after-the-deposit"), 201)
    assert left(stall) == 6


def test_a_paid_share_keeps_its_order_among_the_unpaid(phone: Phone, stall: Stall) -> None:
    """A fen of each would hold the stock of a hundred orders for half an hour."""
    numbers = []
    for number in range(3):
        order = json(place(phone, stall.cart(3), key=f"order-000{number}"), 201)
        json(phone.post(f"orders/{order['no']}/split", json={"shares": 20}))
        pay_part(order["no"], order["payable_fen"] // 20)
        numbers.append(order["no"])

    refused = place(phone, stall.cart(), key="order-0003")

    assert (refused.status_code, refused.json["code"], refused.json["unpaid"]) == (
        409,
        "too_many_unpaid",
        3,
    )
    assert left(stall) == 1
    with transaction() as session:
        paid = session.scalars(select(Order).where(Order.no == numbers[0])).one()
        owed = paid.payable_fen - paid.paid_fen
        assert paying.mark_paid(session, paid, amount_fen=owed, now=clock.now())
    json(place(phone, stall.cart(), key="order-0003"), 201)


def test_one_bill_again_that_a_deposit_is_paid_of_is_no_order_in_shares(
    phone: Phone, stall: Stall
) -> None:
    order = json(place(phone, stall.cart(), key="order-0000"), 201)
    json(phone.post(f"orders/{order['no']}/split", json={"shares": 2}))
    json(phone.post(f"orders/{order['no']}/unsplit"))

    with reading() as session:
        assert session.scalars(select(Order.in_shares)).all() == [False]


def lines(*wanted: tuple[Sku, int]) -> list[dict[str, Any]]:
    return [{"sku_id": str(sku.id), "quantity": quantity} for sku, quantity in wanted]


@pytest.mark.parametrize("path", ["orders", "quotes"])
def test_nobody_takes_the_whole_stock_in_one_order(phone: Phone, stall: Stall, path: str) -> None:
    with transaction() as session:
        store = session.merge(stall.store)
        skus = [make_sku(session, store, available=1000) for _ in range(3)]
    one, two, three = skus
    headers = {"Idempotency-Key": "order-0001"}

    def ask(*wanted: tuple[Sku, int]) -> Any:
        return phone.post(path, json=stall.cart(items=lines(*wanted)), headers=headers)

    refused = [
        ask((one, 99), (one, 1)),
        ask(*[(one, 99)] * 50),
        ask((one, 99), (two, 99), (three, 3)),
    ]
    with reading() as session:
        assert [available(session, stall.store, sku) for sku in skus] == [1000] * 3
    taken = ask((one, 98), (one, 1), (two, 99), (three, 2))

    assert {each.status_code for each in refused} == {422}
    assert [each.json["detail"] for each in refused] == [
        "同一样一单最多 99 件",
        "同一样一单最多 99 件",
        "一单最多 200 件",
    ]
    assert {each.json["code"] for each in refused} == {"too_many_pieces"}
    assert taken.status_code == (201 if path == "orders" else 200)


def test_unpaid_orders_together_keep_no_more_of_one_thing(phone: Phone, stall: Stall) -> None:
    with transaction() as session:
        sku, other = (
            make_sku(session, session.merge(stall.store), available=1000) for _ in range(2)
        )
    first = json(place(phone, stall.cart(items=lines((sku, 50), (sku, 10))), key="order-0001"), 201)

    refused = place(phone, stall.cart(items=lines((sku, 40))), key="order-0002")

    assert (refused.status_code, refused.json["code"]) == (422, "too_many_pieces")
    assert refused.json["detail"] == "没付完的单里已有 60 件，同一样最多 99 件"
    with reading() as session:
        assert available(session, stall.store, sku) == 940
    json(place(phone, stall.cart(items=lines((sku, 39), (other, 99))), key="order-0003"), 201)
    pay(first["no"])
    json(place(phone, stall.cart(items=lines((sku, 60))), key="order-0002"), 201)


def test_another_member_is_free_to_order(make_phone: Callable[[], Phone], stall: Stall) -> None:
    mine, other = make_phone(), make_phone()
    for number in range(3):
        json(place(mine, stall.cart(), key=f"order-000{number}"), 201)

    json(place(other, stall.cart(), key="order-0000"), 201)

    assert left(stall) == 6
