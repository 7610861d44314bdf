"""Statements for the demo's past: what the channel kept is known, every day but the last is closed,
and each store was paid half of what it earned."""

from collections import defaultdict
from datetime import date, datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.clock import business_day
from core.money import apply_basis_points
from merchants.models import Merchant
from merchants.queries import list_stores
from orders.models import Order
from payments import fees
from payments.models import AttemptState, Bill, Channel, PaymentAttempt
from payments.settlement import days, payouts

FEE_BP = 60


def run(session: Session, merchant: Merchant, now: datetime) -> None:
    found = session.execute(
        select(PaymentAttempt.id, PaymentAttempt.channel_fen, PaymentAttempt.settled_at)
        .join(Bill, Bill.id == PaymentAttempt.bill_id)
        .join(Order, Order.id == Bill.order_id)
        .where(
            Order.merchant_id == merchant.id,
            PaymentAttempt.channel == Channel.wechat,
            PaymentAttempt.state == AttemptState.succeeded,
        )
    )
    kept: dict[date, dict[int, int]] = defaultdict(dict)
    for attempt_id, fen, settled_at in found:
        if settled_at is not None and business_day(settled_at) < business_day(now):
            kept[business_day(settled_at)][attempt_id] = apply_basis_points(fen, FEE_BP)
    for day, several in sorted(kept.items()):
        fees.post_fees(session, several, day, now=days.closes_at(day))
    days.open_due(session, merchant.id, now=now)
    for statement in days.list_closable(session, merchant.id, now=now):
        days.close(session, statement.id, now=days.closes_at(statement.day))
    for number, store in enumerate(list_stores(session, merchant.id), 1):
        half = payouts.left_fen(session, store.id) // 200 * 100
        if half > 0:
            payouts.record(
                session,
                merchant.id,
                store.id,
                half,
                voucher=f"ICBC{business_day(now):%Y%m%d}{number:04}",
                note="上半月货款",
                actor="system",
                now=now,
            )
