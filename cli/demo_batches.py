"""The demo's printed codes and its till's key, so that their pages are not empty."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from crm.batches import making, working
from crm.models import CouponBatch
from merchants import api_keys
from merchants.models import Merchant, Role, Staff, Store

FLYER, CODES = "开业传单", 24
TILL = "静安寺店 1 号收银"


def load(session: Session, merchant: Merchant, template_id: int, now: datetime) -> None:
    """Codes on a flyer and a key that nobody holds; nothing when they are there."""
    owner = session.scalars(
        select(Staff).where(Staff.merchant_id == merchant.id, Staff.role == Role.owner)
    ).first()
    known = select(CouponBatch.id).where(CouponBatch.merchant_id == merchant.id)
    if owner is None or session.scalar(known) is not None:
        return
    batch = making.sheet(
        session,
        merchant.id,
        template_id=template_id,
        number=CODES,
        name=FLYER,
        staff_id=owner.id,
        now=now,
    )
    while working.next_slice(session, batch.id, now=now):
        pass
    store = session.scalars(
        select(Store).where(Store.merchant_id == merchant.id, Store.name.startswith("静安"))
    ).first()
    api_keys.make(
        session,
        merchant.id,
        name=TILL,
        scopes=("coupons.read", "coupons.redeem", "coupons.undo"),
        store_id=store.id if store else None,
        staff_id=owner.id,
        now=now,
    )
