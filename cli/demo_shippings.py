"""Shipping information of the demo's last days: told at the handover, settled after two days, one
corrected, one refused, one with a parcel still to go. Only rows: WeChat is not asked."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from core import rows
from core.database import claim
from gateways.pay.shipping import Logistics, Parcel
from merchants.models import Merchant
from messaging.accounts import minis_of
from orders.models import Order
from payments.shipping import owing, remote
from payments.shipping.models import PaymentShipping, ShippingControl, ShippingState
from payments.shipping.wishes import Wish

LATELY, SETTLES = timedelta(days=5), timedelta(days=2)
CORRECTED, REFUSED, SPLIT = 4, 7, 9
"""Which of the orders stand for what, counted from the latest."""


def run(session: Session, merchant: Merchant, now: datetime) -> None:
    for mini in minis_of(merchant.code):
        known = {"managed": True, "confirmed": True, "page": remote.PAGE, "message": ""}
        row = {"appid": mini.appid, **known, "checked_at": now}
        rows.add_new(session, ShippingControl, row)
    lately = select(Order).where(Order.merchant_id == merchant.id, Order.paid_at > now - LATELY)
    found = session.scalars(lately.order_by(Order.paid_at.desc())).all()
    for number, order in enumerate(found, start=1):
        owing.owe(session, order, now=order.paid_at or now)
        mine = update(PaymentShipping).where(
            PaymentShipping.order_id == order.id, PaymentShipping.state == ShippingState.due
        )
        claim(session, mine.values(**_past(number, order, now)))


def _past(number: int, order: Order, now: datetime) -> dict[str, Any]:
    """What has become of an order that was handed over."""
    at = order.completed_at or order.paid_at or now
    told = {"told": PaymentShipping.wanted, "told_at": at, "shipped_at": at, "changed_at": at}
    told |= {"settle_by": at + SETTLES}
    if number == REFUSED:
        reason = "付款人和微信的记录对不上"
        return {"state": ShippingState.failed, "errcode": 10060031, "reason": reason}
    if number == SPLIT:
        gift = Wish(Logistics.parcel, (Parcel("茶叶礼盒", "ZTO", "73501884520117"),), True, False)
        row = {"logistics": Logistics.parcel, "wanted": gift.as_row(), "told": gift.as_row()}
        return {"state": ShippingState.part, **row, "told_at": at, "changed_at": at}
    if number == CORRECTED:
        return {**told, "state": ShippingState.corrected, "corrections": 1}
    if at + SETTLES < now:
        ends = {"confirmed_at": at + SETTLES, "settled_at": at + SETTLES, "confirmed_by": 2}
        return {**told, **ends, "state": ShippingState.settled}
    return {**told, "state": ShippingState.uploaded}
