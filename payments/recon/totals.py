"""What each merchant's part of a day adds up to: the bill's rows, our payments, their orders."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, case, delete, func, literal, or_, select
from sqlalchemy.orm import Session

from core import rows
from core.clock import day_bounds
from core.database import claim
from gateways.pay.bills import RowKind
from orders.models import Order, PaymentState
from payments.models import AttemptState, Bill, PaymentAttempt, Refund
from payments.models.statements import StatementDay, StatementLine, StatementTotal
from payments.recon import checks, slices

Line, Attempt = StatementLine, PaymentAttempt
# Columns of a total, in the order of the sums that fill them.
_OF_BILL = ("bill_payments", "bill_paid_fen", "bill_refunds", "bill_refunded_fen", "fee_fen")
_OF_PAYMENTS = ("payments", "paid_fen", "orders", "ordered_fen")
_OF_REFUNDS = ("refunds", "refunded_fen")
_ALL = (*_OF_BILL, *_OF_PAYMENTS, *_OF_REFUNDS)


def add_up(session: Session, day: StatementDay) -> None:
    """Write a day's totals anew."""
    totals: dict[int, dict[str, int]] = defaultdict(lambda: dict.fromkeys(_ALL, 0))
    for names, statement in _asked(session, day):
        for merchant_id, *sums in session.execute(statement):
            total = totals[int(merchant_id)]
            for name, value in zip(names, sums, strict=True):
                total[name] += int(value or 0)
    claim(session, delete(StatementTotal).where(StatementTotal.day_id == day.id))
    rows.add_all(
        session,
        StatementTotal,
        [
            {"day_id": day.id, "merchant_id": merchant_id} | total
            for merchant_id, total in sorted(totals.items())
        ],
    )


def _asked(session: Session, day: StatementDay) -> Iterator[tuple[tuple[str, ...], Any]]:
    """A merchant and sums, of which there may be several for one."""
    for part in slices.of_lines(session, day):
        yield _OF_BILL, _bill(day, part)
    for start, end in slices.of_taken(session, day):
        yield _OF_PAYMENTS, _payments(day, start, end)
    yield _OF_REFUNDS, _refunds(day)


def _bill(day: StatementDay, part: ColumnElement[bool]) -> Any:
    """Of the rows whose merchant we know."""
    paid, back = Line.kind == RowKind.payment, Line.kind == RowKind.refund
    sums = (
        func.sum(_one(paid)),
        func.sum(_if(paid, Line.amount_fen)),
        func.sum(_one(back)),
        func.sum(_if(back, Line.amount_fen)),
        func.sum(Line.fee_fen),
    )
    if day.merchant_id is not None:
        owner = literal(day.merchant_id)
        return select(owner, *sums).where(part).having(func.count() > 0)
    # Whose a row is, is what the order says that its payment is for.
    return (
        select(Order.merchant_id, *sums)
        .select_from(Line)
        .join(
            Attempt,
            and_(Attempt.channel == day.channel, Attempt.transaction_id == Line.payment_no),
        )
        .join(Bill, Bill.id == Attempt.bill_id)
        .join(Order, Order.id == Bill.order_id)
        .where(part)
        .group_by(Order.merchant_id)
    )


def _payments(day: StatementDay, start: datetime, end: datetime) -> Any:
    """And what their orders know of them."""
    knows = and_(
        Attempt.state == AttemptState.succeeded, Order.payment_state != PaymentState.unpaid
    )
    # One that came too late for its order goes back, and is in the bill all the same.
    settled = or_(knows, Attempt.state == AttemptState.succeeded_late)
    return (
        select(
            Order.merchant_id,
            func.count(),
            func.sum(Attempt.channel_fen),
            func.sum(_one(settled)),
            func.sum(_if(settled, Attempt.channel_fen)),
        )
        .join(Bill, Bill.id == Attempt.bill_id)
        .join(Order, Order.id == Bill.order_id)
        .where(*checks.taken(day, start, end))
        .group_by(Order.merchant_id)
    )


def _refunds(day: StatementDay) -> Any:
    start, end = day_bounds(day.day)
    return (
        select(Order.merchant_id, func.count(), func.sum(Refund.channel_fen))
        .join(Attempt, Attempt.id == Refund.attempt_id)
        .join(Bill, Bill.id == Attempt.bill_id)
        .join(Order, Order.id == Bill.order_id)
        .where(*checks.given_back(day, start, end))
        .group_by(Order.merchant_id)
    )


def _one(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return _if(condition, 1)


def _if(condition: ColumnElement[bool], value: Any) -> ColumnElement[int]:
    return case((condition, value), else_=0)
