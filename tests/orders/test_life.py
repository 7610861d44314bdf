"""What happens to an order after placing: paid, refunded, cancelled, expired, handed over."""

from datetime import datetime

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from catalogue.models import HoldState, StockHold
from core.database import claim
from core.lockouts import LockedOut
from core.outbox import OutboxJob
from coupons.models import Coupon, CouponState
from crm.models import Purchase
from orders import cancelling, handover, paying
from orders.errors import WrongPickupCode, WrongState
from orders.models import NEXT, HistoryKind, Order, OrderHistory, OrderState, PaymentState
from tests.factories.catalogue import available
from tests.factories.coupons import make_coupon, make_template
from tests.orders.shop import Shop

CLERK = "staff:7"


def place_with_coupon(shop: Shop, now: datetime) -> tuple[Order, Coupon]:
    coupon = make_coupon(shop.session, shop.member, make_template(shop.session, shop.merchant))
    return shop.place(now, 2, coupon_id=coupon.id), coupon


def jobs(session: Session) -> list[str]:
    names = session.scalars(select(OutboxJob.name).order_by(OutboxJob.id))
    return [name for name in names if name.startswith("orders")]


def moves(session: Session) -> list[tuple[str, str]]:
    rows = session.scalars(select(OrderHistory).order_by(OrderHistory.id))
    return [(row.before, row.after) for row in rows]


def test_paid_once_with_everything_that_follows(
    session: Session, shop: Shop, now: datetime
) -> None:
    order, coupon = place_with_coupon(shop, now)

    assert paying.mark_paid(session, order, amount_fen=3600, now=now) is True
    assert paying.mark_paid(session, order, amount_fen=3600, now=now) is False

    assert (order.payment_state, order.paid_fen, order.paid_at) == (PaymentState.paid, 3600, now)
    session.refresh(coupon)
    assert coupon.state is CouponState.redeemed
    assert session.scalars(select(StockHold.state)).all() == [HoldState.sold]
    assert session.scalars(select(Purchase.amount_fen)).all() == [3600]
    assert jobs(session) == ["orders.expire", "orders.after_paid"]
    assert moves(session) == [("", "placed"), ("unpaid", "paid")]


@pytest.mark.parametrize("amount_fen", [0, 2199, 2201])
def test_another_amount_than_is_due_pays_nothing(
    session: Session, shop: Shop, now: datetime, amount_fen: int
) -> None:
    order = shop.place(now)

    with pytest.raises(ValueError, match="2200 are due"):
        paying.mark_paid(session, order, amount_fen=amount_fen, now=now)

    session.refresh(order)
    assert (order.payment_state, order.paid_fen, order.paid_at) == (PaymentState.unpaid, 0, None)
    assert session.scalars(select(StockHold.state)).all() == [HoldState.held]
    assert (jobs(session), moves(session)) == (["orders.expire"], [("", "placed")])


def test_too_late_after_it_was_cancelled(session: Session, shop: Shop, now: datetime) -> None:
    order, coupon = place_with_coupon(shop, now)
    cancel = {"actor": "system", "reason": "超时未付款", "now": now}

    assert cancelling.cancel(session, order, **cancel) is True
    assert cancelling.cancel(session, order, **cancel) is False
    assert paying.mark_paid(session, order, amount_fen=3600, now=now) is False

    session.refresh(coupon)
    assert (order.state, order.paid_fen) == (OrderState.cancelled, 0)
    assert order.cancel_reason == "超时未付款"
    assert (coupon.state, coupon.order_id) == (CouponState.issued, None)
    assert available(session, shop.store, shop.tea) == 10


def test_who_saw_it_unpaid_cannot_cancel_it_paid(
    session: Session, shop: Shop, now: datetime
) -> None:
    order = shop.place(now)
    claim(session, update(Order).values(payment_state=PaymentState.paid, paid_fen=2200))

    moved = cancelling.cancel(session, order, actor="system", reason="超时未付款", now=now)

    assert moved is False
    assert order.state is OrderState.placed
    assert available(session, shop.store, shop.tea) == 9


def test_cancelled_before_it_is_made_and_refunded(
    session: Session, shop: Shop, now: datetime
) -> None:
    order, coupon = place_with_coupon(shop, now)
    paying.mark_paid(session, order, amount_fen=3600, now=now)

    assert cancelling.cancel(session, order, actor=CLERK, reason="断货", now=now) is True
    session.refresh(coupon)
    assert coupon.state is CouponState.redeemed
    assert paying.record_refund(session, order, 3600, now) is True
    assert paying.record_refund(session, order, 1, now) is False

    session.refresh(coupon)
    assert (order.payment_state, order.refunded_fen) == (PaymentState.refunded, 3600)
    assert coupon.state is CouponState.issued
    assert available(session, shop.store, shop.tea) == 10
    assert session.scalars(select(Purchase.refunded_fen)).all() == [3600]


def test_what_was_made_does_not_go_back_on_the_shelf(
    session: Session, shop: Shop, now: datetime
) -> None:
    order = shop.place(now)
    paying.mark_paid(session, order, amount_fen=2200, now=now)
    handover.accept(session, order, actor=CLERK, now=now)
    handover.start(session, order, actor=CLERK, now=now)

    cancelling.cancel(session, order, actor=CLERK, reason="洒了", now=now)

    assert available(session, shop.store, shop.tea) == 9


def test_part_refunds_add_up(session: Session, shop: Shop, now: datetime) -> None:
    order, coupon = place_with_coupon(shop, now)
    paying.mark_paid(session, order, amount_fen=3600, now=now)

    assert paying.record_refund(session, order, 1000, now) is True
    assert order.payment_state is PaymentState.part_refunded
    assert paying.record_refund(session, order, 2601, now) is False
    assert paying.record_refund(session, order, 2600, now) is True

    session.refresh(coupon)
    assert order.payment_state is PaymentState.refunded
    assert coupon.state is CouponState.issued


def test_from_accepted_to_the_customers_hands(session: Session, shop: Shop, now: datetime) -> None:
    order = shop.place(now)
    with pytest.raises(WrongState):
        handover.accept(session, order, actor=CLERK, now=now)
    paying.mark_paid(session, order, amount_fen=2200, now=now)

    handover.accept(session, order, actor=CLERK, now=now)
    with pytest.raises(WrongState):
        handover.accept(session, order, actor=CLERK, now=now)
    with pytest.raises(WrongState):
        handover.complete(session, order, code=order.pickup_code, actor=CLERK, now=now)
    handover.start(session, order, actor=CLERK, now=now)
    handover.ready(session, order, actor=CLERK, now=now)
    with pytest.raises(WrongPickupCode):
        handover.complete(session, order, code="nonsense", actor=CLERK, now=now)
    spaced = f" {order.pickup_code[:3]} {order.pickup_code[3:]} "
    handover.complete(session, order, code=spaced, actor=CLERK, now=now)

    assert (order.state, order.completed_at) == (OrderState.completed, now)
    assert jobs(session)[-2:] == ["orders.after_ready", "orders.after_completed"]
    kinds = [row.kind for row in session.scalars(select(OrderHistory).order_by(OrderHistory.id))]
    assert kinds.count(HistoryKind.state) == 5


def test_ten_wrong_codes_lock_the_clerk_out(session: Session, shop: Shop, now: datetime) -> None:
    order = shop.place(now)
    paying.mark_paid(session, order, amount_fen=2200, now=now)
    handover.accept(session, order, actor=CLERK, now=now)
    handover.ready(session, order, actor=CLERK, now=now)

    locked = [handover.note_wrong_code(session, actor=CLERK, now=now) for _ in range(10)]

    assert locked == [False] * 9 + [True]
    with pytest.raises(LockedOut):
        handover.complete(session, order, code=order.pickup_code, actor=CLERK, now=now)
    handover.complete(session, order, code=order.pickup_code, actor="staff:8", now=now)
    assert order.state is OrderState.completed


def test_every_state_is_in_the_map_and_ends_somewhere() -> None:
    assert set(NEXT) == set(OrderState)
    for state in OrderState:
        seen, waiting = set(), {state}
        while waiting:
            seen |= waiting
            waiting = {target for found in waiting for target in NEXT[found]} - seen
        assert any(not NEXT[found] for found in seen)
