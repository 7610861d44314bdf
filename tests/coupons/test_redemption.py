"""At the counter: a coupon works once, in its stores, and a mistake can be undone for a while."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from core.audit import AuditEntry
from core.outbox import OutboxJob
from coupons import codes, ledger, redemption, undoing, voiding
from coupons.errors import (
    AlreadyRedeemed,
    BelowMinimum,
    BillNeeded,
    CodeExpired,
    CouponExpired,
    CouponNotFound,
    CouponVoid,
    ReasonRequired,
    RedemptionUndone,
    TooLongAgo,
    UndoQuota,
    UndoTooLate,
    WrongStore,
)
from coupons.expiring import expire_due
from coupons.models import Coupon, CouponEntry, CouponState, CouponTemplate
from merchants.models import Merchant, Role, Staff, Store
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

    undoing.undo(session, coupon.id, staff_id=counter.clerk.id, reason="错了", now=now)
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
        undoing.undo(session, coupon.id, staff_id=counter.clerk.id, reason=" ", now=soon)
    undoing.undo(session, coupon.id, staff_id=counter.clerk.id, reason="扫错了", now=soon)

    assert (coupon.state, coupon.store_id) == (CouponState.issued, None)
    counter.redeem(session, soon, key="tap-9")
    assert coupon.state is CouponState.redeemed


def test_undo_is_too_late_after_ten_minutes(
    session: Session, counter: Counter, now: datetime
) -> None:
    coupon = counter.redeem(session, now)
    late = now + timedelta(minutes=10)

    with pytest.raises(UndoTooLate):
        undoing.undo(session, coupon.id, staff_id=counter.clerk.id, reason="扫错了", now=late)
    assert coupon.state is CouponState.redeemed


def test_undo_by_somebody_of_another_store_finds_nothing(
    session: Session, counter: Counter, now: datetime
) -> None:
    coupon = counter.redeem(session, now)
    stranger = make_staff(session)
    for staff in (stranger,):
        with pytest.raises(CouponNotFound):
            undoing.undo(session, coupon.id, staff_id=staff.id, reason="扫错了", now=now)
    assert coupon.state is CouponState.redeemed


def test_the_same_tap_after_an_undo_is_told_that_it_was_undone(
    session: Session, counter: Counter, now: datetime
) -> None:
    coupon = counter.redeem(session, now)
    undoing.undo(session, coupon.id, staff_id=counter.clerk.id, reason="扫错了", now=now)

    with pytest.raises(RedemptionUndone), session.begin_nested():
        counter.redeem(session, now)
    session.refresh(coupon)
    assert coupon.state is CouponState.issued


def test_the_code_of_a_repeat_may_have_rotated_but_not_that_of_a_first_time(
    session: Session, counter: Counter, now: datetime
) -> None:
    typed = codes.typed(counter.coupon.code, now)
    at_counter = {"store_id": counter.store.id, "staff_id": counter.clerk.id, "key": "tap-1"}
    later = now + timedelta(minutes=5)

    with pytest.raises(CodeExpired):
        redemption.redeem(session, typed, now=later, **at_counter)  # type: ignore[arg-type]
    redemption.redeem(session, typed, now=now, **at_counter)  # type: ignore[arg-type]
    again = redemption.redeem(session, typed, now=later, **at_counter)  # type: ignore[arg-type]

    assert (again.redeemed_at, again.state) == (now, CouponState.redeemed)


def test_a_clerk_undoes_three_a_day_and_an_owner_the_fourth(
    session: Session, counter: Counter, now: datetime
) -> None:
    merchant = session.get_one(Merchant, counter.store.merchant_id)
    owner = make_staff(session, merchant, role=Role.owner)
    for number in range(3):
        coupon = counter.redeem(session, now, key=f"tap-{number}")
        undoing.undo(session, coupon.id, staff_id=counter.clerk.id, reason="错了", now=now)
    coupon = counter.redeem(session, now, key="tap-4")

    with pytest.raises(UndoQuota) as refused, session.begin_nested():
        undoing.undo(session, coupon.id, staff_id=counter.clerk.id, reason="错了", now=now)
    session.refresh(coupon)

    assert refused.value.detail == "今天已经撤销 3 次了，再撤要请店主来"
    assert coupon.state is CouponState.redeemed
    late = now + timedelta(hours=23)
    undoing.undo(session, coupon.id, staff_id=owner.id, reason="错了", now=late)
    assert coupon.state is CouponState.issued
    tomorrow = now + timedelta(days=1)
    coupon = counter.redeem(session, tomorrow, key="tap-5")
    undoing.undo(session, coupon.id, staff_id=counter.clerk.id, reason="错了", now=tomorrow)
    assert coupon.state is CouponState.issued


@pytest.mark.parametrize("swept", [False, True])
def test_a_till_that_was_offline_tells_what_it_took_while_it_was_good(
    session: Session, counter: Counter, now: datetime, swept: bool
) -> None:
    took = counter.coupon.expires_at - timedelta(hours=1)
    told = took + timedelta(hours=71)
    if swept:
        assert expire_due(session, told) == 1

    coupon = redemption.redeem(
        session,
        counter.coupon.code,
        store_id=counter.store.id,
        actor="key:1",
        key="open:1:tap-1",
        redeemed_at=took,
        now=told,
    )

    assert (coupon.state, coupon.redeemed_at, coupon.redeemed_by_id) == ("redeemed", took, None)
    entry = session.scalars(select(CouponEntry).order_by(CouponEntry.id.desc())).first()
    assert entry is not None
    assert (entry.kind, entry.actor, entry.happened_at, entry.at) == (
        "redeemed",
        "key:1",
        took,
        told,
    )
    assert ledger.list_unbalanced(session, range(1, 1_000)) == []


@pytest.mark.parametrize("hours", [-73, 1])
def test_a_till_that_tells_too_late_or_ahead_is_refused(
    session: Session, counter: Counter, now: datetime, hours: int
) -> None:
    with pytest.raises(TooLongAgo):
        counter.redeem(session, now, redeemed_at=now + timedelta(hours=hours))
    assert counter.coupon.state is CouponState.issued


def test_one_that_was_redeemed_elsewhere_meanwhile_says_when_where_and_by_whom(
    session: Session, counter: Counter, now: datetime
) -> None:
    counter.redeem(session, now)

    with pytest.raises(AlreadyRedeemed) as refused:
        redemption.redeem(
            session,
            counter.coupon.code,
            store_id=counter.store.id,
            actor="key:1",
            key="open:1:a",
            redeemed_at=now - timedelta(minutes=1),
            now=now + timedelta(hours=1),
        )
    said = {"redeemed_at": now.isoformat(), "store": "静安寺店", "by": "小周"}
    assert refused.value.extra == said


def test_a_coupon_taken_back_says_by_whom_and_why_and_is_no_good_any_more(
    session: Session, counter: Counter, now: datetime
) -> None:
    mine = {"merchant_id": counter.store.merchant_id, "actor": "staff:9", "now": now}
    with pytest.raises(ReasonRequired):
        voiding.void(session, counter.coupon.id, reason="  ", **mine)  # type: ignore[arg-type]

    coupon = voiding.void(session, counter.coupon.id, reason="发错了", **mine)  # type: ignore[arg-type]

    assert coupon.state is CouponState.void
    with pytest.raises(CouponVoid):
        counter.redeem(session, now)
    with pytest.raises(CouponVoid):
        voiding.void(session, coupon.id, reason="再来", **mine)  # type: ignore[arg-type]
    entries = session.scalars(select(CouponEntry).order_by(CouponEntry.id)).all()
    assert [(e.kind, e.actor, e.reason) for e in entries] == [
        ("issued", "system", ""),
        ("voided", "staff:9", "发错了"),
    ]
    assert ledger.list_unbalanced(session, range(1, 1_000)) == []


def test_a_used_coupon_and_another_merchants_are_not_taken_back(
    session: Session, counter: Counter, now: datetime
) -> None:
    other = make_merchant(session)
    with pytest.raises(CouponNotFound):
        voiding.void(
            session, counter.coupon.id, merchant_id=other.id, actor="staff:1", reason="x", now=now
        )
    counter.redeem(session, now)
    with pytest.raises(AlreadyRedeemed):
        voiding.void(
            session,
            counter.coupon.id,
            merchant_id=counter.store.merchant_id,
            actor="staff:1",
            reason="x",
            now=now,
        )
    assert counter.coupon.state is CouponState.redeemed
