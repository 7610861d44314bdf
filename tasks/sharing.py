"""Jobs of profit sharing: one payment a job, asked under its numbers until it is released."""

from datetime import datetime

import gateways
from core import clock
from core.database import reading
from gateways.pay.errors import ChannelRefused, ChannelUnavailable
from merchants.models import Merchant
from payments import telling
from payments.models import ReturnState, Sharing, SharingReceiver, SharingReturn
from payments.sharing import remote, returning
from tasks.registry import Later, Run, job

SOON_SECONDS = 30
AN_HOUR = 3_600


@job("payments.share", queue="bulk")
def share(run: Run, sharing_id: int) -> None:
    """`again`: too early for the channel, or less is left than we thought."""
    now = clock.now()
    with reading() as session:
        asked_at = session.get_one(Sharing, sharing_id).asked_at
    try:
        outcome = remote.advance(gateways.cashier().sharing, sharing_id, now)
    except ChannelUnavailable:
        raise Later(SOON_SECONDS) from None
    except ChannelRefused as error:
        if not error.transient:
            raise
        raise Later(SOON_SECONDS) from None
    if outcome == "again":
        raise Later(AN_HOUR)
    if outcome in ("asked", "wait"):
        raise Later(_growing(asked_at, now))


@job("payments.check_return", queue="default")
def check_return(run: Run, return_id: int) -> None:
    """What a receiver gives back though the refund no longer waits for it."""
    now = clock.now()
    with reading() as session:
        asked_at = session.get_one(SharingReturn, return_id).asked_at
    try:
        state = remote.check_return(gateways.cashier().sharing, return_id, now)
    except ChannelUnavailable:
        raise Later(SOON_SECONDS) from None
    if state is ReturnState.asked:
        raise Later(_growing(asked_at, now))


@job("payments.return_after", queue="default")
def return_after(run: Run, refund_id: int) -> None:
    """A refund that had failed was done all the same: receivers give back their part of it."""
    with run.transaction() as session:
        ready = returning.plan_after(session, refund_id, now=clock.now())
    if not ready:
        raise Later(SOON_SECONDS)


@job("payments.tell_receiver", queue="default")
def tell_receiver(run: Run, receiver_id: int) -> None:
    """The channel hears who may receive, or may no longer."""
    with reading() as session:
        receiver = session.get_one(SharingReceiver, receiver_id)
        merchant = session.get_one(Merchant, receiver.merchant_id)
    channel = gateways.cashier().sharing_for(merchant.code)
    try:
        remote.tell_receiver(channel, receiver_id, clock.now())
    except ChannelUnavailable:
        raise Later(SOON_SECONDS) from None
    except ChannelRefused as error:
        if not error.transient:
            raise
        raise Later(SOON_SECONDS) from None


@job("payments.tell_refused", queue="default")
def tell_refused(run: Run, receiver_id: int) -> None:
    """The channel will not have a receiver: those who settle hear of it."""
    with run.finish() as session:
        telling.tell_refused(session, receiver_id, now=clock.now())


@job("payments.tell_return", queue="default")
def tell_return(run: Run, return_id: int) -> None:
    """A receiver does not give back its part of a refund: those who settle hear of it."""
    with run.finish() as session:
        telling.tell_return(session, return_id, now=clock.now())


@job("payments.tell_short", queue="default")
def tell_short(run: Run, refund_id: int) -> None:
    """Shares came back for a refund that then failed: those who settle hear of it."""
    with run.finish() as session:
        telling.tell_short(session, refund_id, now=clock.now())


def _growing(since: datetime | None, now: datetime) -> float:
    """Wait as long again as has been waited, within limits."""
    waited = (now - since).total_seconds() if since else 0.0
    return min(max(waited, float(SOON_SECONDS)), float(AN_HOUR))
