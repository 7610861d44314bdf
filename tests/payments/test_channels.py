"""Alipay and UnionPay through the doors: the order is asked for, the payer goes over, the channel
tells us, money goes back; what somebody else tells us is refused and changes nothing."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

import pytest
import requests
from werkzeug.test import TestResponse

from core import clock
from core.database import transaction
from orders.models import Order, OrderState, PaymentState
from payments import refunding, remote
from payments.models import AttemptState, Channel, RefundState
from sandbox.channel_keys import APP_ID, MER_ID
from sandbox.unionpay import moves
from tests.payments.conftest import HeldNotice, Till

Post = Callable[..., TestResponse]
ACCOUNTS = {"alipay": APP_ID, "unionpay": MER_ID}


@pytest.fixture(params=["alipay", "unionpay"])
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def ask(post: Post, order: Order, name: str, way: str = "page") -> dict[str, Any]:
    answer = post(f"orders/{order.no}/payment", body={"channel": name, "way": way})
    assert answer.status_code == 200, answer.text
    shown: dict[str, Any] = answer.get_json()
    return shown


def go(shown: dict[str, Any]) -> requests.Response:
    """To the cashier, as a browser goes."""
    form = dict(shown["params"])
    url = form.pop("url")
    if shown["show"] == "form":
        return requests.post(url, data=form, timeout=10)
    assert (shown["show"], form) == ("redirect", {})
    return requests.get(url, timeout=10)


def press(page: requests.Response, act: str = "pay") -> requests.Response:
    return requests.post(page.url, data={"act": act}, allow_redirects=False, timeout=10)


def tell(till: Till, notice: HeldNotice, **changes: str) -> TestResponse:
    body = urlencode({**dict(parse_qsl(notice.body.decode())), **changes}).encode()
    return till.app.test_client().post(
        notice.path, data=body if changes else notice.body, headers=notice.headers
    )


def paid(till: Till, post: Post, name: str) -> Order:
    order = till.order(2500)
    press(go(ask(post, order, name)))
    assert tell(till, till.channel.next_notice()).status_code == 200
    return order


def test_a_payment_through_the_doors(till: Till, post: Post, name: str) -> None:
    order = till.order(2500)
    page = go(ask(post, order, name))
    assert ("25.00" in page.text, "沙箱收银台" in page.text) == (True, True)
    press(page)
    notice = till.channel.next_notice()
    assert notice.path == f"/pay/{name}/notify/{ACCOUNTS[name]}"
    assert till.read(order).payment_state is PaymentState.unpaid

    answer = tell(till, notice)

    assert (answer.status_code, answer.text) == (200, "success" if name == "alipay" else "ok")
    assert till.read(order).payment_state is PaymentState.paid
    attempt = till.attempts(order)[0]
    assert (attempt.state, attempt.channel, attempt.account, attempt.appid) == (
        AttemptState.succeeded,
        Channel(name),
        ACCOUNTS[name],
        "",
    )
    before = till.ledger()
    for _ in range(3):
        assert tell(till, notice).status_code == 200
    assert till.ledger() == before
    assert sum(amount for _, amount in before) == 0


def test_a_notice_that_was_changed_changes_nothing(
    till: Till,
    post: Post,
    name: str,
) -> None:
    order = till.order(2500)
    press(go(ask(post, order, name)))
    notice = till.channel.next_notice()
    for changes in ({"total_amount": "0.01"}, {"txnAmt": "1"}, {"sign": "x"}, {"signature": "x"}):
        answer = tell(till, notice, **changes)
        assert (answer.status_code, answer.get_json()["code"]) == (403, "bad_signature")
    elsewhere = HeldNotice(notice.path[:-1] + "0", notice.body, notice.headers)
    assert tell(till, elsewhere).status_code == 404
    other = "unionpay" if name == "alipay" else "alipay"
    wrong_door = HeldNotice(f"/pay/{other}/notify/{ACCOUNTS[other]}", notice.body, notice.headers)
    assert tell(till, wrong_door).status_code == 403
    assert (
        till.app.test_client()
        .post(notice.path, data=b"x" * 70_000, headers=notice.headers)
        .status_code
        == 413
    )
    assert till.read(order).payment_state is PaymentState.unpaid
    assert till.ledger() == []


def test_a_lost_notice_is_healed_by_a_question(till: Till, post: Post, name: str) -> None:
    order = till.order(2500)
    press(go(ask(post, order, name)))
    till.channel.next_notice()  # never delivered
    assert till.run_jobs("payments.query_pending") == ["done"]
    assert till.read(order).payment_state is PaymentState.paid


def test_coming_back_settles_nothing_and_leads_to_the_order(
    till: Till,
    post: Post,
    name: str,
) -> None:
    order = till.order(2500)
    back = press(go(ask(post, order, name)))
    client = till.app.test_client()
    path = f"/pay/{name}/return/{ACCOUNTS[name]}/{order.no}"
    if name == "alipay":
        where = urlsplit(back.headers["Location"])
        assert where.path == path
        answer = client.get(f"{path}?{where.query}")
    else:
        assert f"http://127.0.0.1:8000{path}" in back.text
        answer = client.post(path, data=till.channel.next_notice().body)
    assert answer.status_code == 303
    assert answer.headers["Location"] == f"/m/#/pages/order/order?no={order.no}"
    # Whoever was sent back without a word, or with a forged one, is led there too.
    for query in ("", "?sign=x&out_trade_no=1", "?sign=%ff"):
        assert client.get(path + query).headers["Location"] == answer.headers["Location"]
    assert client.get(path.replace(order.no, "a'b")).status_code == 404
    assert till.read(order).payment_state is PaymentState.unpaid


def test_no_channel_is_told_the_token_of_a_share(till: Till, post: Post, name: str) -> None:
    order = till.order(2500)
    token = post(f"orders/{order.no}/split", body={"shares": 2}).get_json()["split_token"]

    how = {"channel": name, "way": "page", "bill": 2}
    shown = post(f"shares/{token}/payment", body=how).get_json()

    assert shown["show"] in ("redirect", "form")
    told = json.dumps([shown, till.attempts(order)[0].opening])
    back = f"/pay/{name}/return/{ACCOUNTS[name]}/share"
    assert (token in unquote(told), back in unquote(told)) == (False, True)
    press(go(shown))
    came = till.app.test_client().get(back)
    assert (came.status_code, came.headers["Location"]) == (303, "/m/#/pages/share/share")
    assert till.read(order).payment_state is PaymentState.unpaid


def test_money_goes_back_the_way_it_came(till: Till, post: Post, name: str) -> None:
    order = paid(till, post, name)
    with transaction() as session:
        mine = session.get_one(Order, order.id)
        refunding.request(session, mine, 1000, "少了一杯", "staff:1", clock.now())
    till.run_jobs("payments.refund")
    if name == "unionpay":
        assert till.refunds(order)[0].state is RefundState.processing
        till.channel.world.clock.advance(2)
    assert tell(till, till.channel.next_notice()).status_code == 200
    refund = till.refunds(order)[0]
    assert (refund.state, refund.amount_fen) == (RefundState.succeeded, 1000)
    assert till.read(order).payment_state is PaymentState.part_refunded
    assert sum(amount for _, amount in till.ledger()) == 0


def test_whoever_changes_the_channel_pays_once(till: Till, post: Post) -> None:
    """The page of the first stays open in another tab: what is paid there goes back by itself."""
    order = till.order(2500)
    first = go(ask(post, order, "unionpay"))
    second = go(ask(post, order, "alipay"))
    press(second)
    assert tell(till, till.channel.next_notice()).status_code == 200
    assert till.read(order).payment_state is PaymentState.paid

    press(first)
    assert tell(till, till.channel.next_notice()).status_code == 200
    late, kept = till.attempts(order)
    assert (late.state, kept.state) == (AttemptState.succeeded_late, AttemptState.succeeded)
    till.run_jobs("payments.refund")
    till.channel.world.clock.advance(2)
    tell(till, till.channel.next_notice())
    assert [(r.attempt_id, r.amount_fen, r.state) for r in till.refunds(order)] == [
        (late.id, 2500, RefundState.succeeded)
    ]
    assert sum(amount for _, amount in till.ledger()) == 0


def test_a_trade_that_was_opened_is_closed_at_alipay_with_its_order(
    till: Till,
    post: Post,
) -> None:
    order = till.order(2500)
    page = go(ask(post, order, "alipay"))
    remote.cancel_order(till.cashier, order.id, actor="member", reason="不要了", now=clock.now())
    assert till.read(order).state is OrderState.cancelled
    assert "交易已经关闭" in requests.get(page.url, timeout=10).text


def test_what_unionpay_does_not_refund_today_goes_back_as_a_void(till: Till, post: Post) -> None:
    order = paid(till, post, "unionpay")
    till.channel.fault(api="unionpay.refund", kind="error", code="35", times=None)
    remote.cancel_order(till.cashier, order.id, actor="member", reason="不要了", now=clock.now())

    assert till.run_jobs("payments.refund") == ["done"]

    (refund,) = till.refunds(order)
    assert refund.state is RefundState.processing
    world = till.channel.world
    void = world.moves.find(MER_ID, f"{refund.out_refund_no}V")
    assert void is not None
    moves.end(world, void)
    notice = till.channel.next_notice()
    for _ in range(2):
        assert tell(till, notice).status_code == 200
    assert till.read(order).payment_state is PaymentState.refunded
    (done,) = till.refunds(order)
    assert (done.state, done.refund_id) == (RefundState.succeeded, void.query_id)
    booked = till.ledger()
    assert (len(booked), sum(amount for _, amount in booked)) == (4, 0)


def test_what_a_shop_has_not_is_not_offered(till: Till, post: Post) -> None:
    order = till.order(2500)
    for body in (
        {"channel": "unionpay", "way": "native"},
        {"channel": "alipay", "way": "mini"},
    ):
        answer = post(f"orders/{order.no}/payment", body=body)
        assert answer.status_code in (409, 422), answer.text
    assert till.attempts(order) == []


def test_an_order_that_expires_under_a_page_of_alipay(till: Till, post: Post) -> None:
    """Nobody came to the cashier: there is nothing to close, and the address dies with its time."""
    order = till.order(2500)
    shown = ask(post, order, "alipay")
    remote.cancel_order(
        till.cashier, order.id, actor="system", reason="", now=clock.now() + timedelta(hours=1)
    )
    assert till.read(order).state is OrderState.cancelled
    press(go(shown))
    assert tell(till, till.channel.next_notice()).status_code == 200
    assert till.attempts(order)[0].state is AttemptState.succeeded_late
    till.run_jobs("payments.refund")
    assert till.refunds(order)[0].state is RefundState.succeeded
