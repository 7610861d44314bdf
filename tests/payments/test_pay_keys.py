"""Who pays again under the same key, or names no bill, never pays something else by that."""

from datetime import timedelta

import pytest

from core import clock, database
from orders.models import Order, PaymentState
from payments import billing
from tests.payments.conftest import Post, Till
from tests.payments.test_balance import has, top_up

BALANCE = {"channel": "balance"}


@pytest.fixture
def order(till: Till) -> Order:
    """In two: a deposit, number 2, and the rest, number 3; there is money to pay both."""
    top_up(till)
    order, now = till.order(2_500), clock.now()
    with database.transaction() as session:
        mine, rest_by = session.get_one(Order, order.id), now + timedelta(days=3)
        billing.open_deposit(session, mine, 500, rest_by=rest_by, now=now)
    return order


def test_who_names_none_of_several_bills_is_told_them(till: Till, post: Post, order: Order) -> None:
    answer = post(f"orders/{order.no}/payment", body=BALANCE, key="pay-key-1")

    told = answer.get_json()
    assert (answer.status_code, told["code"]) == (422, "bill_required")
    assert told["bills"] == [
        {"bill": 2, "kind": "deposit", "amount_fen": 500},
        {"bill": 3, "kind": "rest", "amount_fen": 2_000},
    ]
    assert (till.attempts(order), has(till)) == ([], (12_000, 2_000))
    named = post(f"orders/{order.no}/payment", body={**BALANCE, "bill": 2}, key="pay-key-2")
    assert named.get_json() == {"show": "done", "params": {}}


@pytest.mark.parametrize("key", ["pay-key-1", ""])
def test_the_deposit_paid_twice_is_one_deposit(
    till: Till, post: Post, order: Order, key: str
) -> None:
    path, body = f"orders/{order.no}/payment", {**BALANCE, "bill": 2}

    answers = [post(path, body=body, key=key) for _ in range(2)]

    assert [each.get_json() for each in answers] == [{"show": "done", "params": {}}] * 2
    assert (till.read(order).payment_state, has(till)[0]) == (PaymentState.part_paid, 11_500)
    assert [each.amount_fen for each in till.attempts(order)] == [500]


def test_a_key_that_was_used_for_something_else_moves_nothing(
    till: Till, post: Post, order: Order
) -> None:
    path = f"orders/{order.no}/payment"
    post(path, body={**BALANCE, "bill": 2}, key="pay-key-1")

    clash = post(path, body={**BALANCE, "bill": 3}, key="pay-key-1")

    assert (clash.status_code, clash.get_json()["code"]) == (409, "idempotency_conflict")
    assert (till.read(order).paid_fen, has(till)[0]) == (500, 11_500)


def test_a_key_whose_payment_is_answered_asks_nobody_again(till: Till, post: Post) -> None:
    order, path = till.order(2_500), "orders/{}/payment"
    first = post(path.format(order.no), key="pay-key-1")
    till.channel.fault(api="pay.prepay", kind="error")

    again = post(path.format(order.no), key="pay-key-1")

    assert again.get_json() == first.get_json()
    assert len(till.attempts(order)) == 1


def test_a_try_that_died_before_its_answer_goes_on_under_its_key(till: Till, post: Post) -> None:
    order = till.order(2_500)
    path = f"orders/{order.no}/payment"
    till.channel.fault(api="pay.prepay", kind="error")
    lost = post(path, key="pay-key-1")

    again = post(path, key="pay-key-1")

    assert (lost.status_code, again.status_code) == (503, 200)
    assert again.get_json()["show"] == "sheet"
    assert len(till.attempts(order)) == 1
