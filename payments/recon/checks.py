"""The questions that are asked of a day, each a statement that names only what is wrong."""

from collections.abc import Collection, Iterator, Sequence
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, and_, exists, func, or_, select
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
from payments.recon import days, slices

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
    for part in slices.of_lines(session, day):
        yield from _payments_in_bill(session, day, part, limit)


def _payments_in_bill(
    session: Session, day: StatementDay, part: ColumnElement[bool], limit: int
) -> Iterator[Found]:
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
        .where(part, Line.kind == RowKind.payment, wrong)
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


def not_in_bill(
    session: Session,
    day: StatementDay,
    beside: Sequence[int],
    limit: int,
    of: type[PaymentAttempt] | type[Refund],
    among: Collection[int] | None = None,
) -> Iterator[Found]:
    """What we took that day, or what arrived of refunds, that no bill has of which it may be in
    (`beside`: their ids, this one's in front). `among`: only of these."""
    late = day_bounds(day.day)[1] - EDGE
    whole, paid = [day_bounds(day.day)], of is Attempt
    in_parts = paid and among is None
    for start, end in slices.of_taken(session, day) if in_parts else whole:
        asked = not_told(select(of, Attempt.id, Bill.order_id, Order.merchant_id), beside, of)
        if not paid:
            asked = asked.join(Attempt, Attempt.id == Refund.attempt_id)
        statement = (
            asked.join(Bill, Bill.id == Attempt.bill_id)
            .join(Order, Order.id == Bill.order_id)
            .where(*(taken if paid else given_back)(day, start, end))
            .order_by(of.id)
            .limit(limit)
        )
        if among is not None:
            statement = statement.where(of.id.in_(among))
        for ours, attempt_id, order_id, merchant_id in session.execute(statement):
            back = isinstance(ours, Refund)
            at = ours.settled_at or (ours.requested_at if back else ours.created_at)
            yield Found(
                Difference.short,
                About.refund if back else About.payment,
                ours.out_refund_no if back else ours.out_trade_no,
                at,
                merchant_id=merchant_id,
                attempt_id=attempt_id,
                refund_id=ours.id if back else None,
                order_id=order_id,
                ours_fen=ours.channel_fen,
                late=at >= late,
            )


def not_told(asked: Any, beside: Sequence[int], of: type[PaymentAttempt] | type[Refund]) -> Any:
    """Of those that none of these days' bills has; most are in the first. One seek a day: what
    says NOT EXISTS of them all is answered by copying all their rows first."""
    paid = of is Attempt
    kind = RowKind.payment if paid else RowKind.refund
    no = Attempt.out_trade_no if paid else Refund.out_refund_no
    asked = asked.select_from(of)
    for day_id in beside:
        line = aliased(Line)
        told = and_(line.day_id == day_id, line.our_no == no, line.kind == kind)
        asked = asked.outerjoin(line, told).where(line.id.is_(None))
    return asked


def orders_that_do_not_know(session: Session, day: StatementDay, limit: int) -> Iterator[Found]:
    """Payments of the day that were taken for an order which says that it is unpaid."""
    for start, end in slices.of_taken(session, day):
        statement = (
            select(Attempt, Order.id, Order.no, Order.merchant_id)
            .join(Bill, Bill.id == Attempt.bill_id)
            .join(Order, Order.id == Bill.order_id)
            .where(
                *taken(day, start, end),
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
    """The trade bills of the same account in these days, this one in front."""
    found = session.scalars(
        select(StatementDay.id)
        .where(
            StatementDay.channel == day.channel,
            StatementDay.account == day.account,
            StatementDay.kind == day.kind,
            StatementDay.day.between(first, last),
            StatementDay.id != day.id,
        )
        .order_by(StatementDay.day.desc())
    )
    return [day.id, *found]


def taken(day: StatementDay, start: datetime, end: datetime) -> list[ColumnElement[bool]]:
    return [
        days.paid_through(day),
        Attempt.settled_at >= start,
        Attempt.settled_at < end,
        Attempt.channel == day.channel,
        Attempt.state.in_(PAID),
        Attempt.channel_fen > 0,
    ]


def given_back(day: StatementDay, start: datetime, end: datetime) -> list[ColumnElement[bool]]:
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
