"""The ledger of coupons: one row per move and cause, only ever added."""

from datetime import datetime

from sqlalchemy import ColumnElement, insert, literal, select
from sqlalchemy.orm import Session

from core import rows
from coupons.models import Coupon, CouponEntry, EntryKind
from coupons.queries import UsableCoupon


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
    device: str = "",
    reason: str = "",
) -> None:
    """Note a move that this transaction made; the caller won the compare-and-set."""
    entry = {
        "coupon_id": coupon.id,
        "kind": kind,
        "cause": f"{kind}:{coupon.id}:{cause}",
        "actor": actor,
        "store_id": store_id,
        "order_id": order_id,
        "device": device,
        "campaign_id": coupon.campaign_id,
        "reason": reason,
        "at": now,
    }
    rows.add(session, CouponEntry, entry)


def write_many(
    session: Session, moved: ColumnElement[bool], kind: EntryKind, *, now: datetime
) -> None:
    """The same move of all coupons that are `moved`, by the system, in one statement.

    This transaction made the move for each of them and holds their rows.
    """
    columns = ["coupon_id", "kind", "cause", "actor", "device", "campaign_id", "reason", "at"]
    found = select(
        Coupon.id,
        literal(kind, CouponEntry.kind.type),
        literal(f"{kind}:").concat(Coupon.id).concat(":"),
        literal("system"),
        literal(""),
        Coupon.campaign_id,
        literal(""),
        literal(now, CouponEntry.at.type),
    ).where(moved)
    session.execute(insert(CouponEntry).from_select(columns, found))
