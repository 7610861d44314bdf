"""The questions that are asked of a day, each a single statement that names only what is wrong."""

from collections.abc import Collection, Iterator
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, and_, case, exists, func, or_, select
from sqlalchemy.orm import Session, aliased

from core.clock import day_bounds
from gateways.pay.bills import RowKind
from orders.models import Order, PaymentState
from payments.models import (
    PAID,
    AttemptState,
    Bill,
    PaymentAttempt,
    Refund,
    RefundState,
)
from payments.models.statements import About, Difference, StatementDay, StatementLine
from payments.recon import days

# So close to midnight the channel may book a payment on the day after.
EDGE = timedelta(hours=1)
# A refund is booked on the day it was accepted, which is days before it arrives at times.
REFUND_DAYS = 8
# The channel says that the money did not arrive.
_GONE = ("FAIL", "CHANGE", "CLOSED", "ABNORMAL")
_UNIT = 100_000  # of a rate

Line, Attempt = StatementLine, PaymentAttempt


class Found(NamedTuple):
    """Something that is wrong. `late`: close to midnight, so perhaps only tomorrow's."""

    kind: Difference
    about: About
    ref: str
    at: datetime
    merchant_id: int | None = None
    line_id: int | None = None
    attempt_id: int | None = None
    refund_id: int | None = None
    order_id: int | None = None
    ours_fen: int | None = None
    theirs_fen: int | None = None
    late: bool = False


def payments_in_bill(session: Session, day: StatementDay, limit: int) -> Iterator[Found]:
    """Rows of payments that we do not know, know otherwise, or whose fee is not what its rate says.

    A payment at the counter that was revoked has two rows and counts for nothing.
    """
    revoked = aliased(Line)
    undone = exists().where(
        revoked.day_id == day.id,
        revoked.our_no == Line.our_no,
        revoked.kind == RowKind.revoked,
    )
    unknown = or_(Attempt.id.is_(None), Attempt.state.not_in(PAID)) & ~undone
    known = Attempt.state.in_(PAID)
    wrong = or_(
        unknown,
        and_(known, Attempt.channel_fen != Line.amount_fen),
        and_(known, Attempt.transaction_id != Line.channel_no),
        and_(known, _fee_is_odd()),
    )
    statement = (
        select(Line, Attempt, Bill.order_id, Order.merchant_id)
        .outerjoin(
            Attempt,
            and_(
                Attempt.out_trade_no == Line.our_no,
                Attempt.channel == day.channel,
                days.paid_through(day),
            ),
        )
        .outerjoin(Bill, Bill.id == Attempt.bill_id)
        .outerjoin(Order, Order.id == Bill.order_id)
        .where(Line.day_id == day.id, Line.kind == RowKind.payment, wrong)
        .order_by(Line.id)
        .limit(limit)
    )
    for line, attempt, order_id, merchant_id in session.execute(statement):
        common: dict[str, Any] = {
            "ref": line.our_no or line.channel_no,
            "at": line.at,
            "merchant_id": merchant_id,
            "line_id": line.id,
            "attempt_id": attempt.id if attempt else None,
            "order_id": order_id,
            "theirs_fen": line.amount_fen,
            "about": About.payment,
        }
        if attempt is None or attempt.state not in PAID:
            yield Found(Difference.long, **common)
            continue
        ours: dict[str, Any] = {"ours_fen": attempt.channel_fen}
        if attempt.channel_fen != line.amount_fen:
            yield Found(Difference.amount, **common, **ours)
        if attempt.transaction_id != line.channel_no:
            yield Found(Difference.state, **common, **ours)
        if _odd(line):
            fees: dict[str, Any] = {"ours_fen": _fee_of(line), "theirs_fen": line.fee_fen}
            yield Found(Difference.fee, **(common | fees))


def refunds_in_bill(session: Session, day: StatementDay, limit: int) -> Iterator[Found]:
    """Rows of refunds that we do not know, or know otherwise."""
    back, gone = Line.state == "SUCCESS", Line.state.in_(_GONE)
    wrong = or_(
        Refund.id.is_(None),
        Refund.channel_fen != Line.amount_fen,
        and_(back, Refund.state != RefundState.succeeded),
        and_(gone, Refund.state == RefundState.succeeded),
    )
    statement = (
        select(Line, Refund, Attempt.id, Order.id, Order.merchant_id)
        .outerjoin(Refund, Refund.out_refund_no == Line.our_no)
        .outerjoin(
            Attempt,
            and_(Attempt.channel == day.channel, Attempt.transaction_id == Line.payment_no),
        )
        .outerjoin(Bill, Bill.id == Attempt.bill_id)
        .outerjoin(Order, Order.id == Bill.order_id)
        .where(Line.day_id == day.id, Line.kind == RowKind.refund, wrong)
        .order_by(Line.id)
        .limit(limit)
    )
    for line, refund, attempt_id, order_id, merchant_id in session.execute(statement):
        found = Found(
            Difference.long,
            About.refund,
            line.our_no or line.channel_no,
            line.at,
            merchant_id=merchant_id,
            line_id=line.id,
            attempt_id=attempt_id,
            refund_id=refund.id if refund else None,
            order_id=order_id,
            ours_fen=refund.channel_fen if refund else None,
            theirs_fen=line.amount_fen,
        )
        if refund is not None:
            same = refund.channel_fen == line.amount_fen
            found = found._replace(kind=Difference.state if same else Difference.amount)
        yield found


def payments_not_in_bill(
    session: Session, day: StatementDay, beside: Collection[int], limit: int
) -> Iterator[Found]:
    """What we took that day and the bill has not, nor that of the day before or after (`beside`:
    their ids and this one's)."""
    start, end = day_bounds(day.day)
    told = exists().where(
        Line.day_id.in_(beside), Line.our_no == Attempt.out_trade_no, Line.kind == RowKind.payment
    )
    statement = (
        select(Attempt, Bill.order_id, Order.merchant_id)
        .join(Bill, Bill.id == Attempt.bill_id)
        .join(Order, Order.id == Bill.order_id)
        .where(*_taken(day, start, end), ~told)
        .order_by(Attempt.id)
        .limit(limit)
    )
    for attempt, order_id, merchant_id in session.execute(statement):
        at = attempt.settled_at or attempt.created_at
        yield Found(
            Difference.short,
            About.payment,
            attempt.out_trade_no,
            at,
            merchant_id=merchant_id,
            attempt_id=attempt.id,
            order_id=order_id,
            ours_fen=attempt.channel_fen,
            late=at >= end - EDGE,
        )


def refunds_not_in_bill(
    session: Session, day: StatementDay, beside: Collection[int], limit: int
) -> Iterator[Found]:
    """What arrived that day, and no bill of the days before, of this or of the next has it."""
    start, end = day_bounds(day.day)
    told = exists().where(
        Line.day_id.in_(beside), Line.our_no == Refund.out_refund_no, Line.kind == RowKind.refund
    )
    statement = (
        select(Refund, Bill.order_id, Order.merchant_id)
        .join(Attempt, Attempt.id == Refund.attempt_id)
        .join(Bill, Bill.id == Attempt.bill_id)
        .join(Order, Order.id == Bill.order_id)
        .where(*_given_back(day, start, end), ~told)
        .order_by(Refund.id)
        .limit(limit)
    )
    for refund, order_id, merchant_id in session.execute(statement):
        at = refund.settled_at or refund.requested_at
        yield Found(
            Difference.short,
            About.refund,
            refund.out_refund_no,
            at,
            merchant_id=merchant_id,
            attempt_id=refund.attempt_id,
            refund_id=refund.id,
            order_id=order_id,
            ours_fen=refund.channel_fen,
            late=at >= end - EDGE,
        )


def orders_that_do_not_know(session: Session, day: StatementDay, limit: int) -> Iterator[Found]:
    """Payments of the day that were taken for an order which says that it is unpaid."""
    start, end = day_bounds(day.day)
    statement = (
        select(Attempt, Order.id, Order.no, Order.merchant_id)
        .join(Bill, Bill.id == Attempt.bill_id)
        .join(Order, Order.id == Bill.order_id)
        .where(
            *_taken(day, start, end),
            Attempt.state == AttemptState.succeeded,
            Order.payment_state == PaymentState.unpaid,
        )
        .order_by(Attempt.id)
        .limit(limit)
    )
    for attempt, order_id, no, merchant_id in session.execute(statement):
        yield Found(
            Difference.state,
            About.order,
            no,
            attempt.settled_at or attempt.created_at,
            merchant_id=merchant_id,
            attempt_id=attempt.id,
            order_id=order_id,
            ours_fen=0,
            theirs_fen=attempt.channel_fen,
        )


def beside(session: Session, day: StatementDay, first: date, last: date) -> list[int]:
    """The trade bills of the same account in these days."""
    return list(
        session.scalars(
            select(StatementDay.id).where(
                StatementDay.channel == day.channel,
                StatementDay.account == day.account,
                StatementDay.kind == day.kind,
                StatementDay.day.between(first, last),
            )
        )
    )


def bill_totals(day: StatementDay) -> Any:
    """merchant, payments, fen, refunds, fen, fee: of the rows whose merchant we know."""
    paid, back = Line.kind == RowKind.payment, Line.kind == RowKind.refund
    sums = (
        func.sum(_one(paid)),
        func.sum(_if(paid, Line.amount_fen)),
        func.sum(_one(back)),
        func.sum(_if(back, Line.amount_fen)),
        func.sum(Line.fee_fen),
    )
    if day.merchant_id is not None:
        owner = func.coalesce(day.merchant_id, 0)
        return select(owner, *sums).where(Line.day_id == day.id).having(func.count() > 0)
    # Whose a row is, is what the order says that its payment is for.
    return (
        select(Order.merchant_id, *sums)
        .join(
            Attempt,
            and_(Attempt.channel == day.channel, Attempt.transaction_id == Line.payment_no),
        )
        .join(Bill, Bill.id == Attempt.bill_id)
        .join(Order, Order.id == Bill.order_id)
        .where(Line.day_id == day.id)
        .group_by(Order.merchant_id)
    )


def our_totals(day: StatementDay) -> tuple[Any, Any]:
    """merchant, payments, fen, orders, fen; and merchant, refunds, fen."""
    start, end = day_bounds(day.day)
    knows = and_(
        Attempt.state == AttemptState.succeeded, Order.payment_state != PaymentState.unpaid
    )
    # One that came too late for its order goes back, and is in the bill all the same.
    settled = or_(knows, Attempt.state == AttemptState.succeeded_late)
    paid = (
        select(
            Order.merchant_id,
            func.count(),
            func.sum(Attempt.channel_fen),
            func.sum(_one(settled)),
            func.sum(_if(settled, Attempt.channel_fen)),
        )
        .join(Bill, Bill.id == Attempt.bill_id)
        .join(Order, Order.id == Bill.order_id)
        .where(*_taken(day, start, end))
        .group_by(Order.merchant_id)
    )
    back = (
        select(Order.merchant_id, func.count(), func.sum(Refund.channel_fen))
        .join(Attempt, Attempt.id == Refund.attempt_id)
        .join(Bill, Bill.id == Attempt.bill_id)
        .join(Order, Order.id == Bill.order_id)
        .where(*_given_back(day, start, end))
        .group_by(Order.merchant_id)
    )
    return paid, back


def _taken(day: StatementDay, start: datetime, end: datetime) -> list[ColumnElement[bool]]:
    return [
        days.paid_through(day),
        Attempt.settled_at >= start,
        Attempt.settled_at < end,
        Attempt.channel == day.channel,
        Attempt.state.in_(PAID),
        Attempt.channel_fen > 0,
    ]


def _given_back(day: StatementDay, start: datetime, end: datetime) -> list[ColumnElement[bool]]:
    return [
        Refund.settled_at >= start,
        Refund.settled_at < end,
        Refund.state == RefundState.succeeded,
        Refund.channel_fen > 0,
        Attempt.channel == day.channel,
        days.paid_through(day),
    ]


def _fee_is_odd() -> ColumnElement[bool]:
    """More than a fen from what the rate in the same row makes of it."""
    off = Line.fee_fen * _UNIT - Line.settled_fen * Line.rate
    return and_(Line.rate.is_not(None), func.abs(off) > _UNIT)


def _odd(line: StatementLine) -> bool:
    return line.rate is not None and (
        abs(line.fee_fen * _UNIT - line.settled_fen * line.rate) > _UNIT
    )


def _fee_of(line: StatementLine) -> int:
    return (line.settled_fen * (line.rate or 0) + _UNIT // 2) // _UNIT


def _one(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return _if(condition, 1)


def _if(condition: ColumnElement[bool], value: Any) -> ColumnElement[int]:
    return case((condition, value), else_=0)
