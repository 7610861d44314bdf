"""The past of the demo as its channel tells it: a week of bills, with two differences in them."""

from datetime import date, datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

import gateways
from core.clock import day_bounds
from gateways.pay.bills import BillRow, RowKind
from merchants.models import Merchant
from payments.models import PAID, PaymentAttempt
from payments.models.statements import StatementDay, StatementKind, StatementState
from payments.recon import days, loading, matching, remote

WEEK = 7
RATE = 540  # hundred-thousandths
TOO_MUCH_FEN = 100


def run(session: Session, merchant: Merchant, now: datetime) -> None:
    """Each day is wanted on its next morning, as the job does it, and matched. Of yesterday's bill
    one payment is missing; of the day before one fee is a yuan too high."""
    newest = days.newest_ready(now)
    accounts = remote.accounts(gateways.cashier())
    for back in range(WEEK - 1, -1, -1):
        day = newest - timedelta(days=back)
        morning = day_bounds(day)[1] + timedelta(hours=days.READY_HOUR, minutes=5)
        days.want(session, accounts, now=morning)
        rows: dict[tuple[str, str], list[BillRow]] = {}
        for each in _days(session, day):
            whose = (each.channel, each.account)
            if each.kind is StatementKind.trade:
                rows[whose] = _rows(session, each, missing=back == 0, dear=back == 1)
                loading.put(session, each.id, rows[whose])
            told = rows.get(whose, [])
            settled = sum(row.settled_fen - row.fee_fen for row in told)
            days.move(
                session,
                each,
                StatementState.fetched,
                fetched_at=morning,
                rows=len(told),
                paid_fen=sum(row.amount_fen for row in told),
                fee_fen=sum(row.fee_fen for row in told),
                settled_fen=settled,
            )
            matching.match(session, each.id, now=morning)


def _days(session: Session, day: date) -> list[StatementDay]:
    found = select(StatementDay).where(StatementDay.day == day)
    return list(session.scalars(found.order_by(StatementDay.kind.desc(), StatementDay.id)))


def _rows(session: Session, day: StatementDay, *, missing: bool, dear: bool) -> list[BillRow]:
    start, end = day_bounds(day.day)
    found = session.scalars(
        select(PaymentAttempt)
        .where(
            PaymentAttempt.account == day.account,
            PaymentAttempt.channel == day.channel,
            PaymentAttempt.settled_at.between(start, end - timedelta(microseconds=1)),
            PaymentAttempt.state.in_(PAID),
            PaymentAttempt.channel_fen > 0,
        )
        .order_by(PaymentAttempt.settled_at, PaymentAttempt.id)
    ).all()
    told = found[:-1] if missing else found
    return [
        _row(attempt, more=TOO_MUCH_FEN if dear and attempt is told[0] else 0) for attempt in told
    ]


def _row(attempt: PaymentAttempt, *, more: int) -> BillRow:
    number = attempt.transaction_id or attempt.out_trade_no
    fen = attempt.channel_fen
    return BillRow(
        RowKind.payment,
        number,
        attempt.out_trade_no,
        number,
        fen,
        fen,
        (fen * RATE + 50_000) // 100_000 + more,
        RATE,
        "SUCCESS",
        attempt.settled_at or attempt.created_at,
    )
