"""今日 leads to 结算 to the fen, and both to the sums of 支付, whatever is paid only in part."""

import re
from datetime import timedelta

from sqlalchemy import update

from core import clock, database
from core.clock import business_day
from merchants.models import Role
from orders.models import Order
from payments import billing, refunding
from payments.models import LedgerEntry
from payments.settlement.figures import earned_by_store, lines_of
from tests.console.conftest import Browser
from tests.payments.conftest import Till
from tests.payments.test_balance import BALANCE, top_up
from tests.payments.test_counter_page import log_in
from tests.payments.test_shares import Phone, orderer, pay, split
from tests.payments.test_shares import friend as friend

__all__ = ["friend", "orderer"]
ONE_DAY = timedelta(days=1)


def text_of(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", page))


def today_of(owner: Browser, day: str = "") -> tuple[str, str]:
    """The line that leads to 结算, and what 退款 says."""
    page = owner.get(f"/home?day={day}").text
    line = re.search(r'id="bridge">(.*?)</p>', page, re.DOTALL)
    back = re.search(r"退款</dt>(.*?)</div>", page, re.DOTALL)
    assert back is not None
    said = re.sub(r"<[^>]*>", "", line[1]) if line else ""
    return said, text_of(back[1]).strip()


def earned(till: Till, days_ago: int = 0) -> int:
    with database.reading() as session:
        day = business_day(clock.now()) - days_ago * ONE_DAY
        lines = lines_of(session, till.store.merchant_id, day)
        return earned_by_store(lines)[till.store.id]


def wechat(till: Till, order: Order) -> None:
    till.channel.pay(till.open(order))
    assert till.deliver(till.channel.next_notice()) == 204


def deposit(till: Till, fen: int) -> Order:
    order = till.order(4_000)
    with database.transaction() as session:
        found = session.get_one(Order, order.id)
        billing.open_deposit(session, found, fen, rest_by=clock.now() + ONE_DAY, now=clock.now())
    wechat(till, order)
    return order


def test_a_day_of_deposits_shares_and_stored_value_ties(
    till: Till, orderer: Phone, friend: Phone
) -> None:
    top_up(till)
    till.open(till.order(2_200), BALANCE)
    whole = till.order(1_900)
    wechat(till, whole)
    deposit(till, 1_140)
    pay(friend, split(orderer, till.order(6_000)), 2)
    over = till.order(3_900)
    pay(friend, split(orderer, over), 2)
    assert orderer.post(f"orders/{over.no}/cancel", reason="").status_code == 200
    till.run_jobs("payments.refund")
    [back] = till.refunds(over)
    till.channel.decide_refund(back.out_refund_no, "SUCCESS")
    assert till.deliver(till.channel.next_notice()) == 204
    owner = log_in(till, till.store, Role.owner)

    line, refunds = today_of(owner)

    assert line == (
        "实收 ¥41.00；定金、AA 已收 ＋¥44.40，付齐才算；没算在实收里的单，退款 −¥13.00；"
        "结算里挣到 ¥72.40"
    )
    assert refunds == "¥13.00 1 笔"
    assert earned(till) == 7_240
    # 支付: what was booked, a top-up of ¥100.00 too, of which ¥13.00 went back.
    sums = text_of(owner.get("/payments/").text)
    assert "163.40" in sums
    assert "22.00" in sums
    assert earned(till) == 16_340 + 2_200 - 10_000 - 1_300


def test_a_deposit_counts_on_the_day_on_which_the_rest_is_paid(till: Till) -> None:
    order = deposit(till, 1_140)
    yesterday = business_day(clock.now()) - ONE_DAY
    with database.transaction() as session:
        session.execute(update(LedgerEntry).values(day=yesterday))
    wechat(till, order)
    owner = log_in(till, till.store, Role.owner)

    assert today_of(owner)[0] == (
        "实收 ¥40.00；以前收的定金、AA −¥11.40，这天付齐；结算里挣到 ¥28.60"
    )
    assert today_of(owner, yesterday.isoformat())[0] == (
        "实收 ¥0.00；定金、AA 已收 ＋¥11.40，付齐才算；结算里挣到 ¥11.40"
    )
    assert (earned(till), earned(till, 1)) == (2_860, 1_140)


def test_a_day_on_which_both_are_the_same_says_nothing(till: Till) -> None:
    order = till.order(2_500)
    wechat(till, order)
    with database.transaction() as session:
        found = session.get_one(Order, order.id)
        refund = refunding.request(session, found, 500, "做错了", "staff:1", clock.now())
    till.run_jobs("payments.refund")
    till.channel.decide_refund(refund.out_refund_no, "SUCCESS")
    assert till.deliver(till.channel.next_notice()) == 204

    assert today_of(log_in(till, till.store, Role.owner)) == ("", "¥5.00 1 笔")
    assert earned(till) == 2_000
