"""The past of the demo as its channel tells it: a week of bills, with two differences in them."""

from datetime import date, datetime, timedelta

from sqlalchemy import and_, or_, select
from sqlalchemy.orm import Session

import gateways
from core.clock import day_bounds
from gateways.pay.bills import BillRow, RowKind
from merchants.models import Merchant
from payments.models import HOLDING, PAID, Channel, PaymentAttempt, Refund, RefundState
from payments.models.statements import StatementDay, StatementKind, StatementState
from payments.recon import days, loading, matching, remote

WEEK = 7
# Hundred-thousandths.
RATES: dict[str, int] = {Channel.wechat: 540, Channel.alipay: 600, Channel.unionpay: 550}
TOO_MUCH_FEN = 100
STATES = {
    RefundState.succeeded: "SUCCESS",
    RefundState.processing: "PROCESSING",
    RefundState.failed: "CHANGE",
}
"""What the channel calls them; one that it refused it does not know."""
KNOWN = or_(
    Refund.state.in_((RefundState.succeeded, RefundState.processing)),
    and_(Refund.state == RefundState.failed, Refund.error.in_(HOLDING)),
)


def first_day(now: datetime) -> date:
    """From then on fees are what the bills say."""
    return days.newest_ready(now) - timedelta(days=WEEK - 1)


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
                ours = each.channel == Channel.wechat
                rows[whose] = _rows(
                    session, each, missing=ours and back == 0, dear=ours and back == 1
                )
                loading.put(session, each.id, rows[whose])
            days.move(
                session,
                each,
                StatementState.fetched,
                fetched_at=morning,
                **_sums(rows.get(whose, [])),
            )
            matching.match(session, each.id, now=morning)


def _days(session: Session, day: date) -> list[StatementDay]:
    found = select(StatementDay).where(StatementDay.day == day)
    return list(session.scalars(found.order_by(StatementDay.kind.desc(), StatementDay.id)))


def _sums(told: list[BillRow]) -> dict[str, int]:
    paid = [row for row in told if row.kind is RowKind.payment]
    back = [row for row in told if row.kind is RowKind.refund]
    fees = sum(row.fee_fen for row in told)
    taken, given = (sum(row.settled_fen for row in some) for some in (paid, back))
    return {
        "rows": len(told),
        "paid_fen": sum(row.amount_fen for row in paid),
        "refunded_fen": sum(row.amount_fen for row in back),
        "fee_fen": fees,
        "settled_fen": taken - given - fees,
    }


def _rows(session: Session, day: StatementDay, *, missing: bool, dear: bool) -> list[BillRow]:
    start, end = day_bounds(day.day)
    mine = (PaymentAttempt.account == day.account, PaymentAttempt.channel == day.channel)
    last = end - timedelta(microseconds=1)
    found = session.scalars(
        select(PaymentAttempt)
        .where(
            *mine,
            PaymentAttempt.settled_at.between(start, last),
            PaymentAttempt.state.in_(PAID),
            PaymentAttempt.channel_fen > 0,
        )
        .order_by(PaymentAttempt.settled_at, PaymentAttempt.id)
    ).all()
    told = found[:-1] if missing else found
    paid = [
        _row(attempt, more=TOO_MUCH_FEN if dear and attempt is told[0] else 0) for attempt in told
    ]
    back = session.execute(
        select(Refund, PaymentAttempt)
        .join(PaymentAttempt, PaymentAttempt.id == Refund.attempt_id)
        .where(*mine, Refund.requested_at.between(start, last), Refund.channel_fen > 0, KNOWN)
        .order_by(Refund.id)
    )
    return paid + [_row_back(refund, attempt) for refund, attempt in back]


def fee_fen(channel: str, fen: int) -> int:
    """What the channel keeps of a payment, and gives back of a refund."""
    return (fen * RATES[channel] + 50_000) // 100_000


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
        fee_fen(attempt.channel, fen) + more,
        RATES[attempt.channel],
        "SUCCESS",
        attempt.settled_at or attempt.created_at,
    )


def _row_back(refund: Refund, attempt: PaymentAttempt) -> BillRow:
    fen = refund.channel_fen
    return BillRow(
        RowKind.refund,
        refund_id(refund),
        refund.out_refund_no,
        attempt.transaction_id or attempt.out_trade_no,
        fen,
        fen,
        -fee_fen(attempt.channel, fen),
        RATES[attempt.channel],
        STATES[refund.state],
        refund.requested_at,
    )


def refund_id(refund: Refund) -> str:
    return refund.refund_id or f"50000{refund.id:023}"
