"""WeChat's message about what was shipped knows a payment's number only: it leads to the order."""

from collections.abc import Callable

from sqlalchemy import select

from core.database import reading, transaction
from gateways.pay.records import Way
from orders.models import Order
from payments import attempts
from payments.models import Channel, PaymentAttempt
from tests.wxapp_api.conftest import Phone, Stall
from tests.wxapp_api.test_orders import json, place


def test_an_order_is_found_by_the_number_of_its_payment_and_by_nobody_else(
    phone: Phone, stall: Stall, make_phone: Callable[[], Phone]
) -> None:
    order = json(place(phone, stall.cart(1)), 201)
    with transaction() as session:
        found = session.scalars(select(Order).where(Order.no == order["no"])).one()
        means = attempts.Means(Channel.wechat, Way.mini, "1900006789", "wx-mini", "o-1")
        attempts.start(session, found, means, now=found.placed_at)
    with reading() as session:
        number = session.scalars(select(PaymentAttempt.out_trade_no)).one()

    assert json(phone.get(f"orders/{number}"))["no"] == order["no"]
    assert make_phone().get(f"orders/{number}").status_code == 404
    assert phone.get("orders/P20261123AAAAAAAAAAAAAAAA").status_code == 404
