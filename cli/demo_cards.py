"""Service cards of the demo's last days: orders that went their way on WeChat's own card, and one
in eleven whose person does not want cards. Only rows that the verbs leave; WeChat is not asked."""

from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from gateways.wechat import card_events
from merchants.models import Merchant
from messaging.cards import keeping
from messaging.cards.notices import REFUSED
from orders import showing
from orders.models import Order
from payments.queries import find_paid

LATELY = timedelta(days=5)
REFUSING = 11


def run(session: Session, merchant: Merchant, now: datetime) -> None:
    lately = select(Order).where(Order.merchant_id == merchant.id, Order.paid_at > now - LATELY)
    for number, order in enumerate(session.scalars(lately.order_by(Order.id)).all(), start=1):
        paid, at = find_paid(session, order.id), order.completed_at or order.paid_at or now
        card_id = showing.keep(session, order, paid, at) if paid else None
        while card_id and (card := keeping.take(session, card_id, now=at)):
            if number % REFUSING == 0:
                error = card_events.REFUSED
                keeping.fail(session, card.id, REFUSED, errcode=error, now=at)
            else:
                keeping.told(session, card, now=at)
