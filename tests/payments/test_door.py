"""POST /api/v1/orders/<no>/payment: the sheet of one's own order, again and again the same."""

from datetime import timedelta

from core import clock
from orders.models import PaymentState
from tests.payments.conftest import Post, Till


def test_the_answer_opens_the_sheet_and_the_order_is_paid(till: Till, post: Post) -> None:
    order = till.order(2500)

    answer = post(f"orders/{order.no}/payment")

    assert answer.status_code == 200
    params = answer.get_json()["params"]
    assert set(params) == {"timeStamp", "nonceStr", "package", "signType", "paySign"}
    till.channel.pay(params)
    assert till.deliver(till.channel.next_notice()) == 204
    assert till.read(order).payment_state is PaymentState.paid


def test_the_same_key_gives_the_same_sheet_and_no_key_a_fresh_signature(
    till: Till, post: Post
) -> None:
    order, other = till.order(), till.order()
    path = f"orders/{order.no}/payment"

    first, second = post(path, key="pay-key-1"), post(path, key="pay-key-1")
    unkeyed = post(path)
    clash = post(f"orders/{other.no}/payment", key="pay-key-1")

    assert first.get_json() == second.get_json()
    assert unkeyed.get_json()["params"]["package"] == first.get_json()["params"]["package"]
    assert unkeyed.get_json() != first.get_json()
    assert (clash.status_code, clash.get_json()["code"]) == (409, "idempotency_conflict")
    assert len(till.attempts(order)) == 1


def test_refusals_have_a_code(till: Till, post: Post) -> None:
    paid = till.order(0)
    expired = till.order(expires_at=clock.now() - timedelta(minutes=1))
    order = till.order()
    client = till.app.test_client()

    answers = [
        post(f"orders/{paid.no}/payment"),
        post(f"orders/{expired.no}/payment"),
        post("orders/20261122NOSUCHNO/payment"),
        post(f"orders/{order.no}/payment", body={"channel": "cash"}),
        post(f"orders/{order.no}/payment", key="short"),
        client.post(f"/api/v1/orders/{order.no}/payment", json={}),
    ]

    assert [(a.status_code, a.get_json()["code"]) for a in answers] == [
        (409, "order_already_paid"),
        (410, "order_expired"),
        (404, "order_not_found"),
        (422, "invalid"),
        (422, "invalid"),
        (401, "not_logged_in"),
    ]
    assert till.attempts(order) == []


def test_without_an_answer_from_wechat_the_member_is_asked_to_come_again(
    till: Till, post: Post
) -> None:
    order = till.order()
    till.channel.fault(api="pay.prepay", kind="error")

    lost, found = post(f"orders/{order.no}/payment"), post(f"orders/{order.no}/payment")

    assert (lost.status_code, lost.get_json()["code"]) == (503, "wechat_unavailable")
    assert lost.headers["Retry-After"] == "5"
    assert found.status_code == 200
    assert len(till.attempts(order)) == 1
