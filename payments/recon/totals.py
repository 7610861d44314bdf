"""What each merchant's part of a day adds up to: the bill's rows, our payments, their orders.

What is ours counts under the day of the bill that has it, whenever we heard of it and however it
ended; what no bill has counts under our own. So both sides differ by what is found to differ.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import ColumnElement, and_, case, delete, func, literal, or_, select
from sqlalchemy.orm import Session, aliased

from core import rows
from core.clock import day_bounds
from core.database import claim
from gateways.pay.bills import RowKind
from orders.models import Order, PaymentState
from payments.models import PAID, AttemptState, Bill, PaymentAttempt, Refund
from payments.models.statements import StatementDay, StatementLine, StatementTotal
from payments.recon import checks, days, slices

Line, Attempt = StatementLine, PaymentAttempt
# Columns of a total, in the order of the sums that fill them.
_OF_BILL = ("bill_payments", "bill_paid_fen", "bill_refunds", "bill_refunded_fen", "fee_fen")
_OF_PAYMENTS = ("payments", "paid_fen", "orders", "ordered_fen")
_OF_REFUNDS = ("refunds", "refunded_fen")
_ALL = (*_OF_BILL, *_OF_PAYMENTS, *_OF_REFUNDS)


def add_up(session: Session, day: StatementDay, near: Sequence[int], wide: Sequence[int]) -> None:
    """Write a day's totals anew. `near`, `wide`: the bills that may have a payment of the day, and
    those that may have a refund, this day's in front."""
    totals: dict[int, dict[str, int]] = defaultdict(lambda: dict.fromkeys(_ALL, 0))
    for names, statement in _asked(session, day, near, wide):
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


def _asked(
    session: Session, day: StatementDay, near: Sequence[int], wide: Sequence[int]
) -> Iterator[tuple[tuple[str, ...], Any]]:
    """A merchant and sums, of which there may be several for one."""
    for part in slices.of_lines(session, day):
        yield _OF_BILL, _bill(day, part)
        told = (
            select(*_PAID)
            .select_from(Line)
            .join(Attempt, and_(Attempt.out_trade_no == Line.our_no, *_of_account(day)))
        )
        yield (
            _OF_PAYMENTS,
            _by_merchant(told).where(part, Line.kind == RowKind.payment, Attempt.state.in_(PAID)),
        )
        back = select(*_BACK).select_from(Line).join(Refund, Refund.out_refund_no == Line.our_no)
        back = back.join(Attempt, and_(Attempt.id == Refund.attempt_id, *_of_account(day)))
        yield _OF_REFUNDS, _by_merchant(back).where(part, Line.kind == RowKind.refund)
    for start, end in slices.of_taken(session, day):
        missing = checks.not_told(select(*_PAID), near, Attempt)
        yield _OF_PAYMENTS, _by_merchant(missing).where(*checks.taken(day, start, end))
    missing = checks.not_told(select(*_BACK), wide, Refund)
    missing = missing.join(Attempt, Attempt.id == Refund.attempt_id)
    yield _OF_REFUNDS, _by_merchant(missing).where(*checks.given_back(day, *day_bounds(day.day)))


def _bill(day: StatementDay, part: ColumnElement[bool]) -> Any:
    """Of the rows whose merchant we know; a payment that was revoked is none."""
    revoked = aliased(Line)
    undone = and_(
        revoked.day_id == Line.day_id,
        revoked.our_no == Line.our_no,
        revoked.kind == RowKind.revoked,
    )
    paid = and_(Line.kind == RowKind.payment, revoked.id.is_(None))
    back = Line.kind == RowKind.refund
    sums = (
        func.sum(_one(paid)),
        func.sum(_if(paid, Line.amount_fen)),
        func.sum(_one(back)),
        func.sum(_if(back, Line.amount_fen)),
        func.sum(Line.fee_fen),
    )
    if day.merchant_id is not None:
        owner = literal(day.merchant_id)
        mine = select(owner, *sums).select_from(Line).outerjoin(revoked, undone)
        return mine.where(part).having(func.count() > 0)
    # Whose a row is, is what the order says that its payment is for.
    return (
        select(Order.merchant_id, *sums)
        .select_from(Line)
        .outerjoin(revoked, undone)
        .join(
            Attempt,
            and_(Attempt.channel == day.channel, Attempt.transaction_id == Line.payment_no),
        )
        .join(Bill, Bill.id == Attempt.bill_id)
        .join(Order, Order.id == Bill.order_id)
        .where(part)
        .group_by(Order.merchant_id)
    )


def _by_merchant(asked: Any) -> Any:
    """Of attempts, or of refunds with theirs, by whose order they are for."""
    asked = asked.join(Bill, Bill.id == Attempt.bill_id).join(Order, Order.id == Bill.order_id)
    return asked.group_by(Order.merchant_id)


def _of_account(day: StatementDay) -> list[ColumnElement[bool]]:
    return [Attempt.channel == day.channel, days.paid_through(day)]


def _one(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return _if(condition, 1)


def _if(condition: ColumnElement[bool], value: Any) -> ColumnElement[int]:
    return case((condition, value), else_=0)


# What our payments are, and what their orders know of them. One that came too late for its order
# goes back, and is in the bill all the same.
_KNOWN = or_(
    and_(Attempt.state == AttemptState.succeeded, Order.payment_state != PaymentState.unpaid),
    Attempt.state == AttemptState.succeeded_late,
)
_PAID = (
    Order.merchant_id,
    func.count(),
    func.sum(Attempt.channel_fen),
    func.sum(_one(_KNOWN)),
    func.sum(_if(_KNOWN, Attempt.channel_fen)),
)
_BACK = (Order.merchant_id, func.count(), func.sum(Refund.channel_fen))
