"""Our own books of a day: what is in order is not reported, what is not, is."""

from datetime import timedelta

import pytest
from sqlalchemy import select, update

from core import clock, database
from core.clock import business_day
from coupons.models import Coupon, CouponState
from crm.models import BalanceHold, HoldState
from merchants.models import Merchant
from orders.models import Order, PaymentState
from payments import refunding
from payments.models import AttemptState, PaymentAttempt
from payments.models.statements import StatementKind, StatementState
from tests.factories.coupons import make_coupon, make_template
from tests.payments.conftest import Till
from tests.payments.test_balance import BALANCE, mixed, top_up
from tests.payments.test_recon import both, differences, run
from tests.payments.test_several_bills import pay, split

__all__ = ["both"]
TODAY = business_day(clock.now())
TOMORROW = clock.now() + timedelta(days=1)


def inner(till: Till, kind: StatementKind) -> StatementState:
    return run(till, kind, TODAY, TOMORROW).state


@pytest.mark.parametrize("part", [400, 1_000])
def test_stored_value_that_paid_and_went_back_is_no_difference(both: Till, part: int) -> None:
    top_up(both)
    order = both.order(1_000)
    both.open(order, BALANCE)
    with database.transaction() as session:
        mine = session.get_one(Order, order.id)
        refunding.request(session, mine, part, reason="", actor="staff:1", now=clock.now())
    with database.reading() as session:
        state = session.scalars(select(BalanceHold.state)).one()
    assert state is (HoldState.returned if part == 1_000 else HoldState.spent)

    assert inner(both, StatementKind.balance) is StatementState.matched
    assert differences() == []

    with database.transaction() as session:
        session.execute(update(BalanceHold).values(amount_fen=BalanceHold.amount_fen + 1))
    assert inner(both, StatementKind.balance) is StatementState.differs
    assert differences() == [("amount", "balance", order.no, "open", 1_000, 1_001)]


def test_stored_value_that_is_kept_for_a_payment_which_is_over_is_found(both: Till) -> None:
    top_up(both)
    order = both.order(2_500)
    both.open(order, mixed(both, 1_000))
    assert inner(both, StatementKind.balance) is StatementState.matched  # it may still be paid

    with database.transaction() as session:
        session.execute(
            update(PaymentAttempt)
            .where(PaymentAttempt.balance_fen > 0)
            .values(state=AttemptState.closed)
        )
    assert inner(both, StatementKind.balance) is StatementState.differs
    assert differences() == [("state", "balance", order.no, "open", 0, 1_000)]


def test_the_coupon_of_an_order_that_is_paid_in_part_stays_locked(both: Till) -> None:
    order = both.order(2_500)
    with database.transaction() as session:
        template = make_template(session, session.get_one(Merchant, both.store.merchant_id))
        coupon = make_coupon(session, both.member, template)
        session.flush()
        session.execute(
            update(Coupon)
            .where(Coupon.id == coupon.id)
            .values(state=CouponState.locked, order_id=order.id)
        )
        session.execute(update(Order).where(Order.id == order.id).values(coupon_id=coupon.id))
    split(order, 1_000, 1_500)
    pay(both, order)
    assert both.read(order).payment_state is PaymentState.part_paid

    assert inner(both, StatementKind.coupons) is StatementState.matched
    assert differences() == []

    with database.transaction() as session:
        session.execute(update(Order).values(payment_state=PaymentState.paid))
    assert inner(both, StatementKind.coupons) is StatementState.differs
    assert [row[:3] for row in differences()] == [("state", "coupon", order.no)]
