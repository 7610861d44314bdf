"""A merchant takes coupons back that nobody has used yet: by whom and why stands in the ledger."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from core import audit
from core.database import claim
from coupons import ledger
from coupons.errors import CouponNotFound, ReasonRequired
from coupons.locking import reload
from coupons.models import Coupon, CouponState, EntryKind
from coupons.redemption import refused


def void(
    session: Session,
    coupon_id: int,
    *,
    merchant_id: int,
    actor: str,
    reason: str,
    now: datetime,
) -> Coupon:
    """issued → void, with a reason. Raises ReasonRequired, CouponNotFound, or why it was not free:
    one that an order or a gift holds, that was used or is over stays as it is."""
    if not reason.strip():
        raise ReasonRequired("写一下为什么作废", errors={"reason": "必填"})
    coupon = session.get(Coupon, coupon_id)
    if coupon is None or coupon.merchant_id != merchant_id:
        raise CouponNotFound
    if not void_many(session, [coupon_id], actor=actor, reason=reason.strip(), now=now):
        raise refused(session, reload(session, coupon_id), now)
    audit.record(
        session,
        actor=actor,
        action="coupon.void",
        subject=f"coupon:{coupon_id}",
        before={"state": CouponState.issued},
        after={"state": CouponState.void},
        merchant_id=merchant_id,
        reason=reason.strip(),
        now=now,
    )
    return reload(session, coupon_id)


def void_many(
    session: Session, coupon_ids: Sequence[int], *, actor: str, reason: str, now: datetime
) -> int:
    """Those of `coupon_ids` that are unused become void; how many that were. Four statements."""
    free = (Coupon.id.in_(coupon_ids), Coupon.state == CouponState.issued)
    found = select(Coupon.id).where(*free).order_by(Coupon.id).with_for_update()
    ids = session.scalars(found).all()
    if not ids:
        return 0
    mine = update(Coupon).where(Coupon.id.in_(ids), Coupon.state == CouponState.issued)
    moved = claim(session, mine.values(state=CouponState.void))
    ledger.write_many(
        session, Coupon.id.in_(ids), EntryKind.voided, actor=actor, reason=reason, now=now
    )
    return moved
