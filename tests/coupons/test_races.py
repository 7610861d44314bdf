"""Races for a coupon, on MariaDB. Each has a control that shows the race is real."""

import threading
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import func, select, update

from core.database import reading, transaction
from coupons import codes
from coupons.claiming import claim_one
from coupons.expiring import expire_due
from coupons.models import Coupon, CouponEntry, CouponState, CouponTemplate, EntryKind
from coupons.redemption import redeem
from tests import racing
from tests.factories.coupons import make_coupon, make_template
from tests.factories.crm import make_member
from tests.factories.merchants import make_merchant, make_staff, make_store
from tests.racing import race, refusals

pytestmark = pytest.mark.mariadb
CLERKS = 64


shared, app = racing.shared, racing.app


def count(kind: EntryKind) -> int:
    with reading() as session:
        found = select(func.count()).where(CouponEntry.kind == kind)
        return session.scalar(found) or 0


def test_control_looking_before_redeeming_redeems_many_times(app: Flask) -> None:
    with transaction() as session:
        merchant = make_merchant(session)
        member = make_member(session, merchant=merchant)
        make_coupon(session, member, make_template(session, merchant))
    together = threading.Barrier(16)

    def use(_: int) -> bool:
        with transaction() as session:
            state = session.scalars(select(Coupon.state)).one()
            together.wait()
            if state is not CouponState.issued:
                return False
            session.execute(update(Coupon).values(state=CouponState.redeemed))
            return True

    assert sum(result is True for result in race(app, 16, use)) == 16


def counter(now: datetime) -> Callable[[str], int]:
    """A clerk with a guest's coupon before them: redeeming it under a key answers its id."""
    with transaction() as session:
        merchant = make_merchant(session)
        store = make_store(session, merchant)
        clerk = make_staff(session, merchant, stores=(store,))
        member = make_member(session, merchant=merchant)
        coupon = make_coupon(session, member, make_template(session, merchant))
    token = codes.rotating(coupon.code, now)[0]

    def use(key: str) -> int:
        with transaction() as session:
            return redeem(session, token, store_id=store.id, staff_id=clerk.id, key=key, now=now).id

    return use


def test_64_clerks_on_one_code_redeem_it_once(app: Flask, now: datetime) -> None:
    use = counter(now)

    results = race(app, CLERKS, lambda i: use(f"tap-{i}"))

    assert refusals(results) == ["coupon_already_redeemed"] * (CLERKS - 1)
    assert count(EntryKind.redeemed) == 1


def test_one_tap_sent_16_times_is_answered_16_times(app: Flask, now: datetime) -> None:
    use = counter(now)

    results = race(app, 16, lambda _: use("tap-1"))

    with reading() as session:
        assert results == [session.scalars(select(Coupon.id)).one()] * 16
    assert count(EntryKind.redeemed) == 1


def test_claims_stop_at_the_limit_per_person(app: Flask, now: datetime) -> None:
    with transaction() as session:
        merchant = make_merchant(session)
        member = make_member(session, merchant=merchant)
        template = make_template(session, merchant, claimable=True, per_member_limit=3)

    def take(_: int) -> int:
        with transaction() as session:
            return claim_one(session, template.id, member.id, merchant_id=merchant.id, now=now).id

    results = race(app, 16, take)

    assert refusals(results) == ["claim_limit"] * 13
    assert count(EntryKind.issued) == 3


def test_claims_stop_at_the_total(app: Flask, now: datetime) -> None:
    with transaction() as session:
        merchant = make_merchant(session)
        members = [make_member(session, merchant=merchant).id for _ in range(CLERKS)]
        template = make_template(session, merchant, claimable=True, total_limit=10)

    def take(i: int) -> int:
        with transaction() as session:
            return claim_one(session, template.id, members[i], merchant_id=merchant.id, now=now).id

    results = race(app, CLERKS, take)

    assert refusals(results) == ["coupons_exhausted"] * (CLERKS - 10)
    assert count(EntryKind.issued) == 10
    with reading() as session:
        assert session.get_one(CouponTemplate, template.id).issued_count == 10


def coupons_that_are_over(number: int) -> None:
    with transaction() as session:
        merchant = make_merchant(session)
        template = make_template(session, merchant, per_member_limit=number)
        member = make_member(session, merchant=merchant)
        for _ in range(number):
            make_coupon(session, member, template)


def test_two_sweeps_expire_each_coupon_once(app: Flask, now: datetime) -> None:
    coupons_that_are_over(60)
    later = now + timedelta(days=8)

    def sweep(_: int) -> int:
        expired = 0
        for _ in range(6):
            with transaction() as session:
                expired += expire_due(session, later, limit=10)
        return expired

    results = race(app, 2, sweep)

    assert sum(int(number) for number in results) == 60
    assert count(EntryKind.expired) == 60
    with reading() as session:
        assert set(session.scalars(select(Coupon.state))) == {CouponState.expired}


def test_control_a_list_that_is_just_read_is_expired_twice(app: Flask) -> None:
    coupons_that_are_over(10)
    together = threading.Barrier(2)

    def sweep(_: int) -> int:
        with transaction() as session:
            due = session.scalars(select(Coupon.id).where(Coupon.state == CouponState.issued)).all()
            together.wait()
            gone = update(Coupon).where(Coupon.id.in_(due)).values(state=CouponState.expired)
            session.execute(gone)
            return len(due)

    assert race(app, 2, sweep) == [10, 10]
