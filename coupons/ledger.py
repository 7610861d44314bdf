"""The ledger of coupons: one row per move and cause, only ever added."""

from datetime import datetime

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
