"""What the pages of reconciliation read, a merchant's part only."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from sqlalchemy import ColumnElement, and_, case, func, or_, select
from sqlalchemy.orm import Session

from core import cursors
from core.audit import AuditEntry
from orders.models import Order
from payments.models import AttemptState, Bill, PaymentAttempt, Refund, RefundState
from payments.models.statements import (
    About,
    Difference,
    Discrepancy,
    DiscrepancyState,
    StatementDay,
    StatementLine,
    StatementTotal,
)


@dataclass(frozen=True)
class Sums:
    """Of one day, all channels together."""

    orders: int = 0
    ordered_fen: int = 0
    payments: int = 0
    paid_fen: int = 0
    bill_payments: int = 0
    bill_paid_fen: int = 0
    refunds: int = 0
    refunded_fen: int = 0
    bill_refunds: int = 0
    bill_refunded_fen: int = 0
    fee_fen: int = 0


@dataclass(frozen=True)
class Case:
    """A discrepancy with what each side has of it, as far as it is there.

    `balance_fen`: what of the order was paid with stored value, `others_fen`: by other payments
    than this; `back_fen`: what of this payment the channel gave back since.
    """

    found: Discrepancy
    day: StatementDay
    order: Order | None
    attempt: PaymentAttempt | None
    refund: Refund | None
    line: StatementLine | None
    acts: Sequence[AuditEntry] = ()
    balance_fen: int = 0
    others_fen: int = 0
    back_fen: int = 0


@dataclass(frozen=True)
class Wanted:
    """Which discrepancies. `first` to `last` are days of statements, both or none; `least_fen`:
    the two sides are that far apart at least."""

    states: Collection[DiscrepancyState]
    kind: Difference | None = None
    channel: str = ""
    first: date | None = None
    last: date | None = None
    least_fen: int = 0


@dataclass(frozen=True)
class Page:
    rows: Sequence[Discrepancy]
    next: str | None


def days_of(session: Session, merchant_id: int, newest: date, days: int) -> list[StatementDay]:
    """The statements of the last days that concern the merchant: of accounts of theirs, and of
    shared ones where they took something; the newest first."""
    mine = select(StatementTotal.day_id).where(StatementTotal.merchant_id == merchant_id)
    shared = and_(StatementDay.merchant_id.is_(None), StatementDay.id.in_(mine))
    found = (
        select(StatementDay)
        .where(
            StatementDay.day.between(newest - timedelta(days=days - 1), newest),
            or_(StatementDay.merchant_id == merchant_id, shared),
        )
        .order_by(StatementDay.day.desc(), StatementDay.channel.desc(), StatementDay.id)
    )
    return list(session.scalars(found))


def newest_day(session: Session, merchant_id: int, before: date) -> date | None:
    """The newest day, not after `before`, of which there are statements of theirs."""
    mine = select(StatementTotal.day_id).where(StatementTotal.merchant_id == merchant_id)
    shared = and_(StatementDay.merchant_id.is_(None), StatementDay.id.in_(mine))
    whose = or_(StatementDay.merchant_id == merchant_id, shared)
    return session.scalar(
        select(StatementDay.day)
        .where(StatementDay.day <= before, whose)
        .order_by(StatementDay.day.desc())
        .limit(1)
    )


def sums_of(session: Session, merchant_id: int, day: date) -> Sums:
    names = list(Sums.__dataclass_fields__)
    columns = [func.coalesce(func.sum(getattr(StatementTotal, name)), 0) for name in names]
    found = session.execute(
        select(*columns)
        .join(StatementDay, StatementDay.id == StatementTotal.day_id)
        .where(StatementTotal.merchant_id == merchant_id, StatementDay.day == day)
    ).one()
    return Sums(**{name: int(value) for name, value in zip(names, found, strict=True)})


def page_of(
    session: Session,
    merchant_id: int,
    wanted: Wanted,
    *,
    cursor: str = "",
    limit: int = 20,
) -> Page:
    """The merchant's discrepancies that are wanted, the newest first. Raises Malformed."""
    mine = select(Discrepancy).where(*_conditions(merchant_id, wanted))
    if cursor:
        mine = mine.where(Discrepancy.id < cursors.number(cursors.decode(cursor, 1)[0]))
    found = list(session.scalars(mine.order_by(Discrepancy.id.desc()).limit(limit + 1)))
    shown = found[:limit]
    return Page(shown, cursors.encode([shown[-1].id]) if len(found) > limit else None)


def _conditions(merchant_id: int, wanted: Wanted) -> list[ColumnElement[bool]]:
    """Kind and state have an index; a channel and days name statements, whose differences stand
    together in the unique key. What is left of these is looked at for its amount."""
    found = [Discrepancy.merchant_id == merchant_id, Discrepancy.state.in_(wanted.states)]
    if wanted.kind is not None:
        found.append(Discrepancy.kind == wanted.kind)
    of_days: list[ColumnElement[bool]] = []
    if wanted.channel:
        of_days.append(StatementDay.channel == wanted.channel)
    if wanted.first and wanted.last:
        of_days.append(StatementDay.day.between(wanted.first, wanted.last))
    if of_days:
        whose = or_(StatementDay.merchant_id == merchant_id, StatementDay.merchant_id.is_(None))
        found.append(Discrepancy.day_id.in_(select(StatementDay.id).where(whose, *of_days)))
    if wanted.least_fen:
        ours, theirs = Discrepancy.ours_fen, Discrepancy.theirs_fen
        gap = func.abs(func.coalesce(theirs, 0) - func.coalesce(ours, 0))
        found.append(gap >= wanted.least_fen)
    return found


def of_days(session: Session, found: Sequence[Discrepancy]) -> dict[int, StatementDay]:
    """The statements that these were found in, by their ids."""
    ids = {each.day_id for each in found}
    days = session.scalars(select(StatementDay).where(StatementDay.id.in_(ids)))
    return {day.id: day for day in days}


def count(session: Session, merchant_id: int, states: Collection[DiscrepancyState]) -> int:
    mine = Discrepancy.merchant_id == merchant_id, Discrepancy.state.in_(states)
    return session.scalar(select(func.count()).select_from(Discrepancy).where(*mine)) or 0


def count_of_day(session: Session, merchant_id: int, day: date) -> dict[DiscrepancyState, int]:
    """The payments and refunds of a day's bills that differ, or differed, by what became of it."""
    found = (
        select(Discrepancy.state, func.count(Discrepancy.ref.distinct()))
        .join(StatementDay, StatementDay.id == Discrepancy.day_id)
        .where(
            Discrepancy.merchant_id == merchant_id,
            StatementDay.day == day,
            Discrepancy.about.in_((About.payment, About.refund)),
            Discrepancy.kind != Difference.fee,
        )
        .group_by(Discrepancy.state)
    )
    return dict(session.execute(found).all())


def case_of(session: Session, found: Discrepancy) -> Case:
    balance_fen, others_fen = _paid_besides(session, found)
    return Case(
        found,
        session.get_one(StatementDay, found.day_id),
        session.get(Order, found.order_id) if found.order_id else None,
        session.get(PaymentAttempt, found.attempt_id) if found.attempt_id else None,
        session.get(Refund, found.refund_id) if found.refund_id else None,
        session.get(StatementLine, found.line_id) if found.line_id else None,
        session.scalars(
            select(AuditEntry)
            .where(AuditEntry.subject == f"discrepancy:{found.id}")
            .order_by(AuditEntry.id)
        ).all(),
        balance_fen,
        others_fen,
        _back_fen(session, found),
    )


def _paid_besides(session: Session, found: Discrepancy) -> tuple[int, int]:
    """Of the order of a payment: with stored value, and through channels by other payments."""
    if found.order_id is None:
        return 0, 0
    mine = PaymentAttempt.id == (found.attempt_id or 0)
    others = func.sum(case((mine, 0), else_=PaymentAttempt.channel_fen))
    balance, other = session.execute(
        select(func.sum(PaymentAttempt.balance_fen), others)
        .join(Bill, Bill.id == PaymentAttempt.bill_id)
        .where(Bill.order_id == found.order_id, PaymentAttempt.state == AttemptState.succeeded)
    ).one()
    return int(balance or 0), int(other or 0)


def _back_fen(session: Session, found: Discrepancy) -> int:
    if found.attempt_id is None:
        return 0
    back = select(func.sum(Refund.channel_fen)).where(
        Refund.attempt_id == found.attempt_id,
        Refund.state == RefundState.succeeded,
        Refund.finished_by.is_(None),
    )
    return int(session.scalar(back) or 0)
