"""Which payments are shared next, and what a person may do about one that is stuck."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from core import audit
from core.clock import business_day, day_bounds
from core.outbox import enqueue
from payments.errors import SharingNotFound
from payments.models import Sharing, SharingState
from payments.sharing.asking import begin_release, move

SLICE = 500
# After thirty days the channel releases what is held back by itself.
LAST_DAY = timedelta(days=28)


def queue_due(session: Session, merchant_id: int, *, after: int, now: datetime) -> int:
    """A job for each payment of past days that is due or under way; the last id, 0 at the end."""
    alive = (SharingState.due, SharingState.asked, SharingState.shared, SharingState.releasing)
    found = (
        select(Sharing.id)
        .where(
            Sharing.merchant_id == merchant_id,
            Sharing.state.in_(alive),
            or_(Sharing.state != SharingState.shared, Sharing.error == ""),
            Sharing.id > after,
            Sharing.paid_at < day_bounds(business_day(now))[0],
        )
        .order_by(Sharing.id)
        .limit(SLICE)
    )
    ids = session.scalars(found).all()
    hour = int(now.timestamp()) // 3_600
    for sharing_id in ids:
        key = f"payments.share:{sharing_id}:{hour}"
        enqueue(session, "payments.share", key=key, sharing_id=sharing_id)
    return ids[-1] if ids else 0


def release_old(session: Session, merchant_id: int, *, now: datetime) -> int:
    """What nobody put right in time is the merchant's; how many that were."""
    stuck = (SharingState.shared, SharingState.failed)
    found = (
        select(Sharing)
        .where(
            Sharing.merchant_id == merchant_id,
            Sharing.state.in_(stuck),
            Sharing.error != "",
            Sharing.paid_at < now - LAST_DAY,
        )
        .limit(SLICE)
    )
    old = session.scalars(found).all()
    return sum(begin_release(session, one, now) for one in old)


def list_stuck(session: Session, merchant_id: int, *, limit: int = 50) -> Sequence[Sharing]:
    """Where somebody got nothing, and the money is still held back."""
    stuck = (SharingState.shared, SharingState.failed)
    found = select(Sharing).where(
        Sharing.merchant_id == merchant_id, Sharing.state.in_(stuck), Sharing.error != ""
    )
    return session.scalars(found.order_by(Sharing.id).limit(limit)).all()


def count_stuck(session: Session, merchant_id: int) -> int:
    stuck = (SharingState.shared, SharingState.failed)
    found = select(func.count()).where(
        Sharing.merchant_id == merchant_id, Sharing.state.in_(stuck), Sharing.error != ""
    )
    return session.scalar(found) or 0


def again(
    session: Session, merchant_id: int, sharing_id: int, *, actor: str, now: datetime
) -> None:
    """Ask once more for those who got nothing. Raises SharingNotFound."""
    found = session.get(Sharing, sharing_id, populate_existing=True)
    if found is None or found.merchant_id != merchant_id or not found.error:
        raise SharingNotFound
    if not move(session, found, SharingState.due, error=""):
        raise SharingNotFound
    enqueue(session, "payments.share", sharing_id=sharing_id)
    audit.record(
        session,
        actor=actor,
        action="sharing.again",
        subject=f"sharing:{sharing_id}",
        merchant_id=merchant_id,
        now=now,
    )
