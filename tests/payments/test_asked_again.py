"""What failed and is asked for again by the form: back to the payer, and the way, it was for."""

import pytest
from sqlalchemy import select

from core import clock, database
from core.security_events import SecurityEvent
from orders.models import Order
from payments import remote
from payments.errors import RefundNotStuck, RefundTooMuch
from payments.models import Refund, RefundState
from payments.refunding import proposing
from payments.refunding.wanted import free
from tests.payments.conftest import Till
from tests.payments.test_balance import assert_books_agree, has, mixed, top_up
from tests.payments.test_failed_refunds import ask, fail, finish, restart, stuck_ones
from tests.payments.test_several_bills import pay, split


def table(till: Till, *shares: int) -> Order:
    """Each share was paid by somebody, and nothing went back yet."""
    order = till.order(sum(shares))
    split(order, *shares)
    for _ in shares:
        pay(till, order)
    return order


def gone(till: Till, order: Order) -> list[int]:
    return [attempt.refunded_fen for attempt in till.attempts(order)]


def of_batch(till: Till, order: Order, first: Refund) -> list[tuple[int, int | None]]:
    """Which payment of the table gets how much, and what it is asked for in the place of."""
    ids = [attempt.id for attempt in till.attempts(order)]
    mine = [each for each in till.refunds(order) if each.batch == first.batch]
    rows = [(ids.index(each.attempt_id), each.amount_fen, each.replaces_id) for each in mine]
    return [(fen, replaces) for _, fen, replaces in sorted(rows)]


def test_what_failed_for_one_of_a_table_goes_to_them_alone(till: Till) -> None:
    order = table(till, 5_000, 5_000)
    ask(order, 4_000)
    mine, _ = till.refunds(order)
    fail(mine)
    assert sorted(gone(till, order)) == [0, 2_000]

    again = ask(order, 2_000)

    assert (again.attempt_id, again.amount_fen) == (mine.attempt_id, 2_000)
    assert again.replaces_id == mine.id
    assert gone(till, order) == [2_000, 2_000]
    assert stuck_ones(till, order) == []
    with pytest.raises(RefundNotStuck):
        restart(mine)
    ask(order, 6_000)
    assert gone(till, order) == [5_000, 5_000]


def test_of_several_that_failed_each_is_asked_for_by_itself_or_all_at_once(till: Till) -> None:
    order = table(till, 4_000, 3_000, 2_000)
    ask(order, 4_500)
    ids = [attempt.id for attempt in till.attempts(order)]
    largest, middle, _ = sorted(till.refunds(order), key=lambda each: ids.index(each.attempt_id))
    fail(largest)
    fail(middle)
    assert gone(till, order) == [0, 0, 1_000]

    one = ask(order, 1_500)
    assert (one.attempt_id, one.replaces_id) == (ids[1], middle.id)
    fail(one)
    both = ask(order, 3_500)

    assert of_batch(till, order, both) == [(2_000, largest.id), (1_500, one.id)]
    assert gone(till, order) == [2_000, 1_500, 1_000]
    assert stuck_ones(till, order) == []


def test_another_sum_goes_first_to_whoever_got_less_than_the_others(till: Till) -> None:
    order = table(till, 5_000, 5_000)
    ask(order, 4_000)
    mine, _ = till.refunds(order)
    fail(mine)

    ask(order, 1_000)
    part = {each.id: each.refunded_fen for each in till.attempts(order)}
    ask(order, 3_001)

    assert part[mine.attempt_id] == 1_000
    assert sorted(part.values()) == [1_000, 2_000]
    assert sorted(gone(till, order)) == [3_000, 3_001]
    assert stuck_ones(till, order) == [mine.id]  # of another sum: it stays to be decided upon


def test_what_failed_of_a_mixed_payment_goes_to_the_channel_that_it_was_for(till: Till) -> None:
    top_up(till)
    order = till.order(3_000)
    till.channel.pay(till.open(order, mixed(till, 2_000)))
    till.deliver(till.channel.next_notice())
    failed = ask(order, 2_000)
    fail(failed)

    again = ask(order, 667)

    assert (again.channel_fen, again.balance_fen, again.replaces_id) == (667, 0, failed.id)
    assert stuck_ones(till, order) == []
    assert has(till)[0] == 12_000 - 2_000 + 1_333


def test_what_went_out_by_hand_and_by_the_channel_too_leaves_the_rest_to_be_given_back(
    till: Till,
) -> None:
    top_up(till)
    order = till.order(3_000)
    till.channel.pay(till.open(order, mixed(till, 2_000)))
    till.deliver(till.channel.next_notice())
    failed = ask(order, 2_000)
    till.run_jobs("payments.refund")
    fail(failed)
    assert finish(failed).channel_fen == 667
    till.channel.decide_refund(failed.out_refund_no, "SUCCESS")
    assert remote.check_refund(till.cashier, failed.id, clock.now()) == "refunded"
    with database.reading() as session:
        assert session.scalars(select(SecurityEvent.kind)).all() == ["refund_after_failure"]
        mine = session.get_one(Order, order.id)
        [left] = proposing.list_sources(session, order.id)
        assert (left.channel_fen, left.balance_fen) == (0, 333)
        with pytest.raises(RefundTooMuch):
            proposing.propose(session, mine, free(334))

    done = ask(order, 100)
    ask(order, 233)

    assert (done.state, done.channel_fen, done.balance_fen) == (RefundState.succeeded, 0, 100)
    assert has(till)[0] == 12_000 - 2_000 + 1_333 + 333
    assert gone(till, order) == [3_000]
    with pytest.raises(RefundTooMuch):
        ask(order, 1)
    assert_books_agree(till)
