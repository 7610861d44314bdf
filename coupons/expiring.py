"""Coupons past their end. Readers compare the time themselves; the sweep makes it a state."""

from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from core.database import claim
from coupons import ledger
from coupons.models import Coupon, CouponState, EntryKind


def expire_due(session: Session, now: datetime, limit: int = 1_000) -> int:
    """issued → expired for up to `limit` coupons; the number. Locked ones wait for their order.

    Four statements, however many coupons. Their rows are ours from the first on, and what another
    sweep or a clerk holds at this moment is passed over, so that two sweeps share the work.
    """
    over = (Coupon.state == CouponState.issued, Coupon.expires_at <= now)
    due = session.scalars(
        select(Coupon.id)
        .where(*over)
        .order_by(Coupon.expires_at, Coupon.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    ).all()
    if not due:
        return 0
    expired = claim(
        session,
        update(Coupon).where(Coupon.id.in_(due), *over).values(state=CouponState.expired),
    )
    ledger.write_many(session, Coupon.id.in_(due), EntryKind.expired, now=now)
    return expired
