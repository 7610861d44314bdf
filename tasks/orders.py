"""Jobs of orders: unpaid ones expire, paid ones are announced, ready ones are told."""

import gateways
from core import clock
from core.database import reading
from core.logs import log
from gateways.pay.errors import ChannelRefused, ChannelUnavailable
from orders import showing, telling
from orders.models import OWING, OrderState
from orders.queries import get_order
from payments import remote
from payments.errors import PaymentInProgress
from payments.shipping import owing as shipping
from tasks.registry import Later, Run, job

MOST_SECONDS = 600


@job("orders.expire", queue="default")
def expire(run: Run, order_id: int) -> None:
    """Nobody paid in time: ask the channel once more, then give everything back.

    An order that turns out to be paid stays. The outbox row is done whatever was found; while the
    channel cannot be asked, or says no, the job comes back less and less often, but for ever: it
    holds stock, coupon and points of somebody.
    """
    now = clock.now()
    with reading() as session:
        order = get_order(session, order_id)
    if order.state is not OrderState.placed or order.payment_state not in OWING:
        return
    if order.expires_at > now:
        raise Later((order.expires_at - now).total_seconds())
    try:
        remote.cancel_order(
            gateways.cashier(),
            order_id,
            actor="system",
            reason="超时未付款",
            now=now,
            keep_paid=True,
        )
    except (PaymentInProgress, ChannelUnavailable, ChannelRefused) as error:
        log.warning("order_not_expired", order_no=order.no, why=f"{type(error).__name__}: {error}")
        overdue = (now - order.expires_at).total_seconds()
        raise Later(min(max(overdue, 5), MOST_SECONDS)) from None


@job("orders.after_paid", queue="urgent")
def after_paid(run: Run, order_id: int) -> None:
    """The store's staff hear of a paid order that waits for them; its card is put up, and its
    shipping is owed to the platform that holds the money."""
    with run.finish() as session:
        order = get_order(session, order_id)
        if order.state is OrderState.placed:
            telling.alert_staff(session, order, clock.now())
        showing.follow(session, order)
        shipping.owe(session, order, now=clock.now())


@job("orders.after_ready", queue="urgent")
def after_ready(run: Run, order_id: int) -> None:
    """The member hears that the goods can be fetched."""
    with run.finish() as session:
        order = get_order(session, order_id)
        if order.state is OrderState.ready:
            telling.tell_ready(session, order, clock.now())
