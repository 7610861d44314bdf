"""Coupons past their end. Readers compare the time themselves; the sweep makes it a state."""

from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from core.database import claim
from coupons import ledger
from coupons.models import Coupon, CouponState, EntryKind


def expire_due(session: Session, now: datetime, limit: int = 500) -> int:
    """issued → expired for up to `limit` coupons; the number. Locked ones wait for their order."""
    due = session.scalars(
        select(Coupon)
        .where(Coupon.state == CouponState.issued, Coupon.expires_at <= now)
        .order_by(Coupon.expires_at, Coupon.id)
        .limit(limit)
    ).all()
    expired = 0
    for coupon in due:
        moved = claim(
            session,
            update(Coupon)
            .where(Coupon.id == coupon.id, Coupon.state == CouponState.issued)
            .where(Coupon.expires_at <= now)
            .values(state=CouponState.expired),
        )
        if moved:
            expired += 1
            ledger.write(session, coupon, EntryKind.expired, cause="", actor="system", now=now)
    return expired
