"""At the counter: look at a coupon, redeem it exactly once, undo a mistake within ten minutes."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import String, bindparam, select, update
from sqlalchemy.orm import Session

from core import audit, rows
from core.clock import local
from core.database import claim
from core.outbox import enqueue
from coupons import amounts, codes, ledger, words
from coupons.errors import (
    AlreadyRedeemed,
    CouponNotFound,
    CouponUnavailable,
    ReasonRequired,
    UndoTooLate,
    WrongStore,
)
from coupons.issuing import get_template
from coupons.locking import reload, take_free, why_not
from coupons.models import Coupon, CouponState, CouponTemplate, EntryKind
from merchants.models import Store
from merchants.queries import get_store
from merchants.staff import get_staff, stores_of

UNDO_WINDOW = timedelta(minutes=10)

# Plain strings: whatever a visitor types may be longer than the column, and then is not there.
_BY_KEY = select(Coupon).where(Coupon.redeem_key == bindparam("redeem_key", type_=String()))
_BY_CODE = select(Coupon).where(Coupon.code == bindparam("code", type_=String()))


@dataclass(frozen=True)
class Preview:
    """What the clerk sees before confirming. `store_ids`: of theirs, where it may be redeemed.

    `problem` is empty when it can be redeemed; `fresh` is False for a bare code, which may come
    from a screenshot.
    """

    coupon: Coupon
    template: CouponTemplate
    store_ids: list[int]
    problem: str
    fresh: bool


def preview(
    session: Session, code_or_token: str, staff_store_ids: Collection[int], now: datetime
) -> Preview:
    """Look, change nothing. Raises CouponNotFound (also for another merchant's) or CodeExpired."""
    reading = codes.read(code_or_token, now)
    coupon = find_by_code(session, reading.code)
    merchants = select(Store.merchant_id).where(Store.id.in_(staff_store_ids))
    if coupon is None or coupon.merchant_id not in set(session.scalars(merchants)):
        raise CouponNotFound("没有这张券，看看有没有输错")
    template = get_template(session, coupon.template_id)
    mine = [
        id_ for id_ in staff_store_ids if template.store_ids is None or id_ in template.store_ids
    ]
    problem = refusal(session, coupon, now)
    if not problem and not mine:
        problem = f"这张券只能在{where(session, template)}用"
    return Preview(coupon, template, mine, problem, reading.fresh)


def redeem(
    session: Session,
    code_or_token: str,
    *,
    store_id: int,
    staff_id: int,
    key: str,
    bill_fen: int | None = None,
    device: str = "",
    now: datetime,
) -> Coupon:
    """issued → redeemed, for exactly one caller; the same `key` again answers the same coupon.

    `bill_fen` is what the guest would pay without it; a percent coupon needs it. Raises
    CouponNotFound, CodeExpired, WrongStore, BillNeeded, BelowMinimum, AlreadyRedeemed,
    CouponExpired or CouponUnavailable, and then nothing changed. The caller has checked that the
    clerk works there.
    """
    before = session.scalar(_BY_KEY, {"redeem_key": key})
    if before is not None:
        return _same_redemption(before, code_or_token, store_id, staff_id)
    coupon = find_by_code(session, codes.read(code_or_token, now).code)
    if coupon is None or coupon.merchant_id != get_store(session, store_id).merchant_id:
        raise CouponNotFound("没有这张券，看看有没有输错")
    template = get_template(session, coupon.template_id)
    if template.store_ids is not None and store_id not in template.store_ids:
        raise WrongStore(f"这张券只能在{where(session, template)}用")
    values = {
        "state": CouponState.redeemed,
        "store_id": store_id,
        "redeemed_at": now,
        "redeemed_by_id": staff_id,
        "redeem_key": key,
        "discount_fen": amounts.counter_discount_fen(template, bill_fen),
        "bill_fen": bill_fen,
    }
    if not take_free(session, coupon.id, values, now):
        coupon = reload(session, coupon.id)
        if coupon.redeem_key == key:  # a copy of this request was faster
            return _same_redemption(coupon, code_or_token, store_id, staff_id)
        raise _why_not(session, coupon, now)
    rows.note(coupon, values)
    actor = f"staff:{staff_id}"
    ledger.write(
        session,
        coupon,
        EntryKind.redeemed,
        cause=f"key:{key}",
        actor=actor,
        store_id=store_id,
        device=device,
        now=now,
    )
    _audit(session, coupon, "coupon.redeem", actor, CouponState.issued, "", now)
    enqueue(session, "coupons.after_redeemed", coupon_id=coupon.id, store_id=store_id)
    return coupon


def undo(session: Session, coupon_id: int, *, staff_id: int, reason: str, now: datetime) -> Coupon:
    """redeemed → issued, within UNDO_WINDOW, by somebody who works in that store, with a reason."""
    if not reason.strip():
        raise ReasonRequired("写一下为什么撤销", errors={"reason": "必填"})
    coupon = session.get(Coupon, coupon_id, populate_existing=True)
    staff = get_staff(session, staff_id)
    if coupon is None or coupon.merchant_id != staff.merchant_id:
        raise CouponNotFound
    if coupon.state is not CouponState.redeemed or coupon.order_id is not None:
        raise CouponUnavailable("这张券没有在店里核销过")
    if coupon.store_id not in stores_of(session, staff):
        raise CouponNotFound
    key, store_id = coupon.redeem_key, coupon.store_id
    moved = claim(
        session,
        update(Coupon)
        .where(
            Coupon.id == coupon.id,
            Coupon.state == CouponState.redeemed,
            Coupon.redeem_key == key,
            Coupon.redeemed_at > now - UNDO_WINDOW,
        )
        .values(
            state=CouponState.issued,
            store_id=None,
            redeemed_at=None,
            redeemed_by_id=None,
            redeem_key=None,
            discount_fen=None,
            bill_fen=None,
        ),
    )
    session.refresh(coupon)
    if moved == 0:
        raise UndoTooLate("核销超过 10 分钟，不能撤销了")
    actor = f"staff:{staff_id}"
    ledger.write(
        session,
        coupon,
        EntryKind.returned,
        cause=f"key:{key}",
        actor=actor,
        store_id=store_id,
        reason=reason.strip(),
        now=now,
    )
    _audit(session, coupon, "coupon.undo", actor, CouponState.redeemed, reason.strip(), now)
    return coupon


def guesses_of(staff_id: int) -> str:
    """Whose wrong codes are counted together, wherever they were typed or scanned."""
    return f"codes:staff:{staff_id}"


def find_by_code(session: Session, code: str) -> Coupon | None:
    return session.scalar(_BY_CODE, {"code": code})


def refusal(session: Session, coupon: Coupon, now: datetime) -> str:
    """Why the coupon cannot be redeemed now, in words; empty when it can."""
    usable = coupon.state is CouponState.issued and coupon.valid_from <= now < coupon.expires_at
    return "" if usable else str(_why_not(session, coupon, now))


def where(session: Session, template: CouponTemplate) -> str:
    ids = template.store_ids or []
    return "、".join(
        session.scalars(select(Store.name).where(Store.id.in_(ids)).order_by(Store.id))
    )


def _why_not(session: Session, coupon: Coupon, now: datetime) -> Exception:
    if coupon.state is CouponState.redeemed and coupon.redeemed_at and coupon.store_id:
        store = get_store(session, coupon.store_id)
        at = local(coupon.redeemed_at)
        return AlreadyRedeemed(f"这张券 {words.day(at)} {at:%H:%M} 在{store.name}用过了")
    return why_not(coupon, now)


def _same_redemption(coupon: Coupon, text: str, store_id: int, staff_id: int) -> Coupon:
    """A repeat of the request that redeemed it; the code itself may have rotated meanwhile."""
    if (coupon.store_id, coupon.redeemed_by_id) != (store_id, staff_id) or coupon.code not in (
        text.replace(" ", "").replace("-", "")
    ):
        raise AlreadyRedeemed("这次核销的编号已经用过了")
    return coupon


def _audit(
    session: Session,
    coupon: Coupon,
    action: str,
    actor: str,
    before: CouponState,
    reason: str,
    now: datetime,
) -> None:
    audit.record(
        session,
        actor=actor,
        action=action,
        subject=f"coupon:{coupon.id}",
        before={"state": before},
        after={
            "state": coupon.state,
            "store_id": coupon.store_id,
            "discount_fen": coupon.discount_fen,
            "bill_fen": coupon.bill_fen,
        },
        merchant_id=coupon.merchant_id,
        reason=reason,
        now=now,
    )
