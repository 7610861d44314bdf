"""Jobs of coupons: expiry in slices, and the visit behind a redemption."""

from datetime import timedelta

from flask import Flask
from sqlalchemy import func, select, update

from core import clock
from core.database import reading, transaction
from coupons import codes
from coupons.models import Coupon, CouponEntry, CouponState, EntryKind
from coupons.redemption import redeem
from crm.models import Member, MemberEvent
from tests.factories.coupons import make_coupon, make_template
from tests.factories.crm import make_member
from tests.factories.merchants import make_merchant, make_staff, make_store
from tests.working import run_inline


def test_what_is_over_expires_and_what_is_not_stays(app: Flask) -> None:
    with transaction() as session:
        merchant = make_merchant(session)
        member = make_member(session, merchant=merchant)
        over, good = (
            make_coupon(session, member, make_template(session, merchant)) for _ in range(2)
        )
        past = update(Coupon).where(Coupon.id == over.id)
        session.execute(past.values(expires_at=clock.now() - timedelta(seconds=1)))
        future = update(Coupon).where(Coupon.id == good.id)
        session.execute(future.values(expires_at=clock.now() + timedelta(days=1)))

    run_inline("coupons.expire")
    run_inline("coupons.expire")

    with reading() as session:
        assert session.get_one(Coupon, over.id).state is CouponState.expired
        assert session.get_one(Coupon, good.id).state is CouponState.issued
        expired = select(func.count()).where(CouponEntry.kind == EntryKind.expired)
        assert session.scalar(expired) == 1


def test_who_redeems_at_the_counter_was_in_the_store(app: Flask) -> None:
    now = clock.now()
    with transaction() as session:
        merchant = make_merchant(session)
        store = make_store(session, merchant)
        clerk = make_staff(session, merchant, stores=(store,))
        member = make_member(session, merchant=merchant)
        coupon = make_coupon(session, member, make_template(session, merchant, valid_days=3650))
        session.execute(update(Coupon).values(valid_from=now - timedelta(days=1)))
        token = codes.rotating(coupon.code, now)[0]
        redeem(session, token, store_id=store.id, staff_id=clerk.id, key="tap-1", now=now)

    run_inline("coupons.after_redeemed", coupon_id=coupon.id, store_id=store.id)

    with reading() as session:
        visited = session.get_one(Member, member.id).last_visit_at
        assert visited is not None
        assert visited >= now
        kinds = session.scalars(select(MemberEvent.kind)).all()
    assert sorted(kinds) == ["redeemed", "visited"]
