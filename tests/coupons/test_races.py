"""Races for a coupon, on MariaDB. Each has a control that shows the race is real."""

import threading
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import func, select, update
from sqlalchemy.exc import SQLAlchemyError

from core.database import is_away, reading, retrying, transaction
from coupons import codes, gifting, undoing
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


CLAIMERS = 200


def insist(act: Callable[[], int]) -> int:
    """Whoever finds no connection free is told to come again (503), and does."""
    while True:
        try:
            return retrying(act)
        except SQLAlchemyError as error:
            if not is_away(error):
                raise


def crowd(**limits: int) -> tuple[int, int, list[int]]:
    """(merchant, template, fifty members): each comes four times."""
    with transaction() as session:
        merchant = make_merchant(session)
        members = [make_member(session, merchant=merchant).id for _ in range(CLAIMERS // 4)]
        template = make_template(session, merchant, claimable=True, **limits)
        return merchant.id, template.id, members


def held() -> list[int]:
    """How many each member holds who holds any."""
    with reading() as session:
        found = select(func.count()).where(Coupon.member_id.is_not(None)).group_by(Coupon.member_id)
        return list(session.scalars(found))


def test_200_claimers_take_exactly_what_there_is_and_nobody_more_than_theirs(
    app: Flask, now: datetime
) -> None:
    merchant_id, template_id, members = crowd(total_limit=60, per_member_limit=2)

    def take(i: int) -> int:
        member_id = members[i % len(members)]
        with transaction() as session:
            return claim_one(session, template_id, member_id, merchant_id=merchant_id, now=now).id

    results = race(app, CLAIMERS, lambda i: insist(lambda: take(i)))

    won = [result for result in results if isinstance(result, int)]
    assert len(set(won)) == len(won) == 60
    assert set(refusals(results)) <= {"coupons_exhausted", "claim_limit"}
    assert len(refusals(results)) == CLAIMERS - 60
    assert sum(held()) == 60
    assert max(held()) <= 2
    assert count(EntryKind.issued) == 60
    with reading() as session:
        assert session.get_one(CouponTemplate, template_id).issued_count == 60


def test_200_claimers_on_one_day_take_what_the_day_has(app: Flask, now: datetime) -> None:
    merchant_id, template_id, members = crowd(
        daily_limit=30, member_daily_limit=1, per_member_limit=5
    )

    def take(when: datetime, i: int) -> int:
        member_id = members[i % len(members)]
        with transaction() as session:
            return claim_one(session, template_id, member_id, merchant_id=merchant_id, now=when).id

    first = race(app, CLAIMERS, lambda i: insist(lambda: take(now, i)))
    assert sum(isinstance(result, int) for result in first) == 30
    assert set(refusals(first)) == {"daily_claim_limit"}
    assert held() == [1] * 30

    next_day = now + timedelta(days=1)
    tomorrow = race(app, CLAIMERS, lambda i: insist(lambda: take(next_day, i)))
    assert sum(isinstance(result, int) for result in tomorrow) == 30
    assert max(held()) <= 2


def test_control_counting_before_taking_gives_out_more_than_there_is(app: Flask) -> None:
    _, template_id, _ = crowd(total_limit=5)
    together = threading.Barrier(16)

    def take(_: int) -> bool:
        with transaction() as session:
            template = session.get_one(CouponTemplate, template_id)
            together.wait()
            if template.issued_count >= 5:
                return False
            template.issued_count += 1
            return True

    assert sum(result is True for result in race(app, 16, take)) == 16


def test_two_friends_with_one_link_are_one_gift(app: Flask, now: datetime) -> None:
    with transaction() as session:
        merchant = make_merchant(session)
        giver, *friends = (make_member(session, merchant=merchant) for _ in range(17))
        template = make_template(session, merchant, giftable=True)
        coupon = make_coupon(session, giver, template)
        _, secret = gifting.offer(session, coupon.id, giver.id, now=now)

    def take(i: int) -> int:
        with transaction() as session:
            mine = {"member_id": friends[i].id, "merchant_id": merchant.id}
            return gifting.accept(session, secret, now=now, **mine).gift.id

    results = race(app, 16, take)

    assert refusals(results) == ["gift_gone"] * 15
    assert count(EntryKind.gifted) == 1


def test_gifts_that_race_for_the_last_place_fill_it_once(app: Flask, now: datetime) -> None:
    with transaction() as session:
        merchant = make_merchant(session)
        friend = make_member(session, merchant=merchant)
        template = make_template(session, merchant, giftable=True, per_member_limit=2)
        secrets = []
        for _ in range(8):
            giver = make_member(session, merchant=merchant)
            coupon = make_coupon(session, giver, template)
            secrets.append(gifting.offer(session, coupon.id, giver.id, now=now)[1])

    def take(i: int) -> int:
        with transaction() as session:
            mine = {"member_id": friend.id, "merchant_id": merchant.id}
            return gifting.accept(session, secrets[i], now=now, **mine).gift.id

    results = race(app, 8, take)

    assert refusals(results) == ["gift_limit"] * 6
    assert held().count(2) == 1


def test_of_many_clerks_no_more_take_a_use_than_there_are(app: Flask, now: datetime) -> None:
    with transaction() as session:
        merchant = make_merchant(session)
        store = make_store(session, merchant)
        clerk = make_staff(session, merchant, stores=(store,))
        member = make_member(session, merchant=merchant)
        coupon = make_coupon(session, member, make_template(session, merchant, uses_total=5))
    token = codes.rotating(coupon.code, now)[0]

    def use(number: int) -> int:
        taken = {"store_id": store.id, "staff_id": clerk.id, "key": f"tap-{number}"}
        with transaction() as session:
            return redeem(session, token, now=now, **taken).id

    assert refusals(race(app, 24, use)) == ["coupon_already_redeemed"] * 19
    with reading() as session:
        coupon = session.scalars(select(Coupon)).one()
        assert (coupon.uses_left, coupon.state) == (0, CouponState.redeemed)
    assert count(EntryKind.used) + count(EntryKind.redeemed) == 5


def test_console_chat_and_till_at_once_make_one_use_and_their_repeats_are_answered(
    app: Flask, now: datetime
) -> None:
    """Each door asks four times under the key of its own request, as after a lost answer."""
    with transaction() as session:
        merchant = make_merchant(session)
        store = make_store(session, merchant)
        clerk = make_staff(session, merchant, stores=(store,))
        member = make_member(session, merchant=merchant)
        coupon = make_coupon(session, member, make_template(session, merchant))
    doors = (
        {"staff_id": clerk.id, "key": f"console:{clerk.id}:tap"},
        {"staff_id": clerk.id, "key": "chat:question"},
        {"actor": "key:7", "key": undoing.till_prefix(7) + "receipt"},
    )

    def use(i: int) -> tuple[int, int]:
        with transaction() as session:
            given = {"store_id": store.id, "now": now, **doors[i % 3]}
            return i % 3, redeem(session, coupon.code, **given).id

    results = race(app, 12, use)

    won = [result for result in results if isinstance(result, tuple)]
    assert len(won) == 4
    assert len(set(won)) == 1
    assert refusals(results) == ["coupon_already_redeemed"] * 8
    assert count(EntryKind.redeemed) == 1


def test_a_clerk_who_undoes_sixteen_at_once_undoes_three(app: Flask, now: datetime) -> None:
    clerk_id, coupons = redeemed_by_one_clerk(now, 16)

    def undo(i: int) -> int:
        with transaction() as session:
            return undoing.undo(session, coupons[i], staff_id=clerk_id, reason="扫错了", now=now).id

    results = race(app, 16, lambda i: insist(lambda: undo(i)))

    assert sum(isinstance(result, int) for result in results) == 3
    assert refusals(results) == ["undo_quota"] * 13
    assert count(EntryKind.returned) == 3
    with reading() as session:
        left = select(func.count()).where(Coupon.state == CouponState.redeemed)
        assert session.scalar(left) == 13


def test_control_counting_todays_undos_before_one_more_lets_all_through(
    app: Flask, now: datetime
) -> None:
    _, coupons = redeemed_by_one_clerk(now, 16)
    together = threading.Barrier(16)

    def undo(i: int) -> bool:
        with transaction() as session:
            undone = select(func.count()).where(CouponEntry.kind == EntryKind.returned)
            few = (session.scalar(undone) or 0) < 3
            together.wait()
            if few:
                mine = update(Coupon).where(Coupon.id == coupons[i])
                session.execute(mine.values(state=CouponState.issued))
            return few

    assert sum(result is True for result in race(app, 16, undo)) == 16


def redeemed_by_one_clerk(now: datetime, number: int) -> tuple[int, list[int]]:
    with transaction() as session:
        merchant = make_merchant(session)
        store = make_store(session, merchant)
        clerk = make_staff(session, merchant, stores=(store,))
        member = make_member(session, merchant=merchant)
        template = make_template(session, merchant)
        coupons = [make_coupon(session, member, template) for _ in range(number)]
        for coupon in coupons:
            given = {"store_id": store.id, "staff_id": clerk.id, "now": now}
            redeem(session, coupon.code, key=f"tap-{coupon.id}", **given)

    return clerk.id, [coupon.id for coupon in coupons]
