"""At the counter: look at a coupon, and redeem it exactly once. A mistake: `coupons.undoing`.

Console, chat and tills come through `redeem`. It is a hot path: one read, a guarded write, and the
three rows that say so.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import String, bindparam, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from core import audit, rows, statements
from core.clock import local
from core.outbox import enqueue
from coupons import amounts, anonymous, codes, ledger, limits, words
from coupons.errors import (
    AlreadyRedeemed,
    CodeExpired,
    CouponNotFound,
    NotGoodHere,
    RedemptionUndone,
    TooLongAgo,
    WrongStore,
)
from coupons.holders import holder
from coupons.issuing import get_template
from coupons.locking import reload, spent, use_kind, why_not
from coupons.models import Coupon, CouponState, CouponTemplate, UseChannel
from merchants.models import Staff, Store
from merchants.queries import get_store

LATEST = timedelta(hours=72)
"""How long after it happened a till that was offline may tell a redemption."""
AHEAD = timedelta(minutes=5)
"""How far a till's clock may be from ours."""

_C, _T, _S = (rows.table_of(model).c for model in (Coupon, CouponTemplate, Store))
# A plain string: whatever a visitor types may be longer than the column, and then is not there.
_BY_CODE = select(Coupon).where(Coupon.code == bindparam("code", type_=String()))
_AT_COUNTER = (
    select(*_C, *_T)
    .select_from(rows.table_of(Coupon))
    .join(rows.table_of(CouponTemplate), _T.id == _C.template_id)
    .join(rows.table_of(Store), _S.merchant_id == _C.merchant_id)
    .where(_C.code == bindparam("code", type_=String()), _S.id == bindparam("store_id"))
)
# Good when the till took it: the sweep may have called it expired since.
_USE_FREE = update(rows.table_of(Coupon)).where(
    _C.id == bindparam("free_id"),
    _C.state == CouponState.issued,
    _C.uses_left == bindparam("free_left"),
    _C.valid_from <= bindparam("now"),
    _C.expires_at > bindparam("now"),
)
_WAS_FREE = update(rows.table_of(Coupon)).where(
    _C.id == bindparam("free_id"),
    _C.uses_left == bindparam("free_left"),
    statements.any_of(_C.state, "free_state", 2),
    _C.valid_from <= bindparam("happened"),
    _C.expires_at > bindparam("happened"),
)
_TAKEABLE = statements.numbered("free_state", (CouponState.issued, CouponState.expired))
_ISSUED = statements.numbered("free_state", (CouponState.issued, CouponState.issued))


class By(NamedTuple):
    """Who redeems: a member of staff, or a till that holds the merchant's API key."""

    actor: str
    staff_id: int | None = None


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
    merchants = select(Store.merchant_id).where(Store.id.in_(staff_store_ids)).distinct()
    found = (
        anonymous.find(session, code_or_token, merchant_id, now)
        for merchant_id in session.scalars(merchants).all()
    )
    coupon = next((each for each in found if each is not None), None)
    if coupon is None:
        raise CouponNotFound("没有这张券，看看有没有输错")
    fresh = anonymous.is_fresh(code_or_token, now)
    template = get_template(session, coupon.template_id)
    mine = [
        id_ for id_ in staff_store_ids if template.store_ids is None or id_ in template.store_ids
    ]
    problem = refusal(session, coupon, now)
    if not problem and not mine:
        problem = f"这张券只能在{where(session, template)}用"
    if not problem:
        problem = _not_here(session, coupon, template, mine[0], now)
    return Preview(coupon, template, mine, problem, fresh)


def redeem(
    session: Session,
    code_or_token: str,
    *,
    store_id: int,
    staff_id: int | None = None,
    actor: str = "",
    key: str,
    bill_fen: int | None = None,
    device: str = "",
    redeemed_at: datetime | None = None,
    member_id: int | None = None,
    now: datetime,
) -> Coupon:
    """One use of it, for exactly one caller; the same `key` again answers the same coupon.

    issued → redeemed; a coupon of several uses stays issued until the last. `staff_id`, or the
    `actor` that a till is. `bill_fen` is what the guest would pay without it; a coupon that takes a
    part of something needs it. `redeemed_at`: a till that was offline tells its own time, at most
    LATEST ago; the coupon must have been good and a rotating code fresh then. `member_id`: whose a
    printed code becomes that is nobody's yet. Raises CouponNotFound, CodeExpired, WrongStore,
    NotGoodHere, BillNeeded, BelowMinimum, AlreadyRedeemed, RedemptionUndone, CouponExpired,
    CouponVoid, TooLongAgo or CouponUnavailable, and then nothing changed. The caller has checked
    that the clerk works there.
    """
    by = By(actor or f"staff:{staff_id}", staff_id)
    slack = timedelta() if redeemed_at is None else AHEAD
    reading, found = _look(session, code_or_token, store_id, redeemed_at or now, slack)
    if found is not None and _was_redeemed(session, *found, key):
        return _same_redemption(session, found[0], key, store_id, by)
    if redeemed_at is not None and not now - LATEST <= redeemed_at <= now + AHEAD:
        raise TooLongAgo("只收 72 小时内的核销", errors={"redeemed_at": "在过去 72 小时内"})
    if reading.stale:
        raise CodeExpired
    if found is None:
        raise CouponNotFound("没有这张券，看看有没有输错")
    coupon, template = found
    if member_id is not None and coupon.member_id is None:
        anonymous.give(session, coupon.id, member_id, by.actor, now)
        session.refresh(coupon)
    _check_here(session, coupon, template, store_id, redeemed_at, now)
    before = coupon.state
    values = {
        **spent(coupon),
        "store_id": store_id,
        "redeemed_at": redeemed_at or now,
        "redeemed_by_id": by.staff_id,
        "redeem_key": key,
        "discount_fen": amounts.counter_discount_fen(template, bill_fen),
        "bill_fen": bill_fen,
    }
    while not _take(session, coupon, values, redeemed_at, now):
        seen = coupon.uses_left
        coupon = reload(session, coupon.id)
        if _was_redeemed(session, coupon, template, key):  # a copy of this request was faster
            return _same_redemption(session, coupon, key, store_id, by)
        if coupon.state is not CouponState.issued or coupon.uses_left == seen:
            raise refused(session, coupon, now)
        values |= spent(coupon)  # somebody took another of its uses
    rows.note(coupon, values)
    _write_down(session, coupon, by, before, key, device, redeemed_at, now)
    return coupon


def _look(
    session: Session, text: str, store_id: int, at: datetime, slack: timedelta
) -> tuple[codes.Reading, tuple[Coupon, CouponTemplate] | None]:
    """What was scanned or typed; a code of another system by our own number. Raises CouponNotFound.

    What is right costs one read, what is wrong some more.
    """
    try:
        reading = codes.parse(text, at, slack)
        found = _find(session, reading.code, store_id)
    except CouponNotFound:
        reading, found = codes.Reading(text, fresh=False), None
    if found is None and not reading.stale:
        outer = anonymous.find_imported(session, text, get_store(session, store_id).merchant_id)
        if outer is not None:
            return codes.Reading(outer, fresh=False), _find(session, outer, store_id)
    return reading, found


def _find(session: Session, code: str, store_id: int) -> tuple[Coupon, CouponTemplate] | None:
    """The coupon and its template, if the store's merchant gave it out."""

    def known(*values: Any) -> tuple[Coupon, CouponTemplate]:
        mine, its = values[: len(_C)], values[len(_C) :]
        return (
            rows.know(session, Coupon, dict(zip(_C.keys(), mine, strict=True))),
            rows.know(session, CouponTemplate, dict(zip(_T.keys(), its, strict=True))),
        )

    given = {"code": code, "store_id": store_id}
    return statements.fetch_one(session, known, _AT_COUNTER, given)


def _take(
    session: Session,
    coupon: Coupon,
    values: dict[str, Any],
    happened: datetime | None,
    now: datetime,
) -> bool:
    """Only from the number of uses that was read: of two at once, one takes it."""
    left = {"free_left": coupon.uses_left}
    statement, given = _USE_FREE, {"free_id": coupon.id, "now": now, **left, **values}
    if happened is not None:
        # One of several uses leaves it issued, and what has run out is not issued again.
        states = _TAKEABLE if coupon.uses_left == 1 else _ISSUED
        given = {"free_id": coupon.id, "happened": happened, **states, **left, **values}
        statement = _WAS_FREE
    try:
        return rows.run(session, statement, given) == 1
    except IntegrityError:  # the key is unique: another coupon went under it
        raise AlreadyRedeemed("这次核销的编号已经用过了") from None


def _check_here(
    session: Session,
    coupon: Coupon,
    template: CouponTemplate,
    store_id: int,
    happened: datetime | None,
    now: datetime,
) -> None:
    """Raises WrongStore or NotGoodHere; of a coupon that is good nowhere, why that is: as
    `preview` says it."""
    problem: Exception | None = None
    if template.store_ids is not None and store_id not in template.store_ids:
        problem = WrongStore(f"这张券只能在{where(session, template)}用")
    elif why := _not_here(session, coupon, template, store_id, happened or now):
        problem = NotGoodHere(why)
    if problem is None:
        return
    if happened is None and refusal(session, coupon, now):
        raise refused(session, coupon, now)
    raise problem


def _not_here(
    session: Session, coupon: Coupon, template: CouponTemplate, store_id: int, at: datetime
) -> str:
    """Why it is not good at this counter, then or for its holder; empty when it is."""
    tier, is_first = holder(session, template, coupon.member_id)
    return limits.blocked(
        template, limits.Occasion(store_id, at, UseChannel.counter, tier, is_first)
    )


def _was_redeemed(session: Session, coupon: Coupon, template: CouponTemplate, key: str) -> bool:
    """Whether this very request was acted upon; the coupon's row knows its last use only."""
    if coupon.redeem_key == key or template.uses_total == 1:
        return coupon.redeem_key == key
    return ledger.find_use(session, coupon.id, key) is not None


def _write_down(
    session: Session,
    coupon: Coupon,
    by: By,
    before: CouponState,
    key: str,
    device: str,
    happened: datetime | None,
    now: datetime,
) -> None:
    try:
        ledger.write(
            session,
            coupon,
            use_kind(coupon),
            cause=f"key:{key}",
            actor=by.actor,
            store_id=coupon.store_id,
            discount_fen=coupon.discount_fen,
            device=device,
            happened_at=happened,
            now=now,
        )
    except IntegrityError:  # its cause is unique: this very redemption was made, and undone
        raise RedemptionUndone from None
    note(session, coupon, "coupon.redeem", by.actor, before, "", now)
    enqueue(session, "coupons.after_redeemed", coupon_id=coupon.id, store_id=coupon.store_id)


def guesses_of(staff_id: int) -> str:
    """Whose wrong codes are counted together, wherever they were typed or scanned."""
    return f"codes:staff:{staff_id}"


def find_by_code(session: Session, code: str) -> Coupon | None:
    return session.scalar(_BY_CODE, {"code": code})


def refusal(session: Session, coupon: Coupon, now: datetime) -> str:
    """Why the coupon cannot be redeemed now, in words; empty when it can."""
    usable = coupon.state is CouponState.issued and coupon.valid_from <= now < coupon.expires_at
    return "" if usable else str(refused(session, coupon, now))


def where(session: Session, template: CouponTemplate) -> str:
    ids = template.store_ids or []
    return "、".join(
        session.scalars(select(Store.name).where(Store.id.in_(ids)).order_by(Store.id))
    )


def refused(session: Session, coupon: Coupon, now: datetime) -> Exception:
    """Why a coupon was not to be had; of one that was used, also when, where and by whom."""
    if coupon.state is CouponState.redeemed and coupon.redeemed_at and coupon.store_id:
        store = get_store(session, coupon.store_id)
        clerk = session.get(Staff, coupon.redeemed_by_id) if coupon.redeemed_by_id else None
        at = local(coupon.redeemed_at)
        return AlreadyRedeemed(
            f"这张券 {words.day(at)} {at:%H:%M} 在{store.name}用过了",
            redeemed_at=coupon.redeemed_at.isoformat(),
            store=store.name,
            by=clerk.name if clerk else "",
        )
    return why_not(coupon, now)


def _same_redemption(session: Session, coupon: Coupon, key: str, store_id: int, by: By) -> Coupon:
    """A repeat of the request that redeemed it; the code itself may have rotated meanwhile."""
    same = (coupon.store_id, coupon.redeemed_by_id) == (store_id, by.staff_id)
    if coupon.redeem_key != key:
        use = ledger.find_use(session, coupon.id, key)
        same = use is not None and (use.store_id, use.actor) == (store_id, by.actor)
    if not same:
        raise AlreadyRedeemed("这次核销的编号已经用过了")
    return coupon


def note(
    session: Session,
    coupon: Coupon,
    action: str,
    actor: str,
    before: CouponState,
    reason: str,
    now: datetime,
) -> None:
    """What happened at the counter, for the records."""
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
