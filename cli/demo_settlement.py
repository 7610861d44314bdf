"""Statements for the demo's past: what the channels kept is known, every day but the last is
closed, and each store was paid half of what it earned.

Of the days that were matched with a bill, fees are what the bill says and nothing else."""

from collections import defaultdict
from datetime import date, datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from cli import demo_recon
from core.clock import business_day
from merchants.models import Merchant
from merchants.queries import list_stores
from orders.models import Order
from payments import fees
from payments.models import AttemptState, Bill, PaymentAttempt
from payments.settlement import days, payouts


def run(session: Session, merchant: Merchant, now: datetime) -> None:
    found = session.scalars(
        select(PaymentAttempt)
        .join(Bill, Bill.id == PaymentAttempt.bill_id)
        .join(Order, Order.id == Bill.order_id)
        .where(
            Order.merchant_id == merchant.id,
            PaymentAttempt.channel.in_(demo_recon.RATES),
            PaymentAttempt.state == AttemptState.succeeded,
        )
    )
    kept: dict[date, dict[int, int]] = defaultdict(dict)
    matched_from = demo_recon.first_day(now)
    for attempt in found:
        day = business_day(attempt.settled_at or attempt.created_at)
        if day < matched_from:
            kept[day][attempt.id] = demo_recon.fee_fen(attempt.channel, attempt.channel_fen)
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
