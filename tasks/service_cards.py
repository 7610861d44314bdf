"""Jobs of service cards: what an order has come to, and telling WeChat."""

from core import clock
from core.outbox import enqueue
from gateways.wechat.errors import WechatError, WechatUnavailable
from messaging.cards import keeping, remote
from orders import showing
from orders.queries import get_order
from payments.queries import find_paid
from tasks.registry import Later, Run, job

DAILY_QUOTA = 45009
WAIT_BUSY, WAIT_QUOTA = 15, 600


@job("orders.show_card")
def show_order(run: Run, order_id: int) -> None:
    """An order has moved: what its card should say is written down, a job says it."""
    with run.finish() as session:
        order, paid = get_order(session, order_id), find_paid(session, order_id)
        card_id = showing.keep(session, order, paid, clock.now()) if paid else None
        if card_id is not None:
            enqueue(session, "messaging.show_card", card_id=card_id)


@job("messaging.show_card", queue="messages")
def show_card(run: Run, card_id: int) -> None:
    """Until the card says what it should: an order may go on while WeChat is being told."""
    try:
        while remote.show(card_id):
            pass
    except remote.NotKnownYet as unknown:
        raise Later(unknown.seconds) from None
    except keeping.CardBusy:
        raise Later(keeping.CUT_OFF.total_seconds()) from None
    except WechatError as refused:
        raise Later(WAIT_QUOTA if refused.errcode == DAILY_QUOTA else WAIT_BUSY) from None
    except WechatUnavailable:
        raise Later(WAIT_BUSY) from None
