"""Nobody holds the shop's stock with orders that they do not pay."""

from collections.abc import Callable

from sqlalchemy import func, select

from core.database import reading
from orders.models import Order
from tests.wxapp_api.conftest import Phone, Stall
from tests.wxapp_api.test_orders import json, left, pay, place


def test_the_fourth_unpaid_order_is_refused_and_holds_nothing(phone: Phone, stall: Stall) -> None:
    for number in range(3):
        json(place(phone, stall.cart(), key=f"order-000{number}"), 201)

    refused = place(phone, stall.cart(), key="order-0003")

    assert (refused.status_code, refused.json["code"]) == (409, "too_many_unpaid")
    assert refused.json["detail"] == "你有 3 单还没付款，先付款或取消一单，再下新单"
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


def test_another_member_is_free_to_order(make_phone: Callable[[], Phone], stall: Stall) -> None:
    mine, other = make_phone(), make_phone()
    for number in range(3):
        json(place(mine, stall.cart(), key=f"order-000{number}"), 201)

    json(place(other, stall.cart(), key="order-0000"), 201)

    assert left(stall) == 6
