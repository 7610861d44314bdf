"""What is unused of a batch is taken back, all of it; used coupons stay, and one in an unpaid order
until that ends.
"""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from core import audit
from core.database import claim
from core.outbox import enqueue
from coupons import gifting
from coupons.errors import ReasonRequired
from coupons.models import Coupon, CouponState
from coupons.voiding import void_many
from crm.errors import BatchMoved
from crm.models import NEXT_BATCH, BatchState, CouponBatch

SLICE = 500
MAX_REASON = 60


def start(
    session: Session, batch: CouponBatch, *, staff_id: int, reason: str, now: datetime
) -> None:
    """→ revoking: nothing more is issued, and a job takes back what is unused.

    Raises ReasonRequired, BatchMoved.
    """
    if not reason.strip():
        raise ReasonRequired("写一下为什么作废", errors={"reason": "必填"})
    sources = [state for state, targets in NEXT_BATCH.items() if BatchState.revoking in targets]
    revoking = update(CouponBatch).where(CouponBatch.id == batch.id, CouponBatch.state.in_(sources))
    why = reason.strip()[:MAX_REASON]
    if not claim(session, revoking.values(state=BatchState.revoking, revoke_reason=why)):
        raise BatchMoved
    session.refresh(batch)
    enqueue(session, "crm.void_batch", batch_id=batch.id, actor=f"staff:{staff_id}")
    audit.record(
        session,
        actor=f"staff:{staff_id}",
        action="batch.revoke",
        subject=f"batch:{batch.id}",
        after={"name": batch.name, "state": BatchState.revoking},
        merchant_id=batch.merchant_id,
        reason=why,
        now=now,
    )


def next_slice(session: Session, batch_id: int, *, actor: str, now: datetime) -> bool:
    """Void the next slice; False when nothing is left and the batch is revoked.

    Those on offer to a friend come back first. One that an unpaid order holds is passed over: when
    it is free again, `void_returned` takes it back.
    """
    batch = session.get_one(CouponBatch, batch_id, with_for_update=True)
    if batch.state is not BatchState.revoking:
        return False
    if gifting.end_of_batch(session, batch_id, actor=actor, now=now, limit=SLICE // 5):
        return True
    unused = select(Coupon.id).where(
        Coupon.batch_id == batch_id, Coupon.state == CouponState.issued
    )
    ids = session.scalars(unused.order_by(Coupon.id).limit(SLICE)).all()
    if not ids:
        done = update(CouponBatch).where(CouponBatch.id == batch_id)
        claim(session, done.values(state=BatchState.revoked, finished_at=now))
        return False
    _void(session, batch, ids, actor, now)
    return True


def void_returned(session: Session, coupon_id: int, *, now: datetime) -> bool:
    """A coupon is free again, after an order, an undo or a gift; void if its batch was revoked."""
    coupon = session.get_one(Coupon, coupon_id)
    if coupon.batch_id is None:
        return False
    batch = session.get_one(CouponBatch, coupon.batch_id, with_for_update=True)
    if batch.state not in (BatchState.revoking, BatchState.revoked):
        return False
    return _void(session, batch, [coupon_id], "system", now) == 1


def _void(
    session: Session, batch: CouponBatch, ids: Sequence[int], actor: str, now: datetime
) -> int:
    gone = void_many(session, ids, actor=actor, reason=batch.revoke_reason, now=now)
    counted = update(CouponBatch).where(CouponBatch.id == batch.id)
    claim(session, counted.values(voided=CouponBatch.voided + gone))
    return gone
