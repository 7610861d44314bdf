"""From cart to order: what is taken, what is refused, and nothing twice."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from catalogue.errors import OutOfStock
from core.clock import business_day
from core.idempotency import IdempotencyConflict
from core.outbox import OutboxJob
from coupons.errors import CouponNotFound, CouponUnavailable
from coupons.models import CouponState
from merchants.models import StoreState
from orders.errors import CouponNotApplicable, PriceChanged, StoreClosed, TableNeeded
from orders.models import Fulfilment, Order, OrderHistory, OrderLine, OrderState, PaymentState
from orders.placing import place
from tests.factories.catalogue import available
from tests.factories.coupons import make_coupon, make_promotion, make_template
from tests.factories.crm import make_member
from tests.factories.merchants import make_store, make_table
from tests.orders.shop import Shop


def count(session: Session, model: Any) -> int:
    return session.scalar(select(func.count()).select_from(model)) or 0


def test_an_order_takes_stock_a_coupon_and_a_number(
    session: Session, shop: Shop, now: datetime
) -> None:
    make_promotion(session, shop.merchant)
    template = make_template(session, shop.merchant)
    coupon = make_coupon(session, shop.member, template)

    order = shop.place(now, 2, coupon_id=coupon.id)

    assert (order.state, order.payment_state) == (OrderState.placed, PaymentState.unpaid)
    assert (order.goods_fen, order.discount_fen, order.payable_fen) == (4400, 1300, 3100)
    assert (order.pickup_number, order.business_day) == ("A001", business_day(now))
    assert len(order.pickup_code) == 6
    assert available(session, shop.store, shop.tea) == 8
    assert (coupon.state, coupon.order_id, coupon.discount_fen) == (
        CouponState.locked,
        order.id,
        800,
    )
    (line,) = session.scalars(select(OrderLine)).all()
    assert (line.amount_fen, line.discount_fen, line.payable_fen) == (4400, 1300, 3100)
    (job,) = session.scalars(select(OutboxJob)).all()
    assert (job.name, job.run_at) == ("orders.expire", now + timedelta(minutes=15))
    (entry,) = session.scalars(select(OrderHistory)).all()
    assert (entry.before, entry.after, entry.actor) == (
        "",
        "placed",
        f"member:{shop.member.id}",
    )
    assert [found["name"] for found in order.quote["discounts"]] == ["满 40 减 5", "见面礼"]


def test_numbers_count_up_per_store_and_day(session: Session, shop: Shop, now: datetime) -> None:
    numbers = [shop.place(now, key=f"key-{i}").pickup_number for i in range(3)]
    tomorrow = shop.place(now + timedelta(days=1), key="key-9").pickup_number

    assert numbers == ["A001", "A002", "A003"]
    assert tomorrow == "A001"


def test_the_same_key_answers_the_same_order(session: Session, shop: Shop, now: datetime) -> None:
    first, fresh = place(session, shop.cart(2), shop.member, key="key-1", now=now)
    again, repeated = place(session, shop.cart(2), shop.member, key="key-1", now=now)
    with pytest.raises(IdempotencyConflict):
        shop.place(now, 1)

    assert (fresh, repeated) == (True, False)
    assert again is first
    assert count(session, Order) == 1
    assert available(session, shop.store, shop.tea) == 8


def test_another_members_key_is_their_own(session: Session, shop: Shop, now: datetime) -> None:
    other = make_member(session, merchant=shop.merchant)
    mine = shop.place(now)

    theirs, fresh = place(session, shop.cart(), other, key="key-1", now=now)

    assert fresh
    assert theirs.no != mine.no


def test_a_price_that_the_member_did_not_see_is_refused(
    session: Session, shop: Shop, now: datetime
) -> None:
    with pytest.raises(PriceChanged) as refused, session.begin_nested():
        place(session, shop.cart(), shop.member, key="k", expected_payable_fen=2100, now=now)

    assert refused.value.extra == {"payable_fen": 2200}
    assert count(session, Order) == 0


def test_too_little_stock_leaves_nothing_behind(
    session: Session, shop: Shop, now: datetime
) -> None:
    with pytest.raises(OutOfStock), session.begin_nested():
        shop.place(now, 11)

    assert count(session, Order) == count(session, OutboxJob) == 0
    assert available(session, shop.store, shop.tea) == 10


def test_a_closed_store_takes_no_order(session: Session, shop: Shop, now: datetime) -> None:
    shop.store.state = StoreState.closed

    with pytest.raises(StoreClosed):
        shop.place(now)


def test_dine_in_needs_a_table_of_this_store(session: Session, shop: Shop, now: datetime) -> None:
    table = make_table(session, shop.store, name="A1")
    elsewhere = make_table(session, make_store(session), name="A1")
    dine_in = {"fulfilment": Fulfilment.dine_in}

    for code in (None, elsewhere.code, "nonsense"):
        with pytest.raises(TableNeeded), session.begin_nested():
            shop.place(now, table_code=code, **dine_in)
    order = shop.place(now, table_code=table.code, **dine_in)

    assert order.table_id == table.id


def test_coupons_that_cannot_be_used_say_why(session: Session, shop: Shop, now: datetime) -> None:
    template = make_template(session, shop.merchant, min_spend_fen=9900)
    mine = make_coupon(session, shop.member, template)
    theirs = make_coupon(session, make_member(session, merchant=shop.merchant), template)
    small = make_coupon(session, shop.member, make_template(session, shop.merchant))

    with pytest.raises(CouponNotApplicable) as refused, session.begin_nested():
        shop.place(now, coupon_id=mine.id)
    assert refused.value.detail == "还差 ¥77 可用"
    with pytest.raises(CouponNotFound), session.begin_nested():
        shop.place(now, coupon_id=theirs.id)
    shop.place(now, coupon_id=small.id)
    with pytest.raises(CouponUnavailable), session.begin_nested():
        shop.place(now, key="key-2", coupon_id=small.id)
    assert count(session, Order) == 1
    assert mine.state is theirs.state is CouponState.issued


def test_best_takes_what_saves_most(session: Session, shop: Shop, now: datetime) -> None:
    make_coupon(session, shop.member, make_template(session, shop.merchant))
    best = make_coupon(session, shop.member, make_template(session, shop.merchant, face_fen=1000))

    order = shop.place(now, coupon_id="best")

    assert (order.coupon_id, order.payable_fen) == (best.id, 1200)


def test_an_order_may_cost_nothing(session: Session, shop: Shop, now: datetime) -> None:
    coupon = make_coupon(session, shop.member, make_template(session, shop.merchant, face_fen=9900))

    order = shop.place(now, coupon_id=coupon.id)

    assert (order.payable_fen, order.discount_fen) == (0, 2200)
