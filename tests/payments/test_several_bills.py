"""An order with several bills: each is paid by itself, the order is paid when all are."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select

from core import clock, database
from crm.models import Purchase
from orders.models import Order, OrderState, PaymentState
from payments import billing, refunding, remote
from payments.attempts import Means
from payments.errors import (
    AlreadyPaid,
    BillNotFound,
    BillsInvalid,
    NothingToRefund,
    NotPayable,
    PaymentInProgress,
)
from payments.models import AttemptState, Bill, BillKind, BillState
from sandbox.people import openid_of
from tests.payments.conftest import MINI, Till


def bills(order: Order) -> list[tuple[int, BillKind, int, BillState]]:
    with database.reading() as session:
        found = session.scalars(select(Bill).where(Bill.order_id == order.id).order_by(Bill.seq))
        return [(bill.seq, bill.kind, bill.amount_fen, bill.state) for bill in found]


def split(order: Order, *shares: int) -> None:
    with database.transaction() as session:
        billing.split(session, session.get_one(Order, order.id), shares, now=clock.now())


def with_deposit(till: Till) -> Order:
    order = till.order(2_500)
    with database.transaction() as session:
        mine, now = session.get_one(Order, order.id), clock.now()
        rest_by = now + timedelta(days=3)
        billing.open_deposit(session, mine, 500, rest_by=rest_by, now=now)
    return order


def pay(till: Till, order: Order, means: Means | None = None, *, person: str = "aqing") -> None:
    till.channel.pay(till.open(order, means), person=person)
    assert till.deliver(till.channel.next_notice()) == 204


def test_a_deposit_and_the_rest_pay_the_order_together(till: Till) -> None:
    order = with_deposit(till)
    assert bills(order) == [
        (1, BillKind.whole, 2_500, BillState.void),
        (2, BillKind.deposit, 500, BillState.open),
        (3, BillKind.rest, 2_000, BillState.open),
    ]

    pay(till, order)

    part = till.read(order)
    assert (part.payment_state, part.paid_fen, part.paid_at) == (
        PaymentState.part_paid,
        500,
        None,
    )
    assert part.expires_at - clock.now() > timedelta(days=2)
    assert "orders.after_paid" not in till.queued()
    pay(till, order)
    paid = till.read(order)
    assert (paid.payment_state, paid.paid_fen, paid.state) == (
        PaymentState.paid,
        2_500,
        OrderState.placed,
    )
    assert [state for *_, state in bills(order)] == [
        BillState.void,
        BillState.paid,
        BillState.paid,
    ]
    assert till.queued().count("orders.after_paid") == 1
    with database.reading() as session:
        assert session.scalars(select(Purchase.amount_fen)).all() == [2_500]
    assert till.ledger() == [
        ("channel", 500), ("sales", -500), ("channel", 2_000), ("sales", -2_000),
    ]  # fmt: skip
    with pytest.raises(AlreadyPaid):
        till.open(order)


def test_two_people_pay_their_shares_at_the_same_time(till: Till) -> None:
    order = till.order(2_500)
    split(order, 1_000, 1_500)
    other = replace(till.means, payer=openid_of(MINI, "xiaozhou"))

    def sheet(means: Means, seq: int) -> dict[str, str]:
        opening = remote.open_payment(
            till.cashier, order.id, means, description="茶", now=clock.now(), seq=seq
        )
        return dict(opening.params)

    first, second = sheet(till.means, 2), sheet(other, 3)
    till.channel.pay(second, person="xiaozhou")
    till.channel.pay(first)

    for _ in range(2):
        assert till.deliver(till.channel.next_notice()) == 204
    assert till.read(order).payment_state is PaymentState.paid
    assert [(a.amount_fen, a.state) for a in till.attempts(order)] == [
        (1_000, AttemptState.succeeded),
        (1_500, AttemptState.succeeded),
    ]
    with pytest.raises(BillNotFound):
        sheet(other, 4)


def test_an_order_that_is_paid_in_part_and_cancelled_gives_back_what_was_paid(till: Till) -> None:
    order = with_deposit(till)
    pay(till, order)
    sheet = till.open(order)

    remote.cancel_order(till.cashier, order.id, actor="member:1", reason="不要了", now=clock.now())

    assert [state for *_, state in bills(order)] == [
        BillState.void,
        BillState.paid,
        BillState.void,
    ]
    [refund] = till.refunds(order)
    assert (refund.amount_fen, till.read(order).state) == (500, OrderState.cancelled)
    till.run_jobs("payments.refund")
    till.channel.decide_refund(refund.out_refund_no, "SUCCESS")
    assert till.deliver(till.channel.next_notice()) == 204
    ended = till.read(order)
    assert (ended.payment_state, ended.refunded_fen) == (PaymentState.refunded, 500)
    assert (
        till.channel.client.post(
            "/sandbox/api/people/aqing/pay", json={"appid": MINI, "outcome": "ok", **sheet}
        ).status_code
        != 200
    )


def test_the_rest_that_nobody_pays_in_time_cancels_the_order(till: Till) -> None:
    order = with_deposit(till)
    pay(till, order)
    with database.transaction() as session:
        session.get_one(Order, order.id).expires_at = clock.now() - timedelta(seconds=1)

    assert till.run_jobs("orders.expire") == ["done"]

    assert till.read(order).state is OrderState.cancelled
    assert [refund.amount_fen for refund in till.refunds(order)] == [500]


def test_what_is_paid_in_part_is_cancelled_and_not_refunded(till: Till) -> None:
    order = with_deposit(till)
    pay(till, order)

    with pytest.raises(NothingToRefund), database.transaction() as session:
        mine = session.get_one(Order, order.id)
        refunding.request(session, mine, 100, "缺货", "staff:7", clock.now())

    assert till.refunds(order) == []


@pytest.mark.parametrize("shares", [(), (2_500, 0), (1_000, 1_499), (3_000, -500)])
def test_shares_that_are_not_the_whole_change_nothing(till: Till, shares: tuple[int, ...]) -> None:
    order = till.order(2_500)

    with pytest.raises(BillsInvalid):
        split(order, *shares)

    assert bills(order) == [(1, BillKind.whole, 2_500, BillState.open)]


def test_a_bill_that_somebody_pays_or_has_split_stays_as_it_is(till: Till) -> None:
    order, again = till.order(2_500), till.order(2_500)
    till.open(order)
    split(again, 1_000, 1_500)

    with pytest.raises(PaymentInProgress):
        split(order, 1_000, 1_500)
    with pytest.raises(NotPayable):
        split(again, 1_250, 1_250)

    assert len(bills(order)) == 1
    assert [fen for _, _, fen, _ in bills(again)] == [2_500, 1_000, 1_500]
