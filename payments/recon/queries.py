"""What the pages of reconciliation read, a merchant's part only."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from sqlalchemy import and_, func, or_, select
from sqlalchemy.orm import Session

from core import cursors
from orders.models import Order
from payments.models import PaymentAttempt, Refund
from payments.models.statements import (
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
    """A discrepancy with what each side has of it, as far as it is there."""

    found: Discrepancy
    day: StatementDay
    order: Order | None
    attempt: PaymentAttempt | None
    refund: Refund | None
    line: StatementLine | None


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
    states: Collection[DiscrepancyState],
    *,
    cursor: str = "",
    limit: int = 20,
) -> Page:
    """The merchant's discrepancies in these states, the newest first. Raises Malformed."""
    wanted = select(Discrepancy).where(
        Discrepancy.merchant_id == merchant_id, Discrepancy.state.in_(states)
    )
    if cursor:
        wanted = wanted.where(Discrepancy.id < cursors.number(cursors.decode(cursor, 1)[0]))
    found = list(session.scalars(wanted.order_by(Discrepancy.id.desc()).limit(limit + 1)))
    shown = found[:limit]
    return Page(shown, cursors.encode([shown[-1].id]) if len(found) > limit else None)


def count(session: Session, merchant_id: int, states: Collection[DiscrepancyState]) -> int:
    mine = Discrepancy.merchant_id == merchant_id, Discrepancy.state.in_(states)
    return session.scalar(select(func.count()).select_from(Discrepancy).where(*mine)) or 0


def case_of(session: Session, found: Discrepancy) -> Case:
    return Case(
        found,
        session.get_one(StatementDay, found.day_id),
        session.get(Order, found.order_id) if found.order_id else None,
        session.get(PaymentAttempt, found.attempt_id) if found.attempt_id else None,
        session.get(Refund, found.refund_id) if found.refund_id else None,
        session.get(StatementLine, found.line_id) if found.line_id else None,
    )
