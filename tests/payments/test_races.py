"""Races on a real server database, each beside a control that loses."""

import threading
from concurrent.futures import ThreadPoolExecutor, as_completed
from datetime import UTC, datetime
from itertools import islice

import pytest
from sqlalchemy import select, update

from core import database
from orders.models import Order, PaymentState
from payments import refunding, remote
from payments.errors import RefundTooMuch
from payments.models import AttemptState, Bill, PaymentAttempt
from tests.payments.conftest import Till

pytestmark = pytest.mark.mariadb


def now() -> datetime:
    return datetime.now(UTC)


def waiting_to_be_paid(till: Till) -> tuple[Order, dict[str, str]]:
    order = till.order(2500)
    sheet = remote.open_sheet(till.wechat, order.id, till.payer, description="茶", now=now())
    return order, sheet


def test_twenty_notices_at_once_settle_once(mariadb_till: Till) -> None:
    till = mariadb_till
    order, sheet = waiting_to_be_paid(till)
    till.channel.pay(sheet)
    notice = till.channel.next_notice()

    together = threading.Barrier(20)

    def deliver(_: int) -> int:
        together.wait()
        return till.deliver(notice)

    with ThreadPoolExecutor(20) as pool:
        statuses = list(pool.map(deliver, range(20)))

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


def test_the_control_settles_more_than_once(mariadb_till: Till) -> None:
    """Look, then write: every one of those who looked in time believes to be the first."""
    till = mariadb_till
    order, _ = waiting_to_be_paid(till)
    [attempt] = till.attempts(order)
    together = threading.Barrier(8)

    def naive(_: int) -> bool:
        with till.app.app_context(), database.transaction() as session:
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

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(naive, range(8))) == 8


def test_a_notice_a_query_and_a_cancellation_at_once(mariadb_till: Till) -> None:
    """Whoever is first: the money is kept once or goes back once, and nothing hangs."""
    till = mariadb_till
    order, sheet = waiting_to_be_paid(till)
    till.channel.pay(sheet)
    notice = till.channel.next_notice()
    [attempt] = till.attempts(order)

    def cancel() -> object:
        with till.app.app_context():
            return remote.cancel_order(
                till.wechat, order.id, actor="member:1", reason="不要了", now=now()
            )

    def ask() -> object:
        with till.app.app_context():
            return remote.check(till.wechat, attempt, now())

    with ThreadPoolExecutor(12) as pool:
        done = [pool.submit(till.deliver, notice) for _ in range(5)]
        done += [pool.submit(ask) for _ in range(5)] + [pool.submit(cancel)]
        for future in done:
            future.result(timeout=30)

    paid = till.read(order)
    assert (paid.payment_state, paid.paid_fen) == (PaymentState.paid, 2500)
    assert [refund.amount_fen for refund in till.refunds(order)] == [2500]
    assert till.ledger() == [("channel", 2500), ("sales", -2500)]


def test_racing_refunds_take_the_money_once(mariadb_till: Till) -> None:
    till = mariadb_till
    order, sheet = waiting_to_be_paid(till)
    till.channel.pay(sheet)
    till.deliver(till.channel.next_notice())

    def one(_: int) -> bool:
        with till.app.app_context():
            try:
                with database.transaction() as session:
                    paid = session.get_one(Order, order.id)
                    refunding.request(session, paid, 900, "缺货", "staff:7", now())
            except RefundTooMuch:
                return False
            return True

    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(one, range(16))) == 2

    assert [refund.amount_fen for refund in till.refunds(order)] == [900, 900]
    assert till.attempts(order)[0].refunded_fen == 1800


def test_parallel_sheets_share_one_attempt(mariadb_till: Till) -> None:
    till = mariadb_till
    order = till.order()

    def one(_: int) -> str:
        with till.app.app_context():
            return remote.open_sheet(
                till.wechat, order.id, till.payer, description="茶", now=now()
            )["signType"]

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(one, range(8))) == ["RSA"] * 8

    assert len(till.attempts(order)) == 1
