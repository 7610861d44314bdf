"""A table at one order, all at once, on a real server database, each race beside a control."""

import threading
from datetime import UTC, datetime

import pytest
from sqlalchemy import func, select

from core import database
from payments.models import UNSETTLED, Bill, BillKind, BillState, PaymentAttempt
from tests.payments.conftest import Till, log_in
from tests.payments.test_shares import Phone, guest, split
from tests.racing import race

pytestmark = pytest.mark.mariadb


def orderer_of(till: Till) -> Phone:
    return Phone(till, log_in(till.member, "aqing"), till.member)


def test_two_who_pay_the_same_share_at_once_have_one_live_attempt(mariadb_till: Till) -> None:
    till = mariadb_till
    orderer, friend = orderer_of(till), guest(till, "xiaozhou")
    order = till.order(2_500)
    token = split(orderer, order, 2)

    answers = race(
        till.app,
        6,
        lambda i: (orderer, friend)[i % 2].post(f"shares/{token}/payment", bill=2),
    )

    codes = sorted((a.status_code, a.get_json().get("code", "")) for a in answers)
    assert codes == [(200, "")] * 3 + [(409, "share_taken")] * 3
    assert len(till.attempts(order)) == 1


def test_control_who_looks_first_and_then_begins_is_one_of_two(mariadb_till: Till) -> None:
    """Without the bill's lock both find that nobody is paying it."""
    till = mariadb_till
    order = till.order(2_500)
    together = threading.Barrier(2)

    def naive(_: int) -> bool:
        with database.transaction() as session:
            mine = select(func.count(PaymentAttempt.id)).join(Bill).where(Bill.order_id == order.id)
            free = session.scalar(mine) == 0
            together.wait()
            return free

    assert race(till.app, 2, naive) == [True, True]


def test_two_who_split_at_once_make_one_split(mariadb_till: Till) -> None:
    till = mariadb_till
    orderer = orderer_of(till)
    order = till.order(2_500)

    answers = race(
        till.app, 6, lambda i: orderer.post(f"orders/{order.no}/split", shares=2 + i % 2)
    )

    with database.reading() as session:
        mine = select(Bill).where(Bill.order_id == order.id, Bill.state == BillState.open)
        found = session.scalars(mine).all()
    assert {bill.kind for bill in found} == {BillKind.share}
    assert len(found) in (2, 3)
    assert sum(bill.amount_fen for bill in found) == 2_500
    codes = sorted((a.status_code, a.get_json().get("code", "")) for a in answers)
    assert codes == [(200, "")] * 3 + [(409, "order_not_payable")] * 3
    tokens = {a.get_json()["split_token"] for a in answers if a.status_code == 200}
    assert len(tokens) == 1


def test_control_splits_that_do_not_lock_ask_for_the_money_twice(mariadb_till: Till) -> None:
    till = mariadb_till
    order = till.order(2_500)
    together = threading.Barrier(2)

    def naive(i: int) -> None:
        with database.transaction() as session:
            is_whole = select(Bill.id).where(Bill.order_id == order.id, Bill.kind == BillKind.whole)
            assert session.scalar(is_whole) is not None
            together.wait()
            rows = {"order_id": order.id, "kind": BillKind.share, "created_at": datetime.now(UTC)}
            session.add_all(Bill(seq=10 * i + n, amount_fen=1_250, **rows) for n in (2, 3))

    race(till.app, 2, naive)

    with database.reading() as session:
        asked = select(func.sum(Bill.amount_fen)).where(Bill.kind == BillKind.share)
        assert session.scalar(asked.where(Bill.order_id == order.id)) == 5_000


def test_a_split_and_a_payment_at_once_leave_no_attempt_at_a_void_bill(mariadb_till: Till) -> None:
    """Whoever is first: the whole is being paid and the split waits for its end, or shares are."""
    till = mariadb_till
    orderer = orderer_of(till)
    order = till.order(2_500)

    def act(i: int) -> int:
        path = f"orders/{order.no}"
        if i % 2:
            return orderer.post(f"{path}/split", shares=2).status_code
        return orderer.post(f"{path}/payment", channel="wechat").status_code

    statuses = race(till.app, 6, act)

    assert set(statuses) <= {200, 409, 422}
    with database.reading() as session:
        stray = select(PaymentAttempt.id).join(Bill).where(Bill.state == BillState.void)
        assert session.scalars(stray.where(PaymentAttempt.state.in_(UNSETTLED))).all() == []
        mine = select(func.sum(Bill.amount_fen)).where(Bill.order_id == order.id)
        assert session.scalar(mine.where(Bill.state == BillState.open)) == 2_500
