"""What a channel keeps for itself, as its bill says: booked under the day of the bill while that is
open, else under today."""

from collections import defaultdict
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from sqlalchemy import Executable, select
from sqlalchemy.orm import Session

from core import rows
from orders.models import Order
from payments import accounts, ledger
from payments.models import Bill, LedgerEntry, PaymentAttempt
from payments.settlement.holding import hold


def post_fees(session: Session, fees: Mapping[int, int], day: date, *, now: datetime) -> int:
    """Attempt → fee, up to some thousands at a time; how many were new. A fee of 0 is none."""
    paid = (
        select(PaymentAttempt.id, PaymentAttempt.channel, PaymentAttempt.account, Order.id,
               Order.merchant_id)
        .join(Bill, Bill.id == PaymentAttempt.bill_id)
        .join(Order, Order.id == Bill.order_id)
        .where(PaymentAttempt.id.in_(fees))
    )  # fmt: skip
    return _post(session, "fee", paid, fees, day, now)


def _post(
    session: Session,
    kind: str,
    whose: Executable,
    fees: Mapping[int, int],
    day: date,
    now: datetime,
) -> int:
    by_merchant: dict[int, list[Any]] = defaultdict(list)
    for row in session.execute(whose):
        by_merchant[row[-1]].append(row)
    entries: list[dict[str, Any]] = []
    for merchant_id, found in sorted(by_merchant.items()):
        held = hold(session, merchant_id, day, now=now)
        for id_, channel, account, order_id, _ in found:
            amounts = {
                accounts.fee(channel, merchant_id): fees[id_],
                accounts.channel(channel, account): -fees[id_],
            }
            cause = f"{kind}:{id_}"
            entries += ledger.entries_of(cause, amounts, merchant_id, order_id, day=held, now=now)
    return rows.add_all_new(session, LedgerEntry, entries) // 2
