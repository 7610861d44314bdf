"""A coupon and an order: locked while it waits for payment, redeemed when paid, else released."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import bindparam, select, update
from sqlalchemy.orm import Session

from core import rows
from coupons import ledger
from coupons.errors import (
    AlreadyRedeemed,
    CouponExpired,
    CouponNotFound,
    CouponUnavailable,
    CouponVoid,
)
from coupons.models import Coupon, CouponState, EntryKind
from coupons.queries import UsableCoupon

_COUPONS = rows.table_of(Coupon).c
_FREE = update(rows.table_of(Coupon)).where(
    _COUPONS.id == bindparam("free_id"),
    _COUPONS.state == CouponState.issued,
    _COUPONS.valid_from <= bindparam("now"),
    _COUPONS.expires_at > bindparam("now"),
)
_OF_ORDER = select(Coupon).where(
    Coupon.order_id == bindparam("order_id"), Coupon.state == bindparam("state")
)


def lock(
    session: Session,
    coupon: Coupon | UsableCoupon,
    order_id: int,
    now: datetime,
    *,
    discount_fen: int = 0,
) -> None:
    """issued → locked for one order. Raises what is the matter with it otherwise."""
    values = {"state": CouponState.locked, "order_id": order_id, "discount_fen": discount_fen}
    if not take_free(session, coupon.id, values, now):
        raise why_not(reload(session, coupon.id), now)
    rows.note_held(session, Coupon, coupon.id, values)
    ledger.write(
        session,
        coupon,
        EntryKind.locked,
        cause=str(order_id),
        actor=f"member:{coupon.member_id}",
        order_id=order_id,
        now=now,
    )


def take_free(
    session: Session, coupon_id: int, values: Mapping[str, object], now: datetime
) -> bool:
    """Write `values` if the coupon is free to use now; True for the one caller that took it."""
    return rows.run(session, _FREE, {"free_id": coupon_id, "now": now, **values}) == 1


def release(session: Session, order_id: int, now: datetime) -> bool:
    """locked → issued when the order ends unpaid. False: it holds none."""
    coupon = find_of_order(session, order_id, CouponState.locked)
    if coupon is None:
        return False
    values = {"state": CouponState.issued, "order_id": None, "discount_fen": None}
    if not move(session, coupon, CouponState.locked, order_id=order_id, values=values):
        return False
    ledger.write(
        session,
        coupon,
        EntryKind.released,
        cause=str(order_id),
        actor="system",
        order_id=order_id,
        now=now,
    )
    return True


def redeem_locked(session: Session, order_id: int, store_id: int, now: datetime) -> bool:
    """locked → redeemed when the order is paid, expired meanwhile or not. False: it holds none."""
    coupon = find_of_order(session, order_id, CouponState.locked)
    if coupon is None:
        return False
    values = {"state": CouponState.redeemed, "store_id": store_id, "redeemed_at": now}
    if not move(session, coupon, CouponState.locked, order_id=order_id, values=values):
        return False
    ledger.write(
        session,
        coupon,
        EntryKind.redeemed,
        cause=f"order:{order_id}",
        actor=f"member:{coupon.member_id}",
        store_id=store_id,
        order_id=order_id,
        now=now,
    )
    return True


def give_back(session: Session, order_id: int, now: datetime, *, reason: str = "") -> bool:
    """redeemed → issued when the whole order is refunded. False: it used none."""
    coupon = find_of_order(session, order_id, CouponState.redeemed)
    if coupon is None:
        return False
    values = {
        "state": CouponState.issued,
        "order_id": None,
        "store_id": None,
        "redeemed_at": None,
        "discount_fen": None,
    }
    if not move(session, coupon, CouponState.redeemed, order_id=order_id, values=values):
        return False
    ledger.write(
        session,
        coupon,
        EntryKind.returned,
        cause=f"order:{order_id}",
        actor="system",
        order_id=order_id,
        reason=reason,
        now=now,
    )
    return True


def move(
    session: Session,
    coupon: Coupon,
    before: CouponState,
    *,
    order_id: int,
    values: Mapping[str, object],
) -> bool:
    """The compare-and-set of an order's coupon; True for the one caller that made it."""
    expected = {"id": coupon.id, "state": before, "order_id": order_id}
    if rows.compare_and_set(session, Coupon, expected, values) == 0:
        session.refresh(coupon)
        return False
    rows.note(coupon, values)
    return True


def find_of_order(session: Session, order_id: int, state: CouponState) -> Coupon | None:
    return session.scalar(_OF_ORDER, {"order_id": order_id, "state": state})


def reload(session: Session, coupon_id: int) -> Coupon:
    coupon = session.get(Coupon, coupon_id, populate_existing=True)
    if coupon is None:
        raise CouponNotFound
    return coupon


def why_not(coupon: Coupon, now: datetime) -> Exception:
    """Why a coupon that was not free to use was not."""
    if coupon.state is CouponState.redeemed:
        return AlreadyRedeemed("这张券用过了")
    if coupon.state is CouponState.void:
        return CouponVoid()
    if coupon.state is CouponState.locked and coupon.order_id is None:
        return CouponUnavailable("这张券正在转送给朋友")
    if coupon.state is CouponState.locked:
        return CouponUnavailable("这张券被另一个订单占用着")
    if coupon.state is CouponState.expired or coupon.expires_at <= now:
        return CouponExpired("这张券过期了")
    return CouponUnavailable("这张券还没到可用时间")
