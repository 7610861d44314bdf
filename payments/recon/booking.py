"""What reconciliation adds to the ledger: fees as the channel took them, and losses.

Nothing is ever changed: what was booked and turns out otherwise is booked once more, the other way.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator
from datetime import date, datetime
from itertools import product
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Select,
    String,
    and_,
    cast,
    exists,
    func,
    literal,
    or_,
    select,
    true,
)
from sqlalchemy.orm import Session, aliased

from core import rows
from core.database import insert_new, on_sqlite
from gateways.pay.bills import RowKind
from orders.models import Order
from payments import accounts, ledger
from payments.models import PAID, Bill, LedgerEntry, PaymentAttempt, Refund, RefundState
from payments.models.statements import (
    About,
    Difference,
    Discrepancy,
    StatementDay,
    StatementLine,
    StatementTotal,
)
from payments.recon import days, slices, unlisted
from payments.settlement.holding import hold

Line, Attempt = StatementLine, PaymentAttempt
Of = Callable[[Select[Any], StatementDay], Select[Any]]


def post_fees(session: Session, day: StatementDay, *, now: datetime) -> int:
    """Book the fee of every row that is ours: once, however often the day is matched, under the day
    of the bill while that is open, else with its payment. A bill that has another fee than before
    books the difference. How many were new."""
    whose = select(StatementTotal.merchant_id).where(StatementTotal.day_id == day.id)
    parts = list(slices.of_lines(session, day))
    entries = 0
    for merchant_id in session.scalars(whose.order_by(StatementTotal.merchant_id)).all():
        held = hold(session, merchant_id, day.day, now=now)
        for of, part in product((_fees, _fees_that_came_back), parts):
            if day.matched_at is not None:
                entries += _correct(session, day, of, part, merchant_id, held, now)
            mine = and_(part, Order.merchant_id == merchant_id, Line.fee_fen != 0)
            for under, some in _by_day(session, day, of, mine, merchant_id, held, now):
                for sign in (-1, 1):
                    found = of(_entries(day, _cause(of), sign), day).where(mine, some)
                    entries += _insert(session, _dated(found, under, now))
    if day.matched_at is not None:
        entries += take_out_fees(session, day, now=now)
    return entries // 2


def _by_day(
    session: Session,
    day: StatementDay,
    of: Of,
    mine: ColumnElement[bool],
    merchant_id: int,
    held: date,
    now: datetime,
) -> Iterator[tuple[date, ColumnElement[bool]]]:
    """The days under which fees go, and of which payments. A payment that was heard of after its
    day was closed stands under a later one, and so does its fee while that is open."""
    if of is _fees and held > day.day:
        posted = aliased(LedgerEntry)
        known = exists().where(posted.cause == _cause(of), posted.order_id == Order.id)
        booked = and_(
            LedgerEntry.order_id == Order.id,
            LedgerEntry.cause == literal("payment:") + cast(Attempt.id, String),
        )
        asked: Any = select(Attempt.id, LedgerEntry.day).distinct().select_from(Line)
        later: dict[date, list[int]] = defaultdict(list)
        between = and_(LedgerEntry.day > day.day, LedgerEntry.day < held)
        late: Any = of(asked, day).join(LedgerEntry, booked).where(mine, between, ~known)
        for id_, under in session.execute(late):
            later[under].append(id_)
        for under, ids in sorted(later.items()):
            yield hold(session, merchant_id, under, now=now), Attempt.id.in_(ids)
    yield held, true()


def take_out_fees(
    session: Session,
    day: StatementDay,
    *,
    now: datetime,
    payments: Collection[int] | None = None,
    refunds: Collection[int] | None = None,
) -> int:
    """A bill that was fetched anew may have lost a row: its fee is booked the other way once no
    bill can have it any more. `payments`, `refunds`: only of these."""
    gone = unlisted.entries(session, day, now=now, payments=payments, refunds=refunds)
    return rows.add_all_new(session, LedgerEntry, gone)


def _correct(
    session: Session,
    day: StatementDay,
    of: Of,
    part: ColumnElement[bool],
    merchant_id: int,
    held: date,
    now: datetime,
) -> int:
    """The difference to what was booked for the same payment or refund, under the next number."""
    cause, fee = _cause(of), accounts.fee(day.channel, merchant_id)
    booked = func.sum(LedgerEntry.amount_fen)
    mine = and_(
        LedgerEntry.order_id == Order.id,
        LedgerEntry.account == fee,
        or_(LedgerEntry.cause == cause, LedgerEntry.cause.like(cause + ":%")),
    )
    asked: Any = select(cause, Attempt.account, Order.id, Line.fee_fen - booked, func.count())
    statement = (
        of(asked.select_from(Line), day)
        .join(LedgerEntry, mine)
        .where(part, Order.merchant_id == merchant_id)
        .group_by(cause, Attempt.account, Order.id, Line.id, Line.fee_fen)
        .having(booked != Line.fee_fen)
    )
    wrong: list[dict[str, Any]] = []
    found: Any = session.execute(statement)
    for name, account, order_id, more, known in found:
        amounts = {fee: int(more), accounts.channel(day.channel, account): -int(more)}
        numbered = f"{name}:{known + 1}"
        wrong += ledger.entries_of(numbered, amounts, merchant_id, order_id, day=held, now=now)
    return rows.add_all_new(session, LedgerEntry, wrong)


def post_loss(session: Session, discrepancy: Discrepancy, *, now: datetime) -> int:
    """What the channel has less than our books say, because somebody gave it up; the fen."""
    amount = lost_fen(session, discrepancy)
    if amount:
        day = session.get_one(StatementDay, discrepancy.day_id)
        order = session.get_one(Order, discrepancy.order_id)
        paid = discrepancy.attempt_id and session.get(Attempt, discrepancy.attempt_id)
        amounts = {
            accounts.channel(day.channel, paid.account if paid else day.account): -amount,
            accounts.loss(order.merchant_id): amount,
        }
        _post(session, "loss", discrepancy, amounts, order.merchant_id, now)
    return amount


def take_back_loss(session: Session, discrepancy: Discrepancy, *, now: datetime) -> None:
    """It turned up after all, or turned out to be another sum: what was booked for it is booked the
    other way, as the ledger has it. What both sides say of it may have changed since."""
    mine = or_(*(_named(kind, discrepancy.id) for kind in ("loss", "found")))
    booked = session.execute(
        select(LedgerEntry.account, LedgerEntry.merchant_id, func.sum(LedgerEntry.amount_fen))
        .where(mine)
        .group_by(LedgerEntry.account, LedgerEntry.merchant_id)
    ).all()
    amounts = {account: -int(fen) for account, _, fen in booked}
    if any(amounts.values()):
        _post(session, "found", discrepancy, amounts, booked[0][1], now)


def lost_fen(session: Session, discrepancy: Discrepancy) -> int:
    """Negative: the channel has more. What was never in our books is nobody's loss; a refund that
    the channel does not know is still owed to the payer."""
    ours, theirs = discrepancy.ours_fen or 0, discrepancy.theirs_fen or 0
    if discrepancy.order_id is None:
        return 0
    match discrepancy.about, discrepancy.kind:
        case About.payment, Difference.short | Difference.amount:
            return ours - theirs
        case About.refund, Difference.amount:
            return theirs - ours
        case About.refund, Difference.long:
            return theirs
        case About.refund, Difference.state if went_unbooked(session, discrepancy) is not None:
            return theirs
    return 0


def went_unbooked(session: Session, discrepancy: Discrepancy) -> StatementLine | None:
    """The bill's row of a refund that went through at the channel, and not with us."""
    if (discrepancy.about, discrepancy.kind) != (About.refund, Difference.state):
        return None
    line = session.get(StatementLine, discrepancy.line_id) if discrepancy.line_id else None
    refund = session.get(Refund, discrepancy.refund_id) if discrepancy.refund_id else None
    if line is None or refund is None or refund.state is RefundState.succeeded:
        return None
    return line if line.state == "SUCCESS" else None


def _post(
    session: Session,
    kind: str,
    discrepancy: Discrepancy,
    amounts: dict[str, int],
    merchant_id: int,
    now: datetime,
) -> None:
    """One may be given up and turn up more than once: each time has a cause of its own."""
    counted = select(func.count(LedgerEntry.cause.distinct()))
    before = session.scalar(counted.where(_named(kind, discrepancy.id))) or 0
    cause = f"{kind}:{discrepancy.id}" + (f":{before + 1}" if before else "")
    order_id = discrepancy.order_id
    ledger.post(session, cause, amounts, merchant_id, order_id=order_id, now=now)


def _named(kind: str, id_: int) -> ColumnElement[bool]:
    cause = f"{kind}:{id_}"
    return or_(LedgerEntry.cause == cause, LedgerEntry.cause.startswith(f"{cause}:"))


def _fees(asked: Select[Any], day: StatementDay) -> Select[Any]:
    return (
        asked.join(
            Attempt,
            and_(
                Attempt.out_trade_no == Line.our_no,
                Attempt.channel == day.channel,
                days.paid_through(day),
                Attempt.state.in_(PAID),
            ),
        )
        .join(Bill, Bill.id == Attempt.bill_id)
        .join(Order, Order.id == Bill.order_id)
        .where(Line.kind == RowKind.payment)
    )


def _fees_that_came_back(asked: Select[Any], day: StatementDay) -> Select[Any]:
    return (
        asked.join(Refund, Refund.out_refund_no == Line.our_no)
        .join(Attempt, Attempt.id == Refund.attempt_id)
        .join(Order, Order.id == Refund.order_id)
        .where(
            Line.kind == RowKind.refund,
            Attempt.channel == day.channel,
            days.paid_through(day),
        )
    )


def _cause(of: Of) -> ColumnElement[str]:
    if of is _fees:
        return literal("fee:") + cast(Attempt.id, String)
    return literal("fee_back:") + cast(Refund.id, String)


def _entries(day: StatementDay, cause: Any, sign: int) -> Select[Any]:
    """One side: the channel keeps the fee (-1), the merchant bears it."""
    kept = literal(f"{accounts.CHANNEL}:{day.channel}:") + cast(Attempt.account, String)
    borne = f"{accounts.FEE}:{day.channel}:" + cast(Order.merchant_id, String)
    account = kept if sign < 0 else borne
    # Left out here and not by the key alone: a server warns of each row that a key refuses.
    posted = aliased(LedgerEntry)
    known = exists().where(posted.cause == cause, posted.account == account)
    return (
        select(
            cause.label("cause"),
            account.label("account"),
            (Line.fee_fen * sign).label("amount_fen"),
            literal("CNY").label("currency"),
            Order.merchant_id.label("merchant_id"),
            Order.id.label("order_id"),
        )
        .select_from(Line)
        .where(~known)
    )


def _dated(entries: Select[Any], day: date, now: datetime) -> Select[Any]:
    kinds = rows.table_of(LedgerEntry).c
    return entries.add_columns(
        literal(day, kinds.day.type).label("day"), literal(now, kinds.at.type).label("at")
    )


def _insert(session: Session, entries: Select[Any]) -> int:
    names = [column.name for column in entries.selected_columns]
    session.flush()
    statement = insert_new(LedgerEntry, on_sqlite(session)).from_select(names, entries)
    result: Any = session.execute(statement)
    return int(result.rowcount)
