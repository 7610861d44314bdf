"""Jobs of shipping information: owed, told, followed, watched; what the platform tells."""

from datetime import UTC, datetime
from typing import Any

import gateways
from core import clock
from core.config import current_config
from core.database import reading
from core.outbox import enqueue
from gateways.pay.errors import ChannelUnavailable
from gateways.pay.shipping import ShippingDesk, ShippingRefused, Why
from orders.queries import get_order
from payments.shipping import hearing, owing, remote, unknown, watching
from payments.shipping.hearing import Heard
from tasks.registry import Later, Run, job

DAILY_QUOTA = 45009
WAIT_BUSY, WAIT_QUOTA = 15, 600


def desk(appid: str) -> ShippingDesk:
    """Raises UnknownAccount."""
    return gateways.wechat().mini(appid).shipping


@job("payments.owe_shipping")
def owe(run: Run, order_id: int) -> None:
    """A payment that the platform asks about and nobody had written down."""
    with run.finish() as session:
        owing.owe(session, get_order(session, order_id), now=clock.now())


@job("orders.after_completed")
def after_completed(run: Run, order_id: int) -> None:
    """The goods are in the customer's hands: the platform that holds the money may know."""
    with run.finish() as session:
        owing.hand_over(session, order_id, now=clock.now())


@job("payments.tell_shipping", queue="messages")
def tell(run: Run, shipping_id: int) -> None:
    """Until the platform has taken it, or has said why it never will."""
    try:
        remote.tell(desk, shipping_id, clock.now())
    except remote.NotKnownYet as unknown_yet:
        raise Later(unknown_yet.seconds) from None
    except remote.ShippingBusy:
        raise Later(remote.CUT_OFF.total_seconds()) from None
    except ShippingRefused as refused:
        raise _later(refused) from None
    except ChannelUnavailable:
        raise Later(WAIT_BUSY) from None


@job("payments.follow_shipping", queue="bulk")
def follow(run: Run, shipping_id: int) -> None:
    """Of a settlement that nobody told us: it is asked for, a few times a day."""
    try:
        remote.follow(desk, shipping_id, clock.now())
    except ShippingRefused as refused:
        if refused.why is Why.busy:
            raise _later(refused) from None
        raise
    except ChannelUnavailable:
        raise Later(WAIT_BUSY) from None


@job("payments.watch_shipping")
def watch(run: Run) -> None:
    """What was left behind goes on, what gets old is told to staff, what is quiet is followed."""
    now = clock.now()
    with run.transaction() as session:
        watching.heal(session, now=now)
    with run.transaction() as session:
        watching.warn(session, now=now)
    slot = int(now.timestamp() // watching.FOLLOW_AGAIN.total_seconds())
    with run.finish() as session:
        for shipping_id, _ in watching.to_follow(session, now=now):
            key = f"payments.follow_shipping:{shipping_id}:{slot}"
            enqueue(session, "payments.follow_shipping", key=key, shipping_id=shipping_id)


@job("payments.check_shipping_controls", queue="bulk")
def check_controls(run: Run) -> None:
    """Once a day each mini-program is asked about, and what the platform waits for is gathered."""
    day = f"{clock.now():%Y%m%d}"
    with run.finish() as session:
        for mini in current_config().wechat.mini_programs:
            key = f"payments.check_shipping_control:{mini.appid}:{day}"
            enqueue(session, "payments.check_shipping_control", key=key, appid=mini.appid)
            key = f"payments.gather_unshipped:{mini.appid}:{day}"
            enqueue(session, "payments.gather_unshipped", key=key, appid=mini.appid)


@job("payments.check_shipping_control", queue="bulk")
def check_control(run: Run, appid: str) -> None:
    """Whether its payments are held back, and where the platform's messages lead."""
    try:
        remote.check_control(desk(appid), appid, clock.now())
    except ShippingRefused as refused:
        if refused.why is Why.busy:
            raise _later(refused) from None
        raise
    except ChannelUnavailable:
        raise Later(WAIT_BUSY) from None


@job("payments.gather_unshipped", queue="bulk", timeout=300)
def gather(run: Run, appid: str) -> None:
    """What the platform waits for and nobody here had written down."""
    with reading() as session:
        control = owing.find_control(session, appid)
    if control is None or not control.managed:
        return
    try:
        found = unknown.gather(desk(appid), clock.now())
    except ShippingRefused as refused:
        if refused.why is Why.busy:
            raise _later(refused) from None
        raise
    except ChannelUnavailable:
        raise Later(WAIT_BUSY) from None
    with run.finish() as session:
        for order_id in found:
            enqueue(session, "payments.owe_shipping", order_id=order_id)


@job("payments.hear_of_shipping")
def hear(run: Run, event: str, appid: str, **told: Any) -> None:
    """An event of the platform's, recorded by the door that it came through."""
    times = ("shipped_at", "settle_by", "confirmed_at", "settled_at")
    given = {name: datetime.fromtimestamp(told[name], UTC) for name in times if told.get(name)}
    heard = Heard(
        event,
        appid,
        told.get("transaction_id", ""),
        told.get("message", ""),
        confirmed_by=told.get("confirmed_by"),
        **given,
    )
    with run.finish() as session:
        hearing.act(session, heard, now=clock.now())


def _later(refused: ShippingRefused) -> Later:
    return Later(WAIT_QUOTA if refused.errcode == DAILY_QUOTA else WAIT_BUSY)
