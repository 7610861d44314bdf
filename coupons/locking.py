"""Coupons and an order: locked while it waits for payment, redeemed when paid, else released.

An order may hold several; they are taken in the order of their ids. A coupon of several uses is
locked as a whole, spends one use when the order is paid and is free again while any are left.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from sqlalchemy import bindparam, or_, select, update
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
from coupons.models import Coupon, CouponEntry, CouponState, CouponTemplate, EntryKind
from coupons.queries import UsableCoupon

_COUPONS = rows.table_of(Coupon).c
_FREE = update(rows.table_of(Coupon)).where(
    _COUPONS.id == bindparam("free_id"),
    _COUPONS.state == CouponState.issued,
    _COUPONS.valid_from <= bindparam("now"),
    _COUPONS.expires_at > bindparam("now"),
)
_OF_ORDER = (
    select(Coupon)
    .where(Coupon.order_id == bindparam("order_id"), Coupon.state == bindparam("state"))
    .order_by(Coupon.id)
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
    values = {"state": CouponState.issued, "order_id": None, "discount_fen": None}
    released = False
    for coupon in list_of_order(session, order_id, CouponState.locked):
        if not move(session, coupon, CouponState.locked, order_id=order_id, values=values):
            continue
        released = True
        ledger.write(
            session,
            coupon,
            EntryKind.released,
            cause=str(order_id),
            actor="system",
            order_id=order_id,
            now=now,
        )
    return released


def redeem_locked(
    session: Session, order_id: int, store_id: int, now: datetime
) -> Sequence[Coupon]:
    """locked → one use spent when the order is paid, expired meanwhile or not; those it used."""
    redeemed: list[Coupon] = []
    for coupon in list_of_order(session, order_id, CouponState.locked):
        discount_fen = coupon.discount_fen
        # What an earlier use at the counter left would make this one look like it.
        at_counter = {"redeem_key": None, "redeemed_by_id": None, "bill_fen": None}
        values = spent(coupon) | {"store_id": store_id, "redeemed_at": now, **at_counter}
        if values["state"] is CouponState.issued:
            values["order_id"] = None
        if not move(session, coupon, CouponState.locked, order_id=order_id, values=values):
            continue
        redeemed.append(coupon)
        ledger.write(
            session,
            coupon,
            use_kind(coupon),
            cause=f"order:{order_id}",
            actor=f"member:{coupon.member_id}",
            store_id=store_id,
            order_id=order_id,
            discount_fen=discount_fen,
            now=now,
        )
    return redeemed


def give_back(
    session: Session,
    order_id: int,
    now: datetime,
    *,
    reason: str = "",
    only_valid: bool = False,
) -> bool:
    """One use back of every coupon that the order used, when all of it is refunded; once. With
    `only_valid` not of one that has run out since.

    False: it used none, or they were given back before. A coupon that another order holds
    meanwhile, or that has ended, keeps its state.
    """
    uses = list_uses(session, order_id)
    for coupon in _lock_several(session, uses):
        if only_valid and coupon.expires_at <= now:
            continue
        values: dict[str, object] = {"uses_left": coupon.uses_left + 1}
        kind = EntryKind.credited
        if coupon.state in (CouponState.redeemed, CouponState.issued):
            values |= {"state": CouponState.issued, **NOT_USED}
            kind = EntryKind.returned
        expected = {"id": coupon.id, "state": coupon.state, "uses_left": coupon.uses_left}
        rows.must_move(session, Coupon, expected, values)
        rows.note(coupon, values)
        ledger.write(
            session,
            coupon,
            kind,
            cause=f"order:{order_id}",
            actor="system",
            store_id=uses[coupon.id].store_id,
            order_id=order_id,
            discount_fen=uses[coupon.id].discount_fen,
            reason=reason,
            now=now,
        )
    return bool(uses)


USES = (EntryKind.used, EntryKind.redeemed)
BACK = (EntryKind.returned, EntryKind.credited)
WAS_USED = or_(Coupon.state == CouponState.redeemed, Coupon.uses_left < CouponTemplate.uses_total)
"""Used at least once; where its template is joined."""
NOT_USED: dict[str, object] = {
    "order_id": None,
    "store_id": None,
    "redeemed_at": None,
    "redeemed_by_id": None,
    "redeem_key": None,
    "discount_fen": None,
    "bill_fen": None,
}
"""What a coupon of which the last use was taken back says about uses."""


def spent(coupon: Coupon) -> dict[str, object]:
    """What one use makes of the coupon as it was read."""
    left = coupon.uses_left - 1
    return {"uses_left": left, "state": CouponState.issued if left else CouponState.redeemed}


def use_kind(coupon: Coupon) -> EntryKind:
    """The entry of the use that made the coupon what it is now."""
    return EntryKind.redeemed if coupon.state is CouponState.redeemed else EntryKind.used


def list_uses(session: Session, order_id: int) -> dict[int, CouponEntry]:
    """The coupons that the order used and has not given back, by id, with the entry of that."""
    entries = session.scalars(
        select(CouponEntry).where(
            CouponEntry.order_id == order_id, CouponEntry.kind.in_((*USES, *BACK))
        )
    ).all()
    back = {entry.coupon_id for entry in entries if entry.kind in BACK}
    used = (entry for entry in entries if entry.kind in USES)
    return {one.coupon_id: one for one in used if one.coupon_id not in back}


def _lock_several(session: Session, ids: Collection[int]) -> Sequence[Coupon]:
    mine = select(Coupon).where(Coupon.id.in_(ids)).order_by(Coupon.id).with_for_update()
    return session.scalars(mine.execution_options(populate_existing=True)).all() if ids else ()


def move(
    session: Session,
    coupon: Coupon,
    before: CouponState,
    *,
    order_id: int,
    values: Mapping[str, object],
) -> bool:
    """The compare-and-set of an order's coupon; True for the one caller that made it."""
    expected: dict[str, object] = {"id": coupon.id, "state": before, "order_id": order_id}
    if "uses_left" in values:
        expected["uses_left"] = coupon.uses_left
    if rows.compare_and_set(session, Coupon, expected, values) == 0:
        session.refresh(coupon)
        return False
    rows.note(coupon, values)
    return True


def list_of_order(session: Session, order_id: int, state: CouponState) -> Sequence[Coupon]:
    return session.scalars(_OF_ORDER, {"order_id": order_id, "state": state}).all()


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
