"""The ledger of coupons: one row per move and cause, only ever added.

A coupon's state is a snapshot of it: `list_unbalanced` finds those that say something else.
"""

from datetime import datetime

from sqlalchemy import ColumnElement, case, func, insert, literal, or_, select
from sqlalchemy.orm import Session

from core import rows
from core.outbox import enqueue
from coupons.errors import RedemptionUndone
from coupons.models import AFTER, Coupon, CouponEntry, EntryKind
from coupons.queries import UsableCoupon

FREE_AGAIN = (EntryKind.released, EntryKind.returned, EntryKind.kept, EntryKind.gifted)
"""After these somebody can use a coupon that an order or a gift held, or that was used."""


def write(
    session: Session,
    coupon: Coupon | UsableCoupon,
    kind: EntryKind,
    *,
    cause: str,
    actor: str,
    now: datetime,
    store_id: int | None = None,
    order_id: int | None = None,
    discount_fen: int | None = None,
    device: str = "",
    reason: str = "",
    happened_at: datetime | None = None,
) -> None:
    """Note a move that this transaction made; the caller won the compare-and-set.

    A coupon of a batch that is free again has that batch looked at: it may be revoked since.
    """
    entry = {
        "coupon_id": coupon.id,
        "kind": kind,
        "cause": f"{kind}:{coupon.id}:{cause}",
        "actor": actor,
        "store_id": store_id,
        "order_id": order_id,
        "device": device,
        "campaign_id": coupon.campaign_id,
        "discount_fen": discount_fen,
        "reason": reason,
        "happened_at": happened_at,
        "at": now,
    }
    rows.add(session, CouponEntry, entry)
    back = kind in FREE_AGAIN or (kind is EntryKind.used and order_id is not None)
    if back and isinstance(coupon, Coupon) and coupon.batch_id is not None:
        enqueue(session, "crm.void_returned", coupon_id=coupon.id)


def find_use(session: Session, coupon_id: int, key: str) -> CouponEntry | None:
    """The use that a clerk or a till made of the coupon under `key`. Raises RedemptionUndone."""
    kinds = (EntryKind.used, EntryKind.redeemed, EntryKind.returned)
    causes = [f"{kind}:{coupon_id}:key:{key}" for kind in kinds]
    found = session.scalars(select(CouponEntry).where(CouponEntry.cause.in_(causes))).all()
    if any(one.kind is EntryKind.returned for one in found):
        raise RedemptionUndone
    return next(iter(found), None)


def write_many(
    session: Session,
    moved: ColumnElement[bool],
    kind: EntryKind,
    *,
    now: datetime,
    actor: str = "system",
    reason: str = "",
) -> None:
    """The same move of all coupons that are `moved`, in one statement.

    This transaction made the move for each of them and holds their rows.
    """
    columns = ["coupon_id", "kind", "cause", "actor", "device", "campaign_id", "reason", "at"]
    found = select(
        Coupon.id,
        literal(kind, CouponEntry.kind.type),
        literal(f"{kind}:").concat(Coupon.id).concat(":"),
        literal(actor),
        literal(""),
        Coupon.campaign_id,
        literal(reason),
        literal(now, CouponEntry.at.type),
    ).where(moved)
    session.execute(insert(CouponEntry).from_select(columns, found))


def list_unbalanced(session: Session, ids: range) -> list[int]:
    """The coupons among these whose state is not where their last entry left them."""
    mine = Coupon.id.between(ids.start, ids.stop - 1)
    last = (
        select(CouponEntry.coupon_id, func.max(CouponEntry.id).label("entry_id"))
        .where(CouponEntry.coupon_id.between(ids.start, ids.stop - 1), CouponEntry.kind.in_(AFTER))
        .group_by(CouponEntry.coupon_id)
        .subquery()
    )
    says = case({kind.value: state.value for kind, state in AFTER.items()}, value=CouponEntry.kind)
    statement = (
        select(Coupon.id)
        .outerjoin(last, last.c.coupon_id == Coupon.id)
        .outerjoin(CouponEntry, CouponEntry.id == last.c.entry_id)
        .where(mine, or_(last.c.entry_id.is_(None), Coupon.state != says))
        .order_by(Coupon.id)
    )
    return list(session.scalars(statement))
