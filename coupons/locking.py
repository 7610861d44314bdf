"""A coupon and an order: locked while it waits for payment, redeemed when paid, else released."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session
from sqlalchemy.orm.attributes import set_committed_value

from core.database import claim
from coupons import ledger
from coupons.errors import AlreadyRedeemed, CouponExpired, CouponNotFound, CouponUnavailable
from coupons.models import Coupon, CouponState, EntryKind


def lock(
    session: Session, coupon_id: int, order_id: int, now: datetime, *, discount_fen: int = 0
) -> Coupon:
    """issued → locked for one order. Raises what is the matter with it otherwise."""
    values = {"state": CouponState.locked, "order_id": order_id, "discount_fen": discount_fen}
    moved = claim(
        session,
        update(Coupon)
        .where(
            Coupon.id == coupon_id,
            Coupon.state == CouponState.issued,
            Coupon.valid_from <= now,
            Coupon.expires_at > now,
        )
        .values(**values),
    )
    if moved == 0:
        raise why_not(reload(session, coupon_id), now)
    coupon = session.get_one(Coupon, coupon_id)  # the quote has read it in this transaction
    for name, value in values.items():
        set_committed_value(coupon, name, value)
    ledger.write(
        session,
        coupon,
        EntryKind.locked,
        cause=str(order_id),
        actor=f"member:{coupon.member_id}",
        order_id=order_id,
        now=now,
    )
    return coupon


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
    moved = claim(
        session,
        update(Coupon)
        .where(Coupon.id == coupon.id, Coupon.state == before, Coupon.order_id == order_id)
        .values(**values),
    )
    session.refresh(coupon)
    return moved == 1


def find_of_order(session: Session, order_id: int, state: CouponState) -> Coupon | None:
    return session.scalar(select(Coupon).where(Coupon.order_id == order_id, Coupon.state == state))


def reload(session: Session, coupon_id: int) -> Coupon:
    coupon = session.get(Coupon, coupon_id, populate_existing=True)
    if coupon is None:
        raise CouponNotFound
    return coupon


def why_not(coupon: Coupon, now: datetime) -> Exception:
    """Why a coupon that was not free to use was not."""
    if coupon.state is CouponState.redeemed:
        return AlreadyRedeemed("这张券用过了")
    if coupon.state is CouponState.locked:
        return CouponUnavailable("这张券被另一个订单占用着")
    if coupon.state is CouponState.void:
        return CouponUnavailable("这张券作废了")
    if coupon.state is CouponState.expired or coupon.expires_at <= now:
        return CouponExpired("这张券过期了")
    return CouponUnavailable("这张券还没到可用时间")
