"""At the counter: a coupon works once, in its stores, and a mistake can be undone for a while."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from core.audit import AuditEntry
from core.outbox import OutboxJob
from coupons import codes, redemption
from coupons.errors import (
    AlreadyRedeemed,
    CodeExpired,
    CouponExpired,
    CouponNotFound,
    ReasonRequired,
    UndoTooLate,
    WrongStore,
)
from coupons.models import Coupon, CouponEntry, CouponState, CouponTemplate
from merchants.models import Staff, Store
from tests.factories.coupons import make_coupon, make_template
from tests.factories.crm import make_member
from tests.factories.merchants import make_merchant, make_staff, make_store


@dataclass
class Counter:
    store: Store
    other_store: Store
    clerk: Staff
    template: CouponTemplate
    coupon: Coupon

    def redeem(self, session: Session, now: datetime, **changes: object) -> Coupon:
        arguments = {"store_id": self.store.id, "staff_id": self.clerk.id, "key": "tap-1"}
        token = codes.rotating(self.coupon.code, now)[0]
        return redemption.redeem(session, token, now=now, **(arguments | changes))  # type: ignore[arg-type]


@pytest.fixture
def counter(session: Session) -> Counter:
    merchant = make_merchant(session)
    store, other = make_store(session, merchant), make_store(session, merchant, name="徐汇店")
    clerk = make_staff(session, merchant, stores=(store,))
    template = make_template(session, merchant, store_ids=[store.id])
    coupon = make_coupon(session, make_member(session, merchant=merchant), template)
    return Counter(store, other, clerk, template, coupon)


def test_preview_changes_nothing_and_says_where(
    session: Session, counter: Counter, now: datetime
) -> None:
    token = codes.rotating(counter.coupon.code, now)[0]

    here = redemption.preview(session, token, [counter.store.id, counter.other_store.id], now)
    there = redemption.preview(session, token, [counter.other_store.id], now)

    assert (here.problem, here.store_ids, here.fresh) == ("", [counter.store.id], True)
    assert there.problem == "这张券只能在静安寺店用"
    assert counter.coupon.state is CouponState.issued


def test_another_merchants_clerk_finds_nothing(
    session: Session, counter: Counter, now: datetime
) -> None:
    elsewhere = make_store(session)

    with pytest.raises(CouponNotFound):
        redemption.preview(session, counter.coupon.code, [elsewhere.id], now)
    with pytest.raises(CouponNotFound):
        counter.redeem(session, now, store_id=elsewhere.id)
    assert counter.coupon.state is CouponState.issued


def test_it_works_once_and_the_same_tap_again_answers_the_same(
    session: Session, counter: Counter, now: datetime
) -> None:
    coupon = counter.redeem(session, now)
    again = counter.redeem(session, now + timedelta(minutes=3))
    with pytest.raises(AlreadyRedeemed) as refused:
        counter.redeem(session, now, key="tap-2")

    assert again is coupon
    assert (coupon.state, coupon.store_id) == (CouponState.redeemed, counter.store.id)
    assert refused.value.detail == "这张券 11月22日 12:00 在静安寺店用过了"
    entries = session.scalars(select(CouponEntry).order_by(CouponEntry.id)).all()
    assert [entry.kind.value for entry in entries] == ["issued", "redeemed"]
    assert entries[-1].actor == f"staff:{counter.clerk.id}"
    jobs = session.scalars(select(OutboxJob.name)).all()
    assert jobs == ["coupons.after_redeemed"]
    assert session.scalars(select(AuditEntry.action)).all() == ["coupon.redeem"]


def test_a_tap_number_is_good_for_one_coupon(
    session: Session, counter: Counter, now: datetime
) -> None:
    counter.redeem(session, now)
    counter.coupon = make_coupon(session, make_member(session, person=None), counter.template)

    with pytest.raises(AlreadyRedeemed):
        counter.redeem(session, now)
    assert counter.coupon.state is CouponState.issued


def test_the_wrong_store_an_old_code_and_an_expired_coupon_are_refused(
    session: Session, counter: Counter, now: datetime
) -> None:
    old = codes.rotating(counter.coupon.code, now - timedelta(minutes=3))[0]

    with pytest.raises(WrongStore):
        counter.redeem(session, now, store_id=counter.other_store.id)
    with pytest.raises(CodeExpired):
        redemption.redeem(
            session, old, store_id=counter.store.id, staff_id=counter.clerk.id, key="k", now=now
        )
    with pytest.raises(CouponExpired):
        counter.redeem(session, now + timedelta(days=7))
    assert counter.coupon.state is CouponState.issued


def test_undo_frees_it_for_another_time(session: Session, counter: Counter, now: datetime) -> None:
    coupon = counter.redeem(session, now)
    soon = now + timedelta(minutes=9)

    with pytest.raises(ReasonRequired):
        redemption.undo(session, coupon.id, staff_id=counter.clerk.id, reason=" ", now=soon)
    redemption.undo(session, coupon.id, staff_id=counter.clerk.id, reason="扫错了", now=soon)

    assert (coupon.state, coupon.store_id) == (CouponState.issued, None)
    counter.redeem(session, soon, key="tap-9")
    assert coupon.state is CouponState.redeemed


def test_undo_is_too_late_after_ten_minutes(
    session: Session, counter: Counter, now: datetime
) -> None:
    coupon = counter.redeem(session, now)
    late = now + timedelta(minutes=10)

    with pytest.raises(UndoTooLate):
        redemption.undo(session, coupon.id, staff_id=counter.clerk.id, reason="扫错了", now=late)
    assert coupon.state is CouponState.redeemed


def test_undo_by_somebody_of_another_store_finds_nothing(
    session: Session, counter: Counter, now: datetime
) -> None:
    coupon = counter.redeem(session, now)
    stranger = make_staff(session)
    for staff in (stranger,):
        with pytest.raises(CouponNotFound):
            redemption.undo(session, coupon.id, staff_id=staff.id, reason="扫错了", now=now)
    assert coupon.state is CouponState.redeemed
