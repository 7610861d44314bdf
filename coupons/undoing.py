"""A redemption at the counter is taken back: soon, with a reason, and not without end.

A clerk may do so a few times a day; above that an owner does, who may also come later.
"""

from datetime import datetime, timedelta

from sqlalchemy import update
from sqlalchemy.orm import Session

from core.clock import business_day
from core.database import claim
from coupons import counting, ledger
from coupons.errors import (
    CouponNotFound,
    CouponUnavailable,
    ReasonRequired,
    UndoQuota,
    UndoTooLate,
)
from coupons.locking import NOT_USED
from coupons.models import Coupon, CouponState, EntryKind
from coupons.redemption import note
from merchants.models import Role
from merchants.staff import get_staff, stores_of

UNDO_WINDOW = timedelta(minutes=10)
OWNERS_WINDOW = timedelta(hours=24)
A_DAY = {Role.clerk: 3, Role.manager: 10}
"""How many redemptions a person, and a till's key as a clerk, may take back on one day."""


def undo(session: Session, coupon_id: int, *, staff_id: int, reason: str, now: datetime) -> Coupon:
    """Its last use is taken back, by somebody who works in that store, with a reason.

    Raises ReasonRequired, CouponNotFound, CouponUnavailable, UndoTooLate (ten minutes; an owner's
    day) or UndoQuota, and then nothing changed.
    """
    staff = get_staff(session, staff_id)
    coupon = _redeemed(session, coupon_id, staff.merchant_id, reason)
    if coupon.store_id not in stores_of(session, staff):
        raise CouponNotFound
    window = OWNERS_WINDOW if staff.role is Role.owner else UNDO_WINDOW
    _give_back(session, coupon, f"staff:{staff_id}", reason, window, now)
    if staff.role is not Role.owner:
        _count(session, f"undo:staff:{staff_id}", A_DAY[staff.role], now)
    return coupon


def undo_by_key(
    session: Session, coupon_id: int, *, merchant_id: int, key_id: int, reason: str, now: datetime
) -> Coupon:
    """The same for a till: only what this very key redeemed. Raises the same."""
    coupon = _redeemed(session, coupon_id, merchant_id, reason)
    if not (coupon.redeem_key or "").startswith(till_prefix(key_id)):
        raise CouponNotFound
    _give_back(session, coupon, f"key:{key_id}", reason, UNDO_WINDOW, now)
    _count(session, f"undo:key:{key_id}", A_DAY[Role.clerk], now)
    return coupon


def till_prefix(key_id: int) -> str:
    """What the redemption keys of a till begin with."""
    return f"open:{key_id}:"


def _redeemed(session: Session, coupon_id: int, merchant_id: int, reason: str) -> Coupon:
    if not reason.strip():
        raise ReasonRequired("写一下为什么撤销", errors={"reason": "必填"})
    coupon = session.get(Coupon, coupon_id, populate_existing=True)
    if coupon is None or coupon.merchant_id != merchant_id:
        raise CouponNotFound
    ended = coupon.state not in (CouponState.redeemed, CouponState.issued)
    if ended or coupon.redeem_key is None:
        raise CouponUnavailable("这张券没有在店里核销过")
    return coupon


def _give_back(
    session: Session, coupon: Coupon, actor: str, reason: str, window: timedelta, now: datetime
) -> None:
    key, store_id = coupon.redeem_key, coupon.store_id
    use = ledger.find_use(session, coupon.id, key or "")
    before = coupon.state
    moved = claim(
        session,
        update(Coupon)
        .where(
            Coupon.id == coupon.id,
            Coupon.state == before,
            Coupon.uses_left == coupon.uses_left,
            Coupon.redeem_key == key,
            Coupon.redeemed_at > now - window,
        )
        .values(state=CouponState.issued, uses_left=coupon.uses_left + 1, **NOT_USED),
    )
    session.refresh(coupon)
    if moved == 0:
        raise UndoTooLate(f"核销超过 {_words(window)}，不能撤销了")
    ledger.write(
        session,
        coupon,
        EntryKind.returned,
        cause=f"key:{key}",
        actor=actor,
        store_id=store_id,
        discount_fen=use.discount_fen if use else None,  # the coupon's own is an order's since
        reason=reason.strip(),
        now=now,
    )
    note(session, coupon, "coupon.undo", actor, before, reason.strip(), now)


def _count(session: Session, subject: str, limit: int, now: datetime) -> None:
    """After the move, whose row is locked: the caller's transaction takes both back."""
    if not counting.take(session, subject, business_day(now), limit):
        raise UndoQuota(f"今天已经撤销 {limit} 次了，再撤要请店主来")


def _words(window: timedelta) -> str:
    minutes = int(window.total_seconds() // 60)
    return f"{minutes} 分钟" if minutes < 60 else f"{minutes // 60} 小时"
