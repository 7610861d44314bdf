"""The counter's list of today: how many, how much, by which way, and what went back."""

import re
from datetime import timedelta

from core import database
from core.clock import now as clock_now
from core.database import reading, transaction
from gateways.pay.records import RefundResult
from merchants.models import Merchant
from orders.models import Order
from payments import refunding, takings
from payments.models import Channel, PaymentAttempt, Refund
from tests.console.conftest import Browser
from tests.counting import statements
from tests.factories.merchants import make_store
from tests.payments.conftest import Till
from tests.payments.test_counter_page import clerk as clerk
from tests.payments.test_counter_page import log_in, order_of, shown


def take(till: Till, clerk: Browser, amount: str, **parts: object) -> Order:
    """A sum that was paid by code; `parts` of the payment are as another way would leave them."""
    answer = clerk.post("/collect/", amount=amount, key=f"k{amount}")
    path = str(answer.location).removeprefix("/console")
    assert clerk.post(f"{path}/code", code=shown(till)).status_code == 303
    order = order_of(path)
    with transaction() as session:
        [attempt] = till.attempts(order)
        found = session.get_one(PaymentAttempt, attempt.id)
        for name, value in parts.items():
            setattr(found, name, value)
    return order


def back(order: Order, fen: int) -> Refund:
    with transaction() as session:
        found = session.get_one(Order, order.id)
        return refunding.request(session, found, fen, "多收了", "staff:1", clock_now())


def arrive(refund: Refund) -> None:
    now = clock_now()
    with transaction() as session:
        account = session.get_one(PaymentAttempt, refund.attempt_id).account
        no, fen = refund.out_refund_no, refund.channel_fen
        result = RefundResult(no, "5000", "SUCCESS", fen, None, now, account)
        assert refunding.record_result(session, result, now) == "refunded"


def text_of(page: str) -> str:
    card = page.split("今天", 1)[1]
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", card))


def test_today_is_counted_by_way_with_what_went_back(till: Till, clerk: Browser) -> None:
    take(till, clerk, "12.50")
    partly = take(till, clerk, "30.00", channel=Channel.alipay)
    take(till, clerk, "52.00", channel_fen=3200, balance_fen=2000)
    wholly = take(till, clerk, "9.00")
    back(partly, 500)
    arrive(back(wholly, 900))

    page = text_of(clerk.get("/collect/").text)

    assert "4 笔 ¥103.50 其中已退 ¥9.00，在退 ¥5.00" in page
    assert "微信支付 ¥53.50 支付宝 ¥30.00 储值余额 ¥20.00" in page
    for row in (
        "¥9.00 微信支付 · ",
        "¥52.00 储值余额和微信支付 · ",
        "¥30.00 支付宝 · ",
        "¥12.50 微信支付 · ",
    ):
        assert row in page, (row, page)
    assert page.count("在退 ¥5.00") == 2
    assert len(re.findall(r"已退 (?!¥)", page)) == 1


def test_neither_yesterday_nor_another_store_is_in_it(till: Till, clerk: Browser) -> None:
    take(till, clerk, "12.50")
    old = take(till, clerk, "30.00")
    with transaction() as session:
        [attempt] = till.attempts(old)
        yesterday = clock_now() - timedelta(days=1)
        session.get_one(PaymentAttempt, attempt.id).settled_at = yesterday
        other = make_store(session, session.get_one(Merchant, till.store.merchant_id))

    assert "1 笔 ¥12.50 " in text_of(clerk.get("/collect/").text)
    assert "今天还没有收过" in log_in(till, other).get("/collect/").text


def test_the_sums_are_of_all_though_the_last_are_shown(till: Till, clerk: Browser) -> None:
    for fen in range(100, 105):
        take(till, clerk, f"{fen / 100:.2f}")
    takings_shown, takings.SHOWN = takings.SHOWN, 2
    try:
        page = text_of(clerk.get("/collect/").text)
    finally:
        takings.SHOWN = takings_shown

    assert "5 笔 ¥5.10" in page
    assert "上面是最近 2 笔" in page


def test_the_day_is_summed_in_one_question(till: Till, clerk: Browser) -> None:
    for amount in ("1", "2", "3"):
        take(till, clerk, amount)
    now = clock_now()

    with reading() as session, statements(database.db.engine) as seen:
        found = takings.sums(session, [till.store.id], now - timedelta(hours=1), now)

    assert (found.count, found.fen, found.ways) == (3, 600, {Channel.wechat: 600})
    assert len(seen) == 1
