"""Fees that were booked of payments and refunds which no bill has any more: a bill that was fetched
anew may have lost a row.

Only where nothing is waited for: tomorrow's bill is there, and so are the rows of all that may have
it.
"""

from collections.abc import Collection, Iterator
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Select, String, and_, cast, func, literal, or_, select
from sqlalchemy.orm import Session

from core.clock import day_bounds
from orders.models import Order
from payments import accounts, ledger
from payments.models import Bill, LedgerEntry, PaymentAttempt, Refund
from payments.models.statements import StatementDay, StatementKind, StatementState
from payments.recon import checks, loading, slices
from payments.settlement.holding import hold

ONE_DAY = timedelta(days=1)
# More than this, and the bill is another shop's or half of it is missing: the next one will tell.
MOST = 2_000

Attempt = PaymentAttempt


class Unlisted(NamedTuple):
    """`known`: how often something was booked for it, `fee_fen`: what that adds up to."""

    cause: str
    account: str
    merchant_id: int
    order_id: int
    known: int
    fee_fen: int


def entries(
    session: Session,
    day: StatementDay,
    *,
    now: datetime,
    payments: Collection[int] | None = None,
    refunds: Collection[int] | None = None,
) -> list[dict[str, Any]]:
    """What takes such fees of the day out of the ledger again, each under the next number of its
    cause. `payments`, `refunds`: only of these."""
    found = list(_found(session, day, payments, refunds))
    if len(found) > MOST:
        return []
    held = {
        merchant_id: hold(session, merchant_id, day.day, now=now)
        for merchant_id in sorted({each.merchant_id for each in found})
    }
    new: list[dict[str, Any]] = []
    for each in found:
        amounts = {
            accounts.fee(day.channel, each.merchant_id): -each.fee_fen,
            accounts.channel(day.channel, each.account): each.fee_fen,
        }
        numbered, at = f"{each.cause}:{each.known + 1}", held[each.merchant_id]
        new += ledger.entries_of(
            numbered, amounts, each.merchant_id, each.order_id, day=at, now=now
        )
    return new


def wrong_days(session: Session, ids: range) -> list[int]:
    """For the nightly proof: days of which a fee is booked that no bill names."""
    wanted = select(StatementDay).where(
        StatementDay.id.between(ids.start, ids.stop - 1),
        StatementDay.kind == StatementKind.trade,
        StatementDay.state.in_((StatementState.matched, StatementState.differs)),
    )
    days = session.scalars(wanted.order_by(StatementDay.id)).all()
    return [day.id for day in days if next(_found(session, day, None, None), None) is not None]


def _found(
    session: Session,
    day: StatementDay,
    payments: Collection[int] | None,
    refunds: Collection[int] | None,
) -> Iterator[Unlisted]:
    if (near := _all_there(session, day, day.day - ONE_DAY)) is None:
        return
    for start, end in slices.of_taken(session, day):
        asked = checks.not_told(_asked("fee:", Attempt.id), near, Attempt)
        asked = asked.join(Bill, Bill.id == Attempt.bill_id)
        asked = asked.join(Order, Order.id == Bill.order_id)
        if payments is not None:
            asked = asked.where(Attempt.id.in_(payments))
        mine = asked.where(*checks.taken(day, start, end))
        yield from _read(session, day, mine, "fee:", Attempt.id)
    first = day.day - timedelta(days=checks.REFUND_DAYS)
    if (wide := _all_there(session, day, first)) is None:
        return
    asked = checks.not_told(_asked("fee_back:", Refund.id), wide, Refund)
    asked = asked.join(Attempt, Attempt.id == Refund.attempt_id)
    asked = asked.join(Order, Order.id == Refund.order_id)
    if refunds is not None:
        asked = asked.where(Refund.id.in_(refunds))
    mine = asked.where(*checks.given_back(day, *day_bounds(day.day)))
    yield from _read(session, day, mine, "fee_back:", Refund.id)


def _asked(kind: str, id_: Any) -> Any:
    asked: Any = select(
        (literal(kind) + cast(id_, String(20))).label("cause"),
        Attempt.account,
        Order.merchant_id,
        Order.id,
        func.count(),
        func.sum(LedgerEntry.amount_fen),
    )
    return asked


def _read(
    session: Session, day: StatementDay, asked: Select[Any], kind: str, id_: Any
) -> Iterator[Unlisted]:
    """Those for which something is booked, and was not taken out before."""
    cause = literal(kind) + cast(id_, String(20))
    borne = literal(f"{accounts.FEE}:{day.channel}:") + cast(Order.merchant_id, String(20))
    booked = and_(
        LedgerEntry.order_id == Order.id,
        LedgerEntry.account == borne,
        or_(LedgerEntry.cause == cause, LedgerEntry.cause.like(cause + literal(":%"))),
    )
    asked = asked.join(LedgerEntry, booked).group_by(
        id_, Attempt.account, Order.merchant_id, Order.id
    )
    some: Any = session.execute(asked.having(func.sum(LedgerEntry.amount_fen) != 0))
    for name, account, merchant_id, order_id, known, fen in some:
        yield Unlisted(name, account, merchant_id, order_id, int(known), int(fen))


def _all_there(session: Session, day: StatementDay, first: date) -> list[int] | None:
    """The bills from `first` to tomorrow, this day's in front; None while one is missing of which
    we know, or its rows were forgotten."""
    tomorrow = day.day + ONE_DAY
    ids = checks.beside(session, day, first, tomorrow)
    found = session.scalars(select(StatementDay).where(StatementDay.id.in_(ids))).all()
    for each in found:
        if each.state is StatementState.wanted:
            return None
        if each.rows and not loading.has_some(session, each.id):
            return None
    return ids if any(each.day == tomorrow for each in found) else None
