"""A refund that failed stays to be seen until its own money went back, whatever else does."""

import pytest

from core import clock, database
from core.database import transaction
from orders.models import Order, OrderState
from payments import refunding, remote
from payments.errors import RefundNotStuck, RefundTooMuch
from payments.models import Refund, RefundState
from payments.refunding import listing, stuck
from tests.payments.conftest import Till
from tests.payments.test_several_bills import pay, split
from tests.racing import race, refusals


def stuck_ones(till: Till, order: Order) -> list[int]:
    with database.reading() as session:
        found = [each for each in till.refunds(order) if stuck.is_stuck(session, each, clock.now())]
        number = listing.count_stuck(session, order.merchant_id, [order.store_id], clock.now())
    assert number == len(found)
    return [each.id for each in found]


def fail(refund: Refund) -> None:
    with transaction() as session:
        assert refunding.fail(session, refund.id, "USER_ACCOUNT_ABNORMAL", clock.now())


def ask(order: Order, fen: int) -> Refund:
    with transaction() as session:
        mine = session.get_one(Order, order.id)
        return refunding.request(session, mine, fen, "洒了", "staff:1", clock.now())


def restart(refund: Refund) -> Refund:
    with transaction() as session:
        mine = session.get_one(Refund, refund.id)
        return stuck.restart(session, mine, actor="staff:1", now=clock.now())


def finish(refund: Refund) -> Refund:
    with transaction() as session:
        mine = session.get_one(Refund, refund.id)
        return stuck.finish_by_hand(session, mine, "现金", actor="staff:1", now=clock.now())


def two_of_three(till: Till) -> tuple[Order, Refund, Refund]:
    """A table of three of whom two have paid: it is cancelled, and both payments go back."""
    order = till.order(3_000)
    split(order, 1_000, 1_000, 1_000)
    pay(till, order)
    pay(till, order)
    remote.cancel_order(till.cashier, order.id, actor="member:1", reason="不来了", now=clock.now())
    one, other = till.refunds(order)
    assert till.read(order).state is OrderState.cancelled
    return order, one, other


def test_what_one_cancellation_gives_back_is_one_batch(till: Till) -> None:
    _, one, other = two_of_three(till)

    assert (one.batch, other.batch) == (one.out_refund_no, one.out_refund_no)


def test_a_failed_one_of_two_is_seen_and_started_again(till: Till) -> None:
    order, one, _ = two_of_three(till)
    fail(one)
    assert stuck_ones(till, order) == [one.id]

    going = restart(one)

    assert (going.replaces_id, going.amount_fen) == (one.id, 1_000)
    assert stuck_ones(till, order) == []
    assert [a.refunded_fen for a in till.attempts(order)] == [1_000, 1_000]
    with pytest.raises(RefundNotStuck):
        restart(one)
    with pytest.raises(RefundNotStuck):
        finish(one)
    assert len(till.refunds(order)) == 3


def test_what_failed_of_a_cancelled_order_is_asked_for_by_the_form_too(till: Till) -> None:
    order, one, _ = two_of_three(till)
    fail(one)

    again = ask(order, 1_000)

    assert (again.attempt_id, again.replaces_id) == (one.attempt_id, one.id)
    assert stuck_ones(till, order) == []
    with pytest.raises(RefundTooMuch):
        ask(order, 1)


def test_another_refund_of_the_order_hides_none_that_failed(till: Till) -> None:
    order = till.order(2_500)
    pay(till, order)
    failed = ask(order, 1_000)
    fail(failed)

    ask(order, 200)

    assert stuck_ones(till, order) == [failed.id]
    assert finish(failed).amount_fen == 1_000
    assert stuck_ones(till, order) == []
    assert till.attempts(order)[0].refunded_fen == 1_200


def test_what_went_back_otherwise_can_t_go_back_again(till: Till) -> None:
    order = till.order(2_500)
    pay(till, order)
    failed = ask(order, 1_000)
    fail(failed)
    ask(order, 2_000)
    assert stuck_ones(till, order) == [failed.id]

    for act in (restart, finish):
        with pytest.raises(RefundTooMuch):
            act(failed)
    ask(order, 500)

    assert stuck_ones(till, order) == []
    for act in (restart, finish):
        with pytest.raises(RefundNotStuck):
            act(failed)
    assert [(r.amount_fen, r.state) for r in till.refunds(order)] == [
        (1_000, RefundState.failed),
        (2_000, RefundState.requested),
        (500, RefundState.requested),
    ]


@pytest.mark.mariadb
def test_restarts_and_refunds_at_once_give_the_money_back_once(mariadb_till: Till) -> None:
    """Fifteen at once, each of whom the payment could serve: the money goes back once."""
    till = mariadb_till
    order = till.order(2_500)
    pay(till, order)
    failed = ask(order, 1_500)
    fail(failed)

    def act(i: int) -> int:
        if i % 3 == 2:
            return ask(order, 1_500).amount_fen
        return (restart, finish)[i % 3](failed).amount_fen

    results = race(till.app, 15, act)

    assert len(refusals(results)) == 14
    assert till.attempts(order)[0].refunded_fen == 1_500
    alive = [r.amount_fen for r in till.refunds(order) if r.state is not RefundState.failed]
    assert alive == [1_500]
