"""Jobs of settlement: every past day gets its statement, which is closed when its bills are in, and
what is to be shared of its payments is shared."""

import gateways
from core import clock
from core.database import reading, transaction
from core.logs import log
from payments.recon import days as recon_days
from payments.recon import remote
from payments.settlement import days
from payments.sharing import running
from tasks.each import each
from tasks.registry import Run, job


@job("payments.settle")
def settle(run: Run) -> None:
    """A job for each merchant, once the bills that their days wait for are known to be wanted."""
    with transaction() as session:
        recon_days.want_files(session, remote.accounts(gateways.cashier()), now=clock.now())
    with reading() as session:
        merchants = days.merchants(session)
    each(run, "payments.settle_days", "merchant_id", merchants)


@job("payments.settle_days", queue="bulk", timeout=1_800)
def settle_days(run: Run, merchant_id: int) -> None:
    """One merchant's; each day in a transaction of its own, the oldest first."""
    now = clock.now()
    with run.transaction() as session:
        days.open_due(session, merchant_id, now=now)
        due = [(one.id, one.day) for one in days.list_closable(session, merchant_id, now=now)]
    for statement_id, day in due:
        with run.transaction() as session:
            closed = days.close(session, statement_id, now=now)
        if closed:
            log.info("settlement_closed", merchant_id=merchant_id, day=day.isoformat())
    with run.transaction() as session:
        running.release_old(session, merchant_id, now=now)
    last = -1
    while last:
        with run.transaction() as session:
            last = running.queue_due(session, merchant_id, after=max(last, 0), now=now)
