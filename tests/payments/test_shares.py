"""A table pays together: shares, the link, who pays them, and what comes back to whom."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select
from werkzeug.test import TestResponse

from core import clock, database
from core.outbox import enqueue
from crm.models import Member, Purchase
from merchants.models import Merchant
from orders.models import Order, OrderState, PaymentState
from payments import billing, refunding, splitting
from payments.errors import ShareNotFound, SplitInvalid
from payments.models import AttemptState, PaymentAttempt
from payments.queries import share_a_payer
from tests.factories.crm import make_member
from tests.payments.conftest import Till, log_in
from tests.payments.test_balance import has, top_up
from tests.payments.test_several_bills import bills

BALANCE = {"channel": "balance"}


@dataclass
class Phone:
    till: Till
    token: str
    member: Member

    def post(self, path: str, **body: Any) -> TestResponse:
        return self._call("post", path, json=body)

    def get(self, path: str) -> TestResponse:
        return self._call("get", path)

    def _call(self, verb: str, path: str, **more: Any) -> TestResponse:
        headers = {"Authorization": f"Bearer {self.token}"}
        client = self.till.app.test_client()
        answer: TestResponse = getattr(client, verb)(f"/api/v1/{path}", headers=headers, **more)
        return answer


@pytest.fixture
def orderer(till: Till) -> Phone:
    return Phone(till, log_in(till.member, "aqing"), till.member)


@pytest.fixture
def friend(till: Till) -> Phone:
    return guest(till, "xiaozhou")


def guest(till: Till, name: str) -> Phone:
    with database.transaction() as session:
        merchant = session.get_one(Merchant, till.member.merchant_id)
        member = make_member(session, merchant=merchant)
    return Phone(till, log_in(member, name), member)


def split(orderer: Phone, order: Order, shares: int = 3) -> str:
    answer = orderer.post(f"orders/{order.no}/split", shares=shares)
    assert answer.status_code == 200, answer.get_json()
    return str(answer.get_json()["split_token"])


def pay(phone: Phone, token: str, bill: int, **how: Any) -> None:
    """On the phone of whoever it is, and WeChat tells us."""
    sheet = phone.post(f"shares/{token}/payment", bill=bill, **how).get_json()["params"]
    person = "aqing" if phone.member.id == phone.till.member.id else "xiaozhou"
    phone.till.channel.pay(sheet, person=person)
    assert phone.till.deliver(phone.till.channel.next_notice()) == 204


def test_shares_are_exact_to_the_fen() -> None:
    assert splitting.equal_parts(10_000, 3) == [3_334, 3_333, 3_333]
    assert splitting.equal_parts(20, 20) == [1] * 20
    for fen in (2, 3, 19, 99, 12_345):
        for shares in range(2, min(fen, 20) + 1):
            parts = splitting.equal_parts(fen, shares)
            assert (sum(parts), len(parts), max(parts) - min(parts) <= 1) == (fen, shares, True)
    for fen, shares in ((1, 2), (10, 1), (10, 21), (19, 20)):
        with pytest.raises(SplitInvalid):
            splitting.equal_parts(fen, shares)


def test_three_pay_one_order_and_it_is_the_orderers(
    till: Till, orderer: Phone, friend: Phone
) -> None:
    order = till.order(10_000)
    token = split(orderer, order)

    pay(friend, token, 2)
    pay(friend, token, 3)
    part = friend.get(f"shares/{token}").get_json()
    pay(orderer, token, 4)

    assert [(s["bill"], s["amount_fen"], s["state"], s["mine"]) for s in part["shares"]] == [
        (2, 3_334, "paid", True),
        (3, 3_333, "paid", True),
        (4, 3_333, "open", False),
    ]
    assert (till.read(order).payment_state, till.read(order).paid_fen) == (
        PaymentState.paid,
        10_000,
    )
    assert friend.get(f"shares/{token}").get_json()["state"] == "paid"
    with database.reading() as session:
        bought = session.execute(select(Purchase.member_id, Purchase.amount_fen)).all()
        assert [tuple(each) for each in bought] == [(till.member.id, 10_000)]
    assert [attempt.member_id for attempt in till.attempts(order)] == [
        friend.member.id,
        friend.member.id,
        None,
    ]


def test_the_link_says_shop_and_sums_and_nothing_of_whose_order_it_is(
    till: Till, orderer: Phone, friend: Phone
) -> None:
    order = till.order(2_500, note="少冰，张三收")
    token = split(orderer, order, 2)

    answer = friend.get(f"shares/{token}")

    shown = answer.get_json()
    assert set(shown) == {
        *("shop", "store", "total_fen", "shares", "state", "expires_at", "balance_usable")
    }
    assert (shown["total_fen"], shown["state"]) == (2_500, "open")
    assert order.no not in answer.text
    assert "张三" not in answer.text
    assert friend.get(f"orders/{order.no}").status_code == 404
    assert friend.post(f"orders/{order.no}/payment", bill=2).status_code == 404
    seen = orderer.get(f"orders/{order.no}").get_json()
    assert [(b["kind"], b["amount_fen"], b["state"]) for b in seen["bills"]] == [
        ("share", 1_250, "open"),
        ("share", 1_250, "open"),
    ]
    assert (seen["split_token"], seen["can_split"]) == (token, False)


def test_who_has_no_link_or_is_no_member_of_this_shop_finds_nothing(
    till: Till, orderer: Phone, friend: Phone
) -> None:
    order = till.order(2_500)
    token = split(orderer, order, 2)
    wrong = f"{token[:-1]}{'0' if token[-1] != '0' else '1'}"

    answers = [
        friend.get(f"shares/{wrong}"),
        friend.post(f"shares/{wrong}/payment", bill=2),
        friend.post(f"orders/{order.no}/unsplit"),
        till.app.test_client().get(f"/api/v1/shares/{token}"),
    ]

    assert [answer.status_code for answer in answers] == [404, 404, 404, 401]
    assert till.attempts(order) == []
    with database.reading() as session:
        with pytest.raises(ShareNotFound):
            splitting.get_shared(session, token, till.member.merchant_id + 1)
        assert splitting.get_shared(session, token, till.member.merchant_id).no == order.no


def test_a_share_is_paid_with_the_stored_value_of_who_pays(
    till: Till, orderer: Phone, friend: Phone
) -> None:
    top_up(till)
    order = till.order(2_500)
    token = split(orderer, order, 2)

    poor = friend.post(f"shares/{token}/payment", bill=2, **BALANCE)
    rich = orderer.post(f"shares/{token}/payment", bill=2, **BALANCE)

    assert (poor.status_code, poor.get_json()["code"]) == (409, "not_enough_balance")
    assert rich.get_json()["show"] == "done"
    assert has(till)[0] == 12_000 - 1_250
    again = friend.post(f"shares/{token}/payment", bill=2, **BALANCE)
    assert again.get_json()["code"] == "order_already_paid"
    unnamed = friend.post(f"shares/{token}/payment", **BALANCE)
    assert unnamed.status_code == 422


def test_a_share_is_left_to_whoever_began_it_for_some_minutes(
    till: Till, orderer: Phone, friend: Phone
) -> None:
    order = till.order(2_500)
    token = split(orderer, order, 2)
    friend.post(f"shares/{token}/payment", bill=2)

    taken = orderer.post(f"orders/{order.no}/payment", bill=2, channel="wechat")

    assert (taken.status_code, taken.get_json()["code"]) == (409, "share_taken")
    seen = orderer.get(f"orders/{order.no}").get_json()
    assert [each["state"] for each in seen["bills"]] == ["taken", "open"]
    assert seen["payments"] == []
    with database.transaction() as session:
        [attempt] = session.scalars(select(PaymentAttempt))
        attempt.created_at = clock.now() - timedelta(minutes=4)
    mine = orderer.post(f"orders/{order.no}/payment", bill=2, channel="wechat")
    assert mine.status_code == 200
    assert [(a.member_id, a.state) for a in till.attempts(order)] == [
        (friend.member.id, AttemptState.closed),
        (None, AttemptState.pending),
    ]


def test_one_bill_again_only_while_nobody_has_paid(
    till: Till, orderer: Phone, friend: Phone
) -> None:
    order = till.order(2_500)
    orderer.post(f"orders/{order.no}/payment", channel="wechat")  # looked, and thought better of it
    first = split(orderer, order, 2)
    assert split(orderer, order, 2) == first
    other = orderer.post(f"orders/{order.no}/split", shares=4)
    assert (other.status_code, other.get_json()["code"]) == (409, "order_not_payable")

    joined = orderer.post(f"orders/{order.no}/unsplit").get_json()

    assert [(b["bill"], b["kind"], b["amount_fen"]) for b in joined["bills"]] == [
        (4, "whole", 2_500)
    ]
    assert (joined["can_split"], joined["split_token"]) == (True, None)
    assert friend.get(f"shares/{first}").status_code == 404
    second = split(orderer, order, 2)
    assert second != first
    pay(friend, second, 5)
    late = orderer.post(f"orders/{order.no}/unsplit")
    assert (late.status_code, late.get_json()["code"]) == (409, "order_not_payable")
    assert [state for *_, state in bills(order)][-2:] == ["paid", "open"]


@pytest.mark.parametrize("how", ["cancelled", "run out"])
def test_an_end_gives_every_share_back_to_its_own_payer(
    till: Till, orderer: Phone, friend: Phone, how: str
) -> None:
    top_up(till)
    order = till.order(2_500)
    token = split(orderer, order, 3)
    orderer.post(f"shares/{token}/payment", bill=2, **BALANCE)
    pay(friend, token, 3)

    if how == "cancelled":
        assert orderer.post(f"orders/{order.no}/cancel", reason="").status_code == 200
    else:
        with database.transaction() as session:
            session.get_one(Order, order.id).expires_at = clock.now() - timedelta(seconds=1)
            enqueue(session, "orders.expire", order_id=order.id)
        assert till.run_jobs("orders.expire")[-1] == "done"

    assert till.read(order).state is OrderState.cancelled
    back = {
        refund.attempt_id: (refund.channel_fen, refund.balance_fen)
        for refund in till.refunds(order)
    }
    mine, theirs = till.attempts(order)
    assert back == {mine.id: (0, 834), theirs.id: (833, 0)}
    told = orderer.get(f"orders/{order.no}").get_json()["refunds"]
    assert [(each["amount_fen"], each["to_friend"]) for each in told] == [(834, False), (833, True)]
    assert has(till) == (12_000, 2_000)
    till.run_jobs("payments.refund")
    assert till.asked(theirs).amount_fen == 833
    assert theirs.payer != till.means.payer
    gone = friend.get(f"shares/{token}").get_json()
    assert (gone["state"], gone["expires_at"]) == ("over", None)
    mine_first = [(share["mine"], share["back"]) for share in gone["shares"]]
    assert mine_first == [(False, "done"), (True, "coming")]  # stored value is back at once
    [no] = [each.out_refund_no for each in till.refunds(order) if each.channel_fen]
    till.channel.decide_refund(no, "SUCCESS")
    assert till.deliver(till.channel.next_notice()) == 204
    there = friend.get(f"shares/{token}").get_json()
    assert [share["back"] for share in there["shares"]] == ["done", "done"]


def test_a_part_that_goes_back_goes_to_everybody_who_paid(
    till: Till, orderer: Phone, friend: Phone
) -> None:
    order = till.order(10_000)
    token = split(orderer, order, 2)
    pay(orderer, token, 2)
    pay(friend, token, 3)

    with database.transaction() as session:
        same = session.get_one(Order, order.id)
        refunding.request(session, same, 4_001, "少做一份", "staff:1", clock.now())

    payers = {attempt.id: attempt.member_id for attempt in till.attempts(order)}
    back = {payers[refund.attempt_id]: refund.amount_fen for refund in till.refunds(order)}
    assert sorted(back.values()) == [2_000, 2_001]
    assert back.keys() == {None, friend.member.id}  # of the orderer's own no member is kept


def test_what_cannot_be_split_stays_as_it_is(till: Till, orderer: Phone) -> None:
    paid, poor = till.order(0), till.order(3)
    over = till.order(2_500, expires_at=clock.now() - timedelta(seconds=1))
    deposit = till.order(2_500)
    with database.transaction() as session:
        mine, now = session.get_one(Order, deposit.id), clock.now()
        billing.open_deposit(session, mine, 500, rest_by=now + timedelta(days=3), now=now)

    codes = [
        orderer.post(f"orders/{order.no}/split", shares=shares).get_json()["code"]
        for order, shares in ((paid, 2), (poor, 4), (over, 2), (deposit, 2), (poor, 1), (poor, 21))
    ]

    assert codes == [
        "split_invalid",
        "split_invalid",
        "order_expired",
        "order_not_payable",
        "invalid",
        "invalid",
    ]
    assert [len(bills(order)) for order in (paid, poor, over, deposit)] == [1, 1, 1, 3]


def test_one_bill_again_is_given_up_as_soon_as_any_other(till: Till, orderer: Phone) -> None:
    order = till.order(2_500)
    split(orderer, order, 2)
    assert till.read(order).expires_at - order.placed_at == timedelta(minutes=30)

    assert orderer.post(f"orders/{order.no}/unsplit").status_code == 200

    ends = till.read(order).expires_at
    assert ends <= clock.now() + timedelta(minutes=15)
    assert till.run_jobs("orders.expire") == ["later"]
    with database.transaction() as session:
        session.get_one(Order, order.id).expires_at = clock.now() - timedelta(seconds=1)
    assert till.run_jobs("orders.expire") == ["done"]
    assert till.read(order).state is OrderState.cancelled


def test_whoever_invited_and_pays_the_newcomers_share_is_seen(
    till: Till, orderer: Phone, friend: Phone
) -> None:
    order = till.order(2_500)
    token = split(orderer, order, 2)

    def alike(inviter: Phone, newcomer: Phone) -> bool:
        with database.reading() as session:
            return share_a_payer(session, inviter.member.id, newcomer.member.id)

    friend.post(f"shares/{token}/payment", bill=2)
    assert not alike(friend, orderer)
    pay(friend, token, 2)
    pay(orderer, token, 3)

    assert alike(friend, orderer)
    assert not alike(orderer, friend)
