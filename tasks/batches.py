"""Jobs of batches: a slice at a time, so that one that dies is gone on with."""

from core import clock
from crm.batches import revoking, working
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
