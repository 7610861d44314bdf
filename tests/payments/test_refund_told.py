"""One refund of a mixed payment is told as one, to staff and to the customer, with its parts."""

import re

from sqlalchemy import select

from core.clock import now as clock_now
from core.database import reading, transaction
from gateways.pay.records import RefundResult
from merchants.models import Role, Store
from orders.models import Order
from payments import refunding
from payments.models import Refund
from payments.refunding import outcomes
from tests.payments.conftest import Till, log_in
from tests.payments.test_balance import mixed, top_up
from tests.payments.test_counter_page import log_in as staff_in


def give_back(till: Till, fen: int) -> Order:
    """An order of ¥25, of which ¥10 were stored value, and a refund of it."""
    top_up(till)
    order = till.order(2_500)
    till.channel.pay(till.open(order, mixed(till)))
    till.deliver(till.channel.next_notice())
    with transaction() as session:
        mine = session.get_one(Order, order.id)
        refunding.request(session, mine, fen, "商品洒漏", "system", clock_now())
    return order


def told(page: str, heading: str) -> str:
    part = page.split(f"<h2>{heading}</h2>")[1].split("</ul>")[0]
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", part))


def test_one_asking_is_one_row_with_its_parts_and_every_line_says_how_much(till: Till) -> None:
    order = give_back(till, 1_960)
    manager = staff_in(till, store_of(order), Role.manager)

    page = manager.get(f"/orders/{order.no}").text
    rows, history = told(page, "退款"), told(page, "经过")

    assert rows.count("商品洒漏") == 1
    assert "¥19.60 商品洒漏" in rows
    assert re.search(r"微信支付 ¥\S+ 已提交", rows)
    assert re.search(r"储值余额 ¥\S+ 已到账", rows)
    assert history.count("提交退款") == 1
    assert "提交退款 ¥19.60" in history
    with reading() as session:
        [wechat, stored] = session.scalars(select(Refund).order_by(Refund.id)).all()
    parts = f"微信支付 ¥{wechat.amount_fen / 100:.2f} + 储值余额 ¥{stored.amount_fen / 100:.2f}"
    assert f"商品洒漏，{parts}" in history
    assert f"部分退款到账 ¥{stored.amount_fen / 100:.2f}" in history

    with transaction() as session:
        mine = session.get_one(Refund, wechat.id)
        no, fen = mine.out_refund_no, mine.amount_fen
        done = RefundResult(no, "5030", "SUCCESS", fen, None, clock_now(), "1900006789")
        outcomes.record_result(session, done, clock_now())
    after = manager.get(f"/orders/{order.no}").text
    assert f"部分退款到账 ¥{wechat.amount_fen / 100:.2f}" in told(after, "经过")
    assert "已提交" not in told(after, "退款")


def test_the_customer_can_put_the_parts_of_one_refund_together(till: Till) -> None:
    order = give_back(till, 1_960)
    headers = {"Authorization": f"Bearer {log_in(till.member, 'aqing')}"}

    answer = till.app.test_client().get(f"/api/v1/orders/{order.no}", headers=headers)

    [wechat, stored] = answer.get_json()["refunds"]
    assert wechat["batch"] == stored["batch"] == wechat["no"]
    assert wechat["channel_fen"] + stored["balance_fen"] == 1_960


def store_of(order: Order) -> Store:
    with reading() as session:
        return session.get_one(Store, order.store_id)
