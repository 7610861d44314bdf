"""The counter's page: a sum, a code scanned or shown, a receipt; by a clerk, in their own store."""

import re
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from core.audit import AuditEntry
from core.clock import now as clock_now
from core.database import reading, transaction
from crm.models import Member
from merchants.models import Merchant, Role, Store
from orders.models import LineKind, Order, OrderState
from payments.models import AttemptState
from people import logins
from sandbox.pay import codes, sheet
from tests.console.conftest import Browser
from tests.factories.merchants import make_merchant, make_staff, make_store
from tests.payments.conftest import Till

FEE = 1250


@pytest.fixture
def clerk(till: Till) -> Browser:
    return log_in(till, till.store)


def log_in(till: Till, store: Store, role: Role = Role.clerk) -> Browser:
    with transaction() as session:
        merchant = session.get_one(Merchant, store.merchant_id)
        who = make_staff(session, merchant, role=role, stores=(session.get_one(Store, store.id),))
        token = logins.open_session(
            session,
            person=None,
            identity=None,
            audience="staff",
            lifetime=timedelta(hours=1),
            now=clock_now(),
            staff_id=who.id,
        )
    browser = Browser(till.app)
    browser.client.set_cookie("linli_staff", token, path="/console")
    return browser


def shown(till: Till, *, asks_password: bool = False) -> str:
    person = till.channel.world.people.get("aqing")
    person.asks_password = asks_password
    return till.channel.world.pay_codes.new(person)


def collect(clerk: Browser, amount: str = "12.50", **more: str) -> str:
    """The path of the new sum's page."""
    answer = clerk.post("/collect/", amount=amount, key="k1", **more)
    assert answer.status_code == 303, answer.text
    return str(answer.location).removeprefix("/console")


def order_of(path: str) -> Order:
    with reading() as session:
        return session.scalars(select(Order).where(Order.no == path.split("/")[-1])).one()


def count_orders() -> int:
    with reading() as session:
        return session.scalar(select(func.count()).select_from(Order)) or 0


def test_a_scanned_code_is_a_receipt(till: Till, clerk: Browser) -> None:
    path = collect(clerk)
    assert "¥12.50" in clerk.get(path).text

    assert clerk.post(f"{path}/code", code=f" {shown(till)} ").status_code == 303

    page = clerk.get(path).text
    order = order_of(path)
    assert (order.paid_fen, order.state, order.kind) == (FEE, OrderState.completed, LineKind.amount)
    for text in ("已收到", "微信", order.no, "再收一笔"):
        assert text in page, text
    assert order.no in clerk.get("/collect/").text
    assert "hx-trigger" not in page.split('id="collect"')[1][:300]


def test_the_page_follows_a_password(till: Till, clerk: Browser) -> None:
    path = collect(clerk)
    clerk.post(f"{path}/code", code=shown(till, asks_password=True))
    waiting = clerk.get(path).text
    assert "等顾客输密码" in waiting
    assert 'hx-trigger="every 2s"' in waiting

    world = till.channel.world
    [attempt] = till.attempts(order_of(path))
    codes.answer(world, world.people.get("aqing"), attempt.out_trade_no, "ok")
    assert till.run_jobs("payments.follow_code") == ["done"]

    assert "已收到" in clerk.get(path).text


def test_a_second_scan_meanwhile_charges_nothing(till: Till, clerk: Browser) -> None:
    path = collect(clerk)
    clerk.post(f"{path}/code", code=shown(till, asks_password=True))

    assert clerk.post(f"{path}/code", code=shown(till)).status_code == 303

    assert len(till.attempts(order_of(path))) == 1
    assert "等顾客输密码" in clerk.get(path).text


def test_a_code_on_our_screen_is_scanned_and_paid(till: Till, clerk: Browser) -> None:
    path = collect(clerk)
    assert "出示微信收款码" in clerk.get(path).text

    clerk.post(f"{path}/qr", channel="wechat")

    page = clerk.get(path).text
    assert "请顾客用微信扫一扫" in page
    assert "<svg" in page.split('class="qr"')[1][:40]
    world = till.channel.world
    [attempt] = till.attempts(order_of(path))
    sheet.pay_unsigned(world, world.people.get("xiaozhou"), attempt.opening["code_url"], "ok")
    assert till.deliver(till.channel.next_notice()) == 204
    assert "已收到" in clerk.get(path).text


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("123", "这不是付款码"),
        ("139999999999999999", "付款码不对"),
    ],
)
def test_a_wrong_code_says_what_to_do(till: Till, clerk: Browser, code: str, why: str) -> None:
    path = collect(clerk)

    answer = clerk.post(f"{path}/code", code=code)

    assert answer.status_code == 422
    assert why in answer.text
    assert order_of(path).paid_at is None


def test_giving_up_takes_back_and_is_on_record(till: Till, clerk: Browser) -> None:
    path = collect(clerk)
    clerk.post(f"{path}/code", code=shown(till, asks_password=True))

    assert clerk.post(f"{path}/cancel").location == "/console/collect/"

    order = order_of(path)
    assert order.state is OrderState.cancelled
    assert [each.state for each in till.attempts(order)] == [AttemptState.closed]
    assert "没有收到钱" in clerk.get(path).text
    with reading() as session:
        acts = session.scalars(select(AuditEntry.action).order_by(AuditEntry.id)).all()
    assert [act for act in acts if act.startswith("payment")] == [
        "payment.collect",
        "payment.uncollect",
    ]


def test_what_was_paid_is_not_given_up(till: Till, clerk: Browser) -> None:
    path = collect(clerk)
    clerk.post(f"{path}/code", code=shown(till))

    clerk.post(f"{path}/cancel")

    assert order_of(path).paid_fen == FEE
    assert till.refunds(order_of(path)) == []


def test_the_same_form_twice_is_one_sum(till: Till, clerk: Browser) -> None:
    assert collect(clerk) == collect(clerk)
    assert count_orders() == 1


@pytest.mark.parametrize("amount", ["", "0", "-1", "abc", "50000.01", "1.234"])
def test_a_sum_that_is_none_is_refused(till: Till, clerk: Browser, amount: str) -> None:
    assert clerk.post("/collect/", amount=amount, key="k1").status_code == 422
    assert count_orders() == 0


def test_a_member_is_credited_by_number(till: Till, clerk: Browser) -> None:
    path = collect(clerk, member=till.member.no)
    clerk.post(f"{path}/code", code=shown(till))

    with reading() as session:
        assert session.get_one(Member, till.member.id).spent_fen == FEE
    assert clerk.post("/collect/", amount="1", member="000000000000", key="k2").status_code == 422


def test_another_shops_sums_are_not_found(till: Till, clerk: Browser) -> None:
    path = collect(clerk)
    with transaction() as session:
        other = make_store(session, make_merchant(session, code="rival"))
    stranger = log_in(till, other)

    found = [
        stranger.get(path).status_code,
        stranger.post(f"{path}/code", code=shown(till)).status_code,
        stranger.post(f"{path}/cancel").status_code,
    ]

    assert found == [404, 404, 404]
    assert order_of(path).paid_at is None
    assert re.search(order_of(path).no, stranger.get("/collect/").text) is None
