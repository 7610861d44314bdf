"""A coupon is held by one order, used when that is paid, free again when it ends."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from coupons import locking
from coupons.errors import AlreadyRedeemed, CouponExpired, CouponUnavailable
from coupons.models import Coupon, CouponEntry, CouponState
from merchants.models import Merchant
from orders.models import Order
from tests.factories.coupons import make_coupon, make_template
from tests.factories.crm import make_member
from tests.factories.merchants import make_store
from tests.factories.orders import make_order


def make(session: Session) -> tuple[Coupon, Order, Order]:
    store = make_store(session)
    merchant = session.get_one(Merchant, store.merchant_id)
    member = make_member(session, merchant=merchant)
    coupon = make_coupon(session, member, make_template(session, merchant))
    return coupon, make_order(session, member, store), make_order(session, member, store)


def kinds(session: Session, coupon: Coupon) -> list[str]:
    found = select(CouponEntry.kind).where(CouponEntry.coupon_id == coupon.id)
    return [kind.value for kind in session.scalars(found.order_by(CouponEntry.id))]


def test_lock_then_redeem(session: Session, now: datetime) -> None:
    coupon, order, other = make(session)

    locking.lock(session, coupon, order.id, now, discount_fen=800)
    with pytest.raises(CouponUnavailable):
        locking.lock(session, coupon, other.id, now)
    assert locking.redeem_locked(session, other.id, other.store_id, now) == []
    assert locking.redeem_locked(session, order.id, order.store_id, now) == [coupon]
    assert locking.redeem_locked(session, order.id, order.store_id, now) == []

    assert coupon.state is CouponState.redeemed
    assert (coupon.store_id, coupon.order_id, coupon.discount_fen) == (
        order.store_id,
        order.id,
        800,
    )
    with pytest.raises(AlreadyRedeemed):
        locking.lock(session, coupon, other.id, now)
    assert kinds(session, coupon) == ["issued", "locked", "redeemed"]


def test_lock_then_release_then_lock_for_another(session: Session, now: datetime) -> None:
    coupon, order, other = make(session)

    locking.lock(session, coupon, order.id, now)
    assert locking.release(session, order.id, now) is True
    assert locking.release(session, order.id, now) is False
    locking.lock(session, coupon, other.id, now)

    assert (coupon.state, coupon.order_id) == (CouponState.locked, other.id)
    assert kinds(session, coupon) == ["issued", "locked", "released", "locked"]


def test_a_full_refund_gives_it_back(session: Session, now: datetime) -> None:
    coupon, order, _ = make(session)
    locking.lock(session, coupon, order.id, now)
    locking.redeem_locked(session, order.id, order.store_id, now)

    assert locking.give_back(session, order.id, now, reason="退款") is True
    assert locking.give_back(session, order.id, now) is False

    assert (coupon.state, coupon.order_id) == (CouponState.issued, None)
    assert kinds(session, coupon) == ["issued", "locked", "redeemed", "returned"]


def test_past_its_end_it_cannot_be_locked_but_a_locked_one_is_honoured(
    session: Session, now: datetime
) -> None:
    coupon, order, other = make(session)
    locking.lock(session, coupon, order.id, now)
    later = now + timedelta(days=8)

    assert locking.redeem_locked(session, order.id, order.store_id, later) == [coupon]
    locking.give_back(session, order.id, later)
    with pytest.raises(CouponExpired):
        locking.lock(session, coupon, other.id, later)
