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
    BelowMinimum,
    BillNeeded,
    CodeExpired,
    CouponExpired,
    CouponNotFound,
    ReasonRequired,
    UndoTooLate,
    WrongStore,
)
from coupons.models import Coupon, CouponEntry, CouponState, CouponTemplate
from merchants.models import Merchant, Staff, Store
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


def test_a_percent_coupon_takes_its_part_of_the_bill(
    session: Session, counter: Counter, now: datetime
) -> None:
    merchant = session.get_one(Merchant, counter.store.merchant_id)
    template = make_template(session, merchant, off_bp=1_500, cap_fen=2_000, min_spend_fen=3_000)
    counter.coupon = make_coupon(session, make_member(session, merchant=merchant), template)

    with pytest.raises(BillNeeded):
        counter.redeem(session, now)
    with pytest.raises(BelowMinimum) as refused:
        counter.redeem(session, now, bill_fen=2_999)
    assert refused.value.detail == "消费满 ¥30 才能用，还差 ¥0.01"
    assert (counter.coupon.state, counter.coupon.discount_fen) == (CouponState.issued, None)
    assert "redeemed" not in session.scalars(select(CouponEntry.kind)).all()

    coupon = counter.redeem(session, now, bill_fen=8_530)
    assert (coupon.discount_fen, coupon.bill_fen) == (1_280, 8_530)  # 1279.5
    audited = session.scalars(select(AuditEntry)).one()
    assert audited.after["discount_fen"] == 1_280

    redemption.undo(session, coupon.id, staff_id=counter.clerk.id, reason="错了", now=now)
    assert (coupon.discount_fen, coupon.bill_fen) == (None, None)
    again = counter.redeem(session, now, key="tap-2", bill_fen=100_000)
    assert again.discount_fen == 2_000


@pytest.mark.parametrize(("bill_fen", "off_fen"), [(None, 800), (2_000, 800), (50_000, 800)])
def test_an_amount_coupon_takes_its_face_with_or_without_a_bill(
    session: Session, counter: Counter, now: datetime, bill_fen: int | None, off_fen: int
) -> None:
    coupon = counter.redeem(session, now, bill_fen=bill_fen)

    assert (coupon.discount_fen, coupon.bill_fen) == (off_fen, bill_fen)


def test_an_amount_coupon_checks_a_bill_that_was_entered(
    session: Session, counter: Counter, now: datetime
) -> None:
    with pytest.raises(BelowMinimum):
        counter.redeem(session, now, bill_fen=1_999)
    assert counter.coupon.state is CouponState.issued

    counter.template.min_spend_fen = 0
    assert counter.redeem(session, now, bill_fen=500).discount_fen == 500  # never more than all


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
