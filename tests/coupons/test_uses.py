"""A coupon of several uses: each counts once, each is in the ledger, and each can come back."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from coupons import codes, ledger, locking, redemption, undoing
from coupons.errors import (
    AlreadyRedeemed,
    BillNeeded,
    CouponUnavailable,
    NotGoodHere,
    RedemptionUndone,
)
from coupons.models import Coupon, CouponEntry, CouponKind, CouponState, EntryKind, UseChannel
from merchants.models import Staff, Store
from tests.factories.coupons import make_coupon, make_template
from tests.factories.crm import make_member
from tests.factories.merchants import make_merchant, make_staff, make_store
from tests.factories.orders import make_order


class Desk:
    """A counter with a guest who holds a coupon of `values`."""

    def __init__(self, session: Session, **values: object) -> None:
        self.merchant = make_merchant(session)
        self.store: Store = make_store(session, self.merchant)
        self.clerk: Staff = make_staff(session, self.merchant, stores=(self.store,))
        self.member = make_member(session, merchant=self.merchant)
        self.template = make_template(session, self.merchant, **values)
        self.coupon = make_coupon(session, self.member, self.template)

    def redeem(self, session: Session, key: str, now: datetime, **values: object) -> Coupon:
        token = codes.rotating(self.coupon.code, now)[0]
        given = {"store_id": self.store.id, "staff_id": self.clerk.id, "key": key, "now": now}
        return redemption.redeem(session, token, **(given | values))  # type: ignore[arg-type]

    def kinds(self, session: Session) -> list[EntryKind]:
        mine = select(CouponEntry.kind).where(CouponEntry.coupon_id == self.coupon.id)
        return list(session.scalars(mine.order_by(CouponEntry.id)))


def unbalanced(session: Session, desk: Desk) -> list[int]:
    session.flush()
    return ledger.list_unbalanced(session, range(desk.coupon.id, desk.coupon.id + 1))


def test_each_use_counts_once_and_the_last_ends_it(session: Session, now: datetime) -> None:
    desk = Desk(session, uses_total=3)

    assert desk.redeem(session, "tap-1", now).uses_left == 2
    assert desk.redeem(session, "tap-1", now).uses_left == 2
    desk.redeem(session, "tap-2", now)
    assert desk.redeem(session, "tap-1", now).uses_left == 1  # a copy of an earlier tap
    last = desk.redeem(session, "tap-3", now)
    assert (last.uses_left, last.state) == (0, CouponState.redeemed)
    with pytest.raises(AlreadyRedeemed):
        desk.redeem(session, "tap-4", now)

    used, redeemed = EntryKind.used, EntryKind.redeemed
    assert desk.kinds(session) == [EntryKind.issued, used, used, redeemed]
    found = select(func.sum(CouponEntry.discount_fen))
    assert session.scalar(found) == 3 * 800
    assert unbalanced(session, desk) == []


def test_undo_gives_one_use_back_and_the_same_tap_does_not_take_it_again(
    session: Session, now: datetime
) -> None:
    desk = Desk(session, uses_total=2)
    desk.redeem(session, "tap-1", now)
    desk.redeem(session, "tap-2", now)

    undo = {"staff_id": desk.clerk.id, "reason": "核错了", "now": now}
    coupon = undoing.undo(session, desk.coupon.id, **undo)  # type: ignore[arg-type]

    assert (coupon.uses_left, coupon.state, coupon.redeem_key) == (1, CouponState.issued, None)
    with pytest.raises(CouponUnavailable):  # the row knows its last use only
        undoing.undo(session, desk.coupon.id, **undo)  # type: ignore[arg-type]
    with pytest.raises(RedemptionUndone):
        desk.redeem(session, "tap-2", now)
    assert desk.redeem(session, "tap-3", now).uses_left == 0
    assert unbalanced(session, desk) == []


def test_an_order_takes_one_use_and_a_refund_gives_it_back(session: Session, now: datetime) -> None:
    desk = Desk(session, uses_total=2)
    first, second = (make_order(session, desk.member, desk.store) for _ in range(2))

    locking.lock(session, desk.coupon, first.id, now, discount_fen=800)
    with pytest.raises(CouponUnavailable):
        locking.lock(session, desk.coupon, second.id, now)
    assert locking.redeem_locked(session, first.id, desk.store.id, now)
    assert (desk.coupon.uses_left, desk.coupon.state) == (1, CouponState.issued)

    locking.lock(session, desk.coupon, second.id, now, discount_fen=700)
    assert locking.give_back(session, first.id, now)  # while another order holds it
    assert not locking.give_back(session, first.id, now)
    assert (desk.coupon.uses_left, desk.coupon.state) == (2, CouponState.locked)
    assert desk.coupon.order_id == second.id
    assert unbalanced(session, desk) == []

    assert locking.redeem_locked(session, second.id, desk.store.id, now)
    assert desk.coupon.uses_left == 1
    assert locking.give_back(session, second.id, now)
    assert (desk.coupon.uses_left, desk.coupon.state) == (2, CouponState.issued)
    assert unbalanced(session, desk) == []


def test_an_order_may_hold_several_coupons(session: Session, now: datetime) -> None:
    desk = Desk(session)
    other = make_coupon(session, desk.member, desk.template)
    order = make_order(session, desk.member, desk.store)
    for coupon in (desk.coupon, other):
        locking.lock(session, coupon, order.id, now, discount_fen=800)

    assert locking.redeem_locked(session, order.id, desk.store.id, now)
    assert {desk.coupon.state, other.state} == {CouponState.redeemed}
    assert locking.give_back(session, order.id, now)
    assert {desk.coupon.state, other.state} == {CouponState.issued}
    later = make_order(session, desk.member, desk.store)
    locking.lock(session, other, later.id, now)
    assert locking.release(session, later.id, now)
    assert other.state is CouponState.issued


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"channel": UseChannel.online}, "只能在小程序下单时用"),
        ({"kind": CouponKind.delivery, "face_fen": 0}, "配送券只能在小程序下单时用"),
        ({"weekdays": [5]}, "周六 才能用"),
        ({"from_minute": 0, "until_minute": 60}, "00:00–01:00 才能用"),
        ({"tiers": ["golden_bud"]}, "只限指定等级的会员用"),
    ],
)
def test_the_counter_says_why_it_is_not_good_here(
    session: Session, now: datetime, values: dict[str, object], why: str
) -> None:
    desk = Desk(session, **values)

    token = codes.rotating(desk.coupon.code, now)[0]
    assert redemption.preview(session, token, [desk.store.id], now).problem == why
    with pytest.raises(NotGoodHere, match=why):
        desk.redeem(session, "tap-1", now)
    assert desk.kinds(session) == [EntryKind.issued]


def test_a_first_order_coupon_is_for_somebody_who_ordered_nothing(
    session: Session, now: datetime
) -> None:
    desk = Desk(session, first_order=True)
    make_order(session, desk.member, desk.store)

    with pytest.raises(NotGoodHere, match="只限第一单用"):
        desk.redeem(session, "tap-1", now)
    assert Desk(session, first_order=True).redeem(session, "tap-2", now).uses_left == 0


def test_a_coupon_for_a_piece_asks_what_the_piece_costs(session: Session, now: datetime) -> None:
    free = Desk(session, kind=CouponKind.exchange, face_fen=0, pay_fen=990)
    half = Desk(session, kind=CouponKind.nth, face_fen=0, nth=2, off_bp=5_000)

    with pytest.raises(BillNeeded):
        free.redeem(session, "tap-1", now)
    assert free.redeem(session, "tap-2", now, bill_fen=2_200).discount_fen == 1_210
    assert half.redeem(session, "tap-3", now, bill_fen=2_200).discount_fen == 1_100


def test_a_use_at_the_counter_cannot_be_undone_once_an_order_used_it(
    session: Session, now: datetime
) -> None:
    desk = Desk(session, uses_total=3)
    desk.redeem(session, "tap-1", now)
    later = now + timedelta(days=2)
    order = make_order(session, desk.member, desk.store)
    session.refresh(desk.coupon)
    locking.lock(session, desk.coupon, order.id, later, discount_fen=500)
    assert locking.redeem_locked(session, order.id, desk.store.id, later)

    session.expire_all()
    assert (desk.coupon.redeem_key, desk.coupon.redeemed_by_id, desk.coupon.uses_left) == (
        None,
        None,
        1,
    )
    with pytest.raises(CouponUnavailable):
        undoing.undo(session, desk.coupon.id, staff_id=desk.clerk.id, reason="扫错了", now=later)
    assert unbalanced(session, desk) == []


def test_an_undone_use_takes_back_what_it_took_off(session: Session, now: datetime) -> None:
    desk = Desk(session, uses_total=3)
    desk.redeem(session, "tap-1", now)
    order = make_order(session, desk.member, desk.store)
    session.refresh(desk.coupon)
    locking.lock(session, desk.coupon, order.id, now, discount_fen=500)
    assert locking.release(session, order.id, now)
    session.expire_all()

    undoing.undo(session, desk.coupon.id, staff_id=desk.clerk.id, reason="扫错了", now=now)

    entries = select(CouponEntry.discount_fen).order_by(CouponEntry.id.desc())
    assert (session.scalars(entries).first(), desk.coupon.uses_left) == (800, 3)
    assert unbalanced(session, desk) == []
