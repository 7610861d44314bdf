"""An order that is paid in part, at the counter: ended by staff, and who paid what is shown."""

import re
from datetime import timedelta

import pytest
from sqlalchemy import select

from core import clock
from core.audit import AuditEntry
from core.database import reading, transaction
from merchants.models import Merchant, Role, Staff
from orders.models import Order, OrderState, PaymentState
from payments import billing
from payments.asked_models import AskedRefund, AskedState
from payments.models import Bill, RefundState
from payments.refunding import rules
from tests.console.conftest import HASH, PASSWORD, Browser
from tests.factories.merchants import make_store
from tests.payments.conftest import Till
from tests.payments.test_counter_page import log_in as enter
from tests.payments.test_several_bills import pay, with_deposit
from tests.payments.test_shares import Phone, friend, orderer, split  # noqa: F401
from tests.payments.test_shares import pay as pay_share

REASON = "顾客要求"


def log_in(till: Till, role: Role = Role.clerk) -> Browser:
    browser = enter(till, till.store, role)
    with transaction() as session:
        for staff in session.scalars(
            select(Staff).where(Staff.merchant_id == till.store.merchant_id)
        ):
            staff.password_hash = HASH
            staff.username = staff.username or f"staff-{staff.id}"
    return browser


def cancel(browser: Browser, order: Order, **more: str) -> tuple[int, str]:
    """As the dialog does it: the page that is open, then its button."""
    path = f"/orders/waiting/{order.no}/cancel"
    asked = browser.get(path).text
    key = re.search(r'name="key" value="([^"]+)"', asked)
    assert key, asked
    answer = browser.post(path, reason=REASON, other="", key=key[1], **more)
    return answer.status_code, answer.text


def refunds(till: Till, order: Order) -> list[tuple[int, RefundState]]:
    return [(refund.amount_fen, refund.state) for refund in till.refunds(order)]


def test_the_owner_ends_it_and_the_deposit_goes_back(till: Till) -> None:
    order = with_deposit(till)
    pay(till, order)
    owner = log_in(till, Role.owner)
    assert "取消订单" in owner.get(f"/orders/waiting/{order.no}").text

    unproved = cancel(owner, order)
    assert (unproved[0], refunds(till, order)) == (422, [])
    status, _ = cancel(owner, order, password=PASSWORD)

    assert status == 303
    ended = till.read(order)
    assert (ended.state, ended.cancel_reason) == (OrderState.cancelled, REASON)
    assert refunds(till, order) == [(500, RefundState.requested)]
    till.run_jobs("payments.refund")
    till.channel.decide_refund(till.refunds(order)[0].out_refund_no, "SUCCESS")
    assert till.deliver(till.channel.next_notice()) == 204
    assert till.read(order).payment_state is PaymentState.refunded
    page = owner.get(f"/orders/waiting/{order.no}").text
    for text in ("没付完就取消了", "定金 ¥5.00", "已退 ¥5.00", "已到账"):
        assert text in page, text
    assert owner.get(f"/orders/{order.no}").location.endswith(f"/orders/waiting/{order.no}")
    with reading() as session:
        found = select(AuditEntry).where(AuditEntry.action == "order.cancelled")
        after = session.scalars(found).one().after
        assert after is not None
        assert after["refund_fen"] == 500


def test_a_clerk_asks_and_nothing_moves_before_another_agrees(till: Till) -> None:
    order = with_deposit(till)
    pay(till, order)
    clerk = log_in(till)

    status, _ = cancel(clerk, order)

    assert status == 303
    assert (till.read(order).state, refunds(till, order)) == (OrderState.placed, [])
    assert "等第二个人同意" in clerk.get(f"/orders/waiting/{order.no}").text
    manager, asked = log_in(till, Role.manager), f"/orders/{order.no}/asked-refund"
    code = re.search(r'name="code" value="([^"]+)"', manager.get(asked).text)
    assert code
    till.open(order)  # the customer goes to pay the rest meanwhile
    answer = manager.post(asked, code=code[1], do="agree", password=PASSWORD)

    assert answer.status_code == 303, answer.text
    assert till.read(order).state is OrderState.cancelled
    assert refunds(till, order) == [(500, RefundState.requested)]
    with reading() as session:
        assert session.scalars(select(AskedRefund.state)).all() == [AskedState.agreed]


@pytest.mark.parametrize(
    ("limit_fen", "minutes_ago", "ended"), [(500, 1, True), (499, 1, False), (500, 31, False)]
)
def test_a_clerk_ends_alone_what_one_gives_back_alone_from_the_newest_bill_on(
    till: Till, limit_fen: int, minutes_ago: int, ended: bool
) -> None:
    order = with_deposit(till)
    pay(till, order)
    with transaction() as session:
        rules.save(
            session,
            order.merchant_id,
            rules.Rules(clerk_fen=limit_fen),
            actor="staff:1",
            now=clock.now(),
        )
        deposit = session.scalars(select(Bill).where(Bill.paid_at.is_not(None))).one()
        deposit.paid_at = clock.now() - timedelta(minutes=minutes_ago)

    assert cancel(log_in(till), order, password=PASSWORD)[0] == 303

    state = OrderState.cancelled if ended else OrderState.placed
    assert till.read(order).state is state
    assert refunds(till, order) == ([(500, RefundState.requested)] if ended else [])


def test_who_may_not_agree_closes_nobodys_pay_page(till: Till) -> None:
    order = with_deposit(till)
    pay(till, order)
    manager, asked = log_in(till, Role.manager), f"/orders/{order.no}/asked-refund"
    assert cancel(log_in(till), order)[0] == 303
    till.open(order)

    wrong = manager.post(asked, code="ZZZZZZ", do="agree", password=PASSWORD)

    assert wrong.status_code == 404
    assert [each.live for each in till.attempts(order)] == [True, True]
    assert till.read(order).state is OrderState.placed


def test_what_nobody_paid_of_any_clerk_ends(till: Till) -> None:
    order = with_deposit(till)
    till.open(order)

    assert cancel(log_in(till), order)[0] == 303

    assert till.read(order).state is OrderState.cancelled
    assert refunds(till, order) == []
    assert till.attempts(order)[0].live is None


def test_a_second_click_ends_nothing_twice(till: Till) -> None:
    order = with_deposit(till)
    pay(till, order)
    owner = log_in(till, Role.owner)
    path = f"/orders/waiting/{order.no}/cancel"

    answers = [
        owner.post(path, reason=REASON, other="", key="k7", password=PASSWORD).status_code
        for _ in range(2)
    ]

    assert answers == [303, 303]
    assert refunds(till, order) == [(500, RefundState.requested)]
    assert owner.get(path).status_code == 409


def test_each_share_goes_back_and_the_page_says_who_paid(
    till: Till,
    orderer: Phone,  # noqa: F811
    friend: Phone,  # noqa: F811
) -> None:
    order = till.order(10_000)
    token = split(orderer, order)
    pay_share(friend, token, 2)
    with transaction() as session:
        session.merge(friend.member).name = "小周"
        session.merge(orderer.member).name = "阿青"
    owner = log_in(till, Role.owner)
    part = owner.get(f"/orders/waiting/{order.no}").text
    assert "小周 · 微信支付" in part
    assert part.count("待付") >= 2
    assert part.count(">收一份</a>") == 2
    pay_share(orderer, token, 3)
    pay_share(orderer, token, 4)

    page = owner.get(f"/orders/{order.no}").text

    assert "分 3 笔付的" in page
    assert page.count("小周 · 微信支付") == 1
    assert page.count("阿青 · 微信支付") == 2
    assert (page.count("AA 一份 ¥33.33"), page.count("AA 一份 ¥33.34")) == (2, 1)


def test_a_deposit_order_that_is_paid_lists_both_bills_and_a_plain_one_none(till: Till) -> None:
    order = with_deposit(till)
    pay(till, order)
    pay(till, order)
    plain = till.order(900)
    pay(till, plain)
    owner = log_in(till, Role.owner)

    page, other = (owner.get(f"/orders/{each.no}").text for each in (order, plain))

    assert ("定金 ¥5.00" in page, "尾款 ¥20.00" in page) == (True, True)
    assert "笔付的" not in other


def test_an_order_of_another_store_is_none_to_end(till: Till) -> None:
    order = till.order(2_500)
    with transaction() as session:
        mine, now = session.get_one(Order, order.id), clock.now()
        billing.open_deposit(session, mine, 500, rest_by=now + timedelta(days=7), now=now)
    with transaction() as session:
        merchant = session.get_one(Merchant, till.store.merchant_id)
        elsewhere = make_store(session, merchant)
    clerk, path = enter(till, elsewhere), f"/orders/waiting/{order.no}/cancel"

    assert clerk.get(path).status_code == 404
    assert clerk.post(path, reason=REASON, key="k").status_code == 404
    assert till.read(order).state is OrderState.placed
