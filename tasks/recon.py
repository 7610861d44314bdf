"""Jobs of reconciliation: each morning every day that is wanted, each noon whoever has to look."""

from datetime import timedelta

import gateways
from core import clock
from core.database import reading, transaction
from gateways.pay.bills import BadBill, BillNotReady
from gateways.pay.errors import ChannelRefused, ChannelUnavailable
from payments.recon import days, remote, telling
from tasks.each import each
from tasks.registry import Later, Run, job

NOT_READY_SECONDS = 900
SOON_SECONDS = 60
AGAIN = timedelta(minutes=10)


@job("payments.want_statements", queue="bulk")
def want_statements(run: Run) -> None:
    """From ten in the morning yesterday is wanted, and every day before that was left out."""
    now = clock.now()
    with transaction() as session:
        days.want(session, remote.accounts(gateways.cashier()), now=now)
    with reading() as session:
        due = days.list_due(session, now=now)
    each(run, "payments.reconcile", "day_id", due, patience=AGAIN)


@job("payments.reconcile", queue="bulk", timeout=1_800)
def reconcile(run: Run, day_id: int) -> None:
    """A bill that is being written, or a channel that is silent, is asked again."""
    try:
        remote.reconcile(gateways.cashier(), day_id, clock.now())
    except BillNotReady:
        _note(day_id, BillNotReady.code)
        raise Later(NOT_READY_SECONDS) from None
    except ChannelUnavailable as silence:
        _note(day_id, silence.code)
        raise Later(SOON_SECONDS) from None
    except BadBill as bad:
        _note(day_id, bad.code)
        raise
    except ChannelRefused as refusal:
        _note(day_id, refusal.pay_code or refusal.code)
        if refusal.transient:
            raise Later(SOON_SECONDS) from None
        raise


@job("payments.tell_differences", queue="bulk")
def tell_differences(run: Run) -> None:
    """After noon: a day that differs, or whose bill has not come, reaches the owners, once."""
    now = clock.now()
    with run.finish() as session:
        telling.tell(session, now=now)


def _note(day_id: int, error: str) -> None:
    with transaction() as session:
        days.note_error(session, day_id, error)
