"""The mirror follows the ledger: whatever moved there has its card looked at.

The doors that move coupons know nothing of card packs and pay nothing for them. The ledger is read
along its ids; those of a moment ago only, because a transaction that took a number earlier may
commit later. What is missed even so is found by the nightly comparison.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import SelectBase, func, literal, or_, select, update
from sqlalchemy.orm import Session

from core.database import Base, claim, on_sqlite
from core.ignoring import insert_new
from coupons.models import Coupon, CouponEntry, CouponState, EntryKind
from coupons.pack.models import OPEN, BatchState, CardPack, CardState, PackCard, PackTemplate
from coupons.undoing import UNDO_WINDOW
from people.models import Identity

SETTLED = timedelta(seconds=60)
SLICE = 5_000
CHUNK = 500
TO_COMPARE = (CardState.unsent, *OPEN, CardState.used)
AGAIN = timedelta(hours=20)


def lock(session: Session, merchant_id: int) -> CardPack | None:
    return session.scalar(
        select(CardPack)
        .where(CardPack.merchant_id == merchant_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )


def follow(session: Session, merchant_id: int, appid: str, now: datetime) -> bool:
    """A slice of what the ledger says since the last time; True: there is more."""
    pack = lock(session, merchant_id)
    if pack is None:
        return False
    if pack.high_at is None or pack.seen_id >= pack.high_id:
        pack.high_id = session.scalar(select(func.max(CouponEntry.id))) or 0
        if pack.high_at is None:  # what was there before is brought in by `fill`
            pack.seen_id = pack.high_id
        pack.high_at = now
        session.flush()
        return False
    if now - pack.high_at < SETTLED:
        return False
    upto = min(pack.seen_id + SLICE, pack.high_id)
    moved = session.execute(
        select(CouponEntry.coupon_id, CouponEntry.kind, CouponEntry.order_id)
        .join(Coupon, Coupon.id == CouponEntry.coupon_id)
        .join(PackTemplate, PackTemplate.template_id == Coupon.template_id)
        .where(
            CouponEntry.id > pack.seen_id,
            CouponEntry.id <= upto,
            PackTemplate.merchant_id == merchant_id,
        )
    ).all()
    ids = sorted({row.coupon_id for row in moved})
    at_counter = {
        row.coupon_id for row in moved if row.kind is EntryKind.redeemed and row.order_id is None
    }
    for start in range(0, len(ids), CHUNK):
        some = ids[start : start + CHUNK]
        if pack.is_on:
            _add(session, some, appid, now)
        # A card that is ended cannot be revived: not before the clerk can undo no more.
        _look_at(session, [id_ for id_ in some if id_ not in at_counter], now)
        _look_at(session, [id_ for id_ in some if id_ in at_counter], now + UNDO_WINDOW)
    pack.seen_id = upto
    session.flush()
    return upto < pack.high_id


def fill(session: Session, template_id: int, after_id: int, appid: str, now: datetime) -> int:
    """Cards for a slice of a template's coupons that have none; the last id looked at, 0: done."""
    found = session.scalars(
        select(Coupon.id)
        .where(
            Coupon.template_id == template_id,
            Coupon.id > after_id,
            Coupon.state == CouponState.issued,
            Coupon.expires_at > now,
        )
        .order_by(Coupon.id)
        .limit(CHUNK)
    ).all()
    if found:
        _add(session, found, appid, now)
    return found[-1] if len(found) == CHUNK else 0


def compare(session: Session, merchant_id: int, now: datetime) -> int:
    """Have a slice of the cards asked about that were not since yesterday; how many."""
    old = (
        select(PackCard.coupon_id)
        .join(Coupon, Coupon.id == PackCard.coupon_id)
        .where(
            PackCard.merchant_id == merchant_id,
            PackCard.state.in_(TO_COMPARE),
            PackCard.checked_at < now - AGAIN,
            # Both sides are done with these.
            or_(PackCard.state != CardState.used, Coupon.state != CouponState.redeemed),
            Coupon.state != CouponState.expired,
        )
        .order_by(PackCard.state, PackCard.checked_at)
        .limit(CHUNK)
    )
    ids = session.scalars(old).all()
    if ids:
        mine = PackCard.coupon_id.in_(ids)
        unsure = PackCard.state != CardState.unsent
        claim(
            session,
            update(PackCard).where(mine).values(due_at=now, unsure=unsure, checked_at=now),
        )
    return len(ids)


def look_again(session: Session, merchant_id: int, code: str, now: datetime) -> bool:
    """WeChat told us something of a card: it is asked what. False: we have no such card."""
    its = update(PackCard).where(PackCard.code == code, PackCard.merchant_id == merchant_id)
    return claim(session, its.values(due_at=now, unsure=True)) == 1


def _look_at(session: Session, ids: Sequence[int], at: datetime) -> None:
    if ids:
        claim(session, update(PackCard).where(PackCard.coupon_id.in_(ids)).values(due_at=at))


def _add(session: Session, ids: Sequence[int], appid: str, now: datetime) -> None:
    """Cards for those that can have one: of a batch that runs, free, of somebody in that app."""
    columns = [
        "coupon_id",
        "code",
        "template_id",
        "merchant_id",
        "identity_id",
        "product_id",
        "stock_id",
        "state",
        "due_at",
        "last",
        "unsure",
        "uses",
        "failures",
        "why",
        "checked_at",
    ]
    table = PackCard.__table__
    statement = insert_new(table, on_sqlite=on_sqlite(session))  # type: ignore[arg-type]
    session.execute(statement.from_select(columns, _wanted(ids, appid, now)))


def _wanted(ids: Sequence[int], appid: str, now: datetime) -> SelectBase:
    members = Base.metadata.tables["members"]
    return (
        select(
            Coupon.id,
            Coupon.code,
            Coupon.template_id,
            Coupon.merchant_id,
            func.max(Identity.id),
            literal(""),
            literal(""),
            literal(CardState.unsent, PackCard.state.type),
            literal(now, PackCard.due_at.type),
            literal(""),
            literal(False),
            literal(0),
            literal(0),
            literal(""),
            literal(now, PackCard.checked_at.type),
        )
        .join(PackTemplate, PackTemplate.template_id == Coupon.template_id)
        .join(members, members.c.id == Coupon.member_id)
        .join(Identity, Identity.person_id == members.c.person_id)
        .where(
            Coupon.id.in_(ids),
            Coupon.state == CouponState.issued,
            PackTemplate.state == BatchState.live,
            Identity.appid == appid,
        )
        .group_by(Coupon.id, Coupon.code, Coupon.template_id, Coupon.merchant_id)
    )
