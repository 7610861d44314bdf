"""Races on a real server database, each beside a control that loses."""

import threading
from concurrent.futures import ThreadPoolExecutor, as_completed
from datetime import UTC, datetime
from itertools import islice

import pytest
from sqlalchemy import select, update

from core import database
from orders.models import Order, OrderState, PaymentState
from payments import refunding, remote
from payments.errors import RefundTooMuch
from payments.models import AttemptState, Bill, Channel, PaymentAttempt
from tests.payments.conftest import Till
from tests.racing import race, refusals

pytestmark = pytest.mark.mariadb


def now() -> datetime:
    return datetime.now(UTC)


def waiting_to_be_paid(till: Till) -> tuple[Order, dict[str, str]]:
    order = till.order(2500)
    sheet = till.open(order)
    return order, sheet


def test_twenty_notices_at_once_settle_once(mariadb_till: Till) -> None:
    till = mariadb_till
    order, sheet = waiting_to_be_paid(till)
    till.channel.pay(sheet)
    notice = till.channel.next_notice()

    statuses = race(till.app, 20, lambda _: till.deliver(notice))

    assert statuses == [204] * 20
    assert till.read(order).payment_state is PaymentState.paid
    assert till.ledger() == [("channel", 2500), ("sales", -2500)]
    assert till.read(order).paid_fen == 2500
    assert till.queued().count("orders.after_paid") == 1


def test_nineteen_copies_do_not_wait_for_the_bill(mariadb_till: Till) -> None:
    """The bill is held: the first copy waits for it, the others are answered."""
    till = mariadb_till
    order, sheet = waiting_to_be_paid(till)
    till.channel.pay(sheet)
    notice = till.channel.next_notice()

    with ThreadPoolExecutor(20) as pool:
        with database.transaction() as session:
            session.execute(select(Bill).where(Bill.order_id == order.id).with_for_update())
            copies = [pool.submit(till.deliver, notice) for _ in range(20)]
            answered = list(islice(as_completed(copies, timeout=60), 19))
            assert till.ledger() == []
        statuses = [copy.result(timeout=60) for copy in copies]

    assert len(answered) == 19
    assert statuses == [204] * 20
    assert till.read(order).paid_fen == 2500
    assert till.ledger() == [("channel", 2500), ("sales", -2500)]


def test_control_notices_that_look_then_write_all_settle(mariadb_till: Till) -> None:
    """Every one of those who looked in time believes to be the first."""
    till = mariadb_till
    order, _ = waiting_to_be_paid(till)
    [attempt] = till.attempts(order)
    together = threading.Barrier(8)

    def naive(_: int) -> bool:
        with database.transaction() as session:
            state = session.scalar(
                select(PaymentAttempt.state).where(PaymentAttempt.id == attempt.id)
            )
            together.wait()
            session.execute(
                update(PaymentAttempt)
                .where(PaymentAttempt.id == attempt.id)
                .values(state=AttemptState.succeeded)
            )
            return state is AttemptState.pending

    assert race(till.app, 8, naive) == [True] * 8


def test_a_notice_a_query_and_a_cancellation_at_once(mariadb_till: Till) -> None:
    """Whoever is first: the money is kept once or goes back once, and nothing hangs."""
    till = mariadb_till
    order, sheet = waiting_to_be_paid(till)
    till.channel.pay(sheet)
    notice = till.channel.next_notice()
    [attempt] = till.attempts(order)

    def act(i: int) -> object:
        if i == 10:
            return remote.cancel_order(
                till.cashier, order.id, actor="member:1", reason="不要了", now=now()
            )
        return remote.check(till.cashier, attempt, now()) if i % 2 else till.deliver(notice)

    results = race(till.app, 11, act)

    assert refusals(results) == []
    assert results[:10:2] == [204] * 5
    paid = till.read(order)
    assert (paid.payment_state, paid.paid_fen) == (PaymentState.paid, 2500)
    assert [refund.amount_fen for refund in till.refunds(order)] == [2500]
    assert till.ledger() == [("channel", 2500), ("sales", -2500)]


def test_control_without_the_bill_an_order_ends_cancelled_and_paid(mariadb_till: Till) -> None:
    """Both looked at an open order; nobody gives the money back."""
    till = mariadb_till
    order, _ = waiting_to_be_paid(till)
    together = threading.Barrier(2)
    written = [
        {"state": OrderState.cancelled},
        {"payment_state": PaymentState.paid, "paid_fen": 2500},
    ]

    def naive(i: int) -> bool:
        with database.transaction() as session:
            seen = session.execute(
                select(Order.state, Order.payment_state).where(Order.id == order.id)
            ).one()
            together.wait()
            if seen != (OrderState.placed, PaymentState.unpaid):
                return False
            session.execute(update(Order).where(Order.id == order.id).values(written[i]))
            return True

    assert race(till.app, 2, naive) == [True, True]
    after = till.read(order)
    assert (after.state, after.payment_state) == (OrderState.cancelled, PaymentState.paid)
    assert till.refunds(order) == []


def paid_order(till: Till) -> Order:
    order, sheet = waiting_to_be_paid(till)
    till.channel.pay(sheet)
    assert till.deliver(till.channel.next_notice()) == 204
    return order


def test_racing_refunds_take_the_money_once(mariadb_till: Till) -> None:
    till = mariadb_till
    order = paid_order(till)

    def one(_: int) -> int:
        with database.transaction() as session:
            paid = session.get_one(Order, order.id)
            return refunding.request(session, paid, 900, "缺货", "staff:7", now()).amount_fen

    results = race(till.app, 16, one)

    assert refusals(results) == [RefundTooMuch.code] * 14
    assert [refund.amount_fen for refund in till.refunds(order)] == [900, 900]
    assert till.attempts(order)[0].refunded_fen == 1800


def test_control_refunds_that_look_then_write_give_back_too_much(mariadb_till: Till) -> None:
    till = mariadb_till
    order = paid_order(till)
    [attempt] = till.attempts(order)
    together = threading.Barrier(16)

    def naive(_: int) -> int:
        with database.transaction() as session:
            mine = session.get_one(PaymentAttempt, attempt.id)
            together.wait()
            if mine.refunded_fen + 900 > mine.amount_fen:
                return 0
            mine.refunded_fen += 900
            return 900

    assert race(till.app, 16, naive) == [900] * 16
    assert till.attempts(order)[0].refunded_fen == 900


def test_parallel_sheets_share_one_attempt(mariadb_till: Till) -> None:
    till = mariadb_till
    order = till.order()

    def one(_: int) -> str:
        sheet = till.open(order)
        return sheet["signType"]

    assert race(till.app, 8, one) == ["RSA"] * 8
    assert len(till.attempts(order)) == 1


def test_control_without_the_bill_every_sheet_has_an_attempt(mariadb_till: Till) -> None:
    """Nor with the unique key on a live attempt, which these leave out."""
    till = mariadb_till
    order = till.order()
    bill = till.bill(order)
    together = threading.Barrier(8)

    def naive(i: int) -> bool:
        with database.transaction() as session:
            found = session.scalar(
                select(PaymentAttempt.id).where(PaymentAttempt.bill_id == bill.id)
            )
            together.wait()
            if found is None:
                session.add(
                    PaymentAttempt(
                        out_trade_no=f"P{i}",
                        bill_id=bill.id,
                        channel=Channel.wechat,
                        amount_fen=bill.amount_fen,
                        channel_fen=bill.amount_fen,
                        expires_at=order.expires_at,
                        created_at=now(),
                    )
                )
            return found is None

    assert race(till.app, 8, naive) == [True] * 8
    assert len(till.attempts(order)) == 8
