"""Statements for the demo's past: what the channels kept is known, every day but the last is
closed, and each store was paid half of what it earned.

Of the days that were matched with a bill, fees are what the bill says and nothing else."""

from collections import defaultdict
from datetime import date, datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from cli import demo_recon
from core import rows
from core.clock import business_day
from merchants.models import Merchant
from merchants.queries import list_stores
from orders.models import Order
from payments import accounts, ledger
from payments.models import AttemptState, Bill, LedgerEntry, PaymentAttempt
from payments.settlement import awaiting, days, payouts
from payments.settlement.holding import hold


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
        _post_fees(session, merchant.id, several, day, awaiting.closes_at(day))
    days.open_due(session, merchant.id, now=now)
    for statement in days.list_closable(session, merchant.id, now=now):
        days.close(session, statement.id, now=awaiting.closes_at(statement.day))
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


def _post_fees(
    session: Session, merchant_id: int, several: dict[int, int], day: date, now: datetime
) -> None:
    """Attempt → fee, as `payments.recon.booking` has them from a bill."""
    paid = (
        select(PaymentAttempt.id, PaymentAttempt.channel, PaymentAttempt.account, Bill.order_id)
        .join(Bill, Bill.id == PaymentAttempt.bill_id)
        .where(PaymentAttempt.id.in_(several))
    )
    held = hold(session, merchant_id, day, now=now)
    entries: list[dict[str, Any]] = []
    for id_, channel, account, order_id in session.execute(paid):
        amounts = {
            accounts.fee(channel, merchant_id): several[id_],
            accounts.channel(channel, account): -several[id_],
        }
        entries += ledger.entries_of(
            f"fee:{id_}", amounts, merchant_id, order_id, day=held, now=now
        )
    rows.add_all_new(session, LedgerEntry, entries)
