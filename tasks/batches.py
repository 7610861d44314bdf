"""Jobs of coupons in bulk: a slice at a time, so that one that dies is gone on with."""

from datetime import datetime

from core import clock
from core.database import reading
from core.outbox import enqueue
from crm import reminding
from crm.batches import revoking, working
from tasks.each import SLICES, each
from tasks.registry import Run, job


@job("crm.coupon_batch", queue="bulk", timeout=300)
def coupon_batch(run: Run, batch_id: int) -> None:
    """The next slice; it queues the one after."""
    with run.finish() as session:
        working.next_slice(session, batch_id, now=clock.now())


@job("crm.void_batch", queue="bulk", timeout=600)
def void_batch(run: Run, batch_id: int, actor: str) -> None:
    """Take back what is unused, slice by slice."""
    more = True
    while more:
        with run.transaction() as session:
            more = revoking.next_slice(session, batch_id, actor=actor, now=clock.now())


@job("crm.void_returned", queue="bulk", timeout=60)
def void_returned(run: Run, coupon_id: int) -> None:
    """A batch's coupon is free again: of a revoked batch it is taken back as well."""
    with run.finish() as session:
        revoking.void_returned(session, coupon_id, now=clock.now())


@job("crm.remind_expiring", queue="messages", timeout=600)
def remind_expiring(run: Run) -> None:
    """Who holds a coupon that ends soon is told, once: a job for each merchant."""
    with reading() as session:
        merchants = reminding.list_merchants(session)
    each(run, "crm.remind_members", "merchant_id", merchants)


@job("crm.remind_members", queue="messages", timeout=600)
def remind_members(
    run: Run, merchant_id: int, after_at: str = "", after_coupon_id: int = 0
) -> None:
    """The members of a merchant along the ends of their coupons; after so many slices it is others'
    turn, and a job goes on from there."""
    last = reminding.Place(datetime.fromisoformat(after_at), after_coupon_id) if after_at else None
    for _ in range(SLICES):
        with run.transaction() as session:
            last = reminding.remind(session, merchant_id, now=clock.now(), after=last).last
        if last is None:
            return
    assert last is not None
    with run.finish() as session:
        stamp = f"{int(clock.now().timestamp())}-{last.coupon_id}"
        enqueue(
            session,
            "crm.remind_members",
            key=f"crm.remind_members:{merchant_id}:{stamp}",
            merchant_id=merchant_id,
            after_at=last.at.isoformat(),
            after_coupon_id=last.coupon_id,
        )
