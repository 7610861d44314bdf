"""What reconciliation adds to the ledger: fees as the channel took them, and losses.

Nothing is ever changed: what was booked and turns out otherwise is booked once more, the other way.
"""

from datetime import date, datetime
from typing import Any

from sqlalchemy import Select, String, and_, cast, exists, literal, select
from sqlalchemy.orm import Session, aliased

from core import rows
from core.database import insert_new, on_sqlite
from gateways.pay.bills import RowKind
from orders.models import Order
from payments import accounts, ledger
from payments.models import PAID, Bill, LedgerEntry, PaymentAttempt, Refund
from payments.models.statements import (
    About,
    Difference,
    Discrepancy,
    StatementDay,
    StatementLine,
    StatementTotal,
)
from payments.recon import days
from payments.settlement.holding import hold

Line, Attempt = StatementLine, PaymentAttempt


def post_fees(session: Session, day: StatementDay, *, now: datetime) -> int:
    """Book the fee of every row that is ours, as `payments.fees` does one by one: once, however
    often the day is matched, under the day of the bill while that is open. How many were new."""
    mine = select(StatementTotal.merchant_id).where(StatementTotal.day_id == day.id)
    entries = 0
    for merchant_id in session.scalars(mine.order_by(StatementTotal.merchant_id)).all():
        held = hold(session, merchant_id, day.day, now=now)
        for of in (_fees, _fees_that_came_back):
            for sign in (-1, 1):
                found = of(day, sign).where(Order.merchant_id == merchant_id)
                entries += _insert(session, _dated(found, held, now))
    return entries // 2


def post_loss(session: Session, discrepancy: Discrepancy, *, now: datetime) -> int:
    """What the channel has less than our books say, because somebody gave it up; the fen."""
    amount = lost_fen(discrepancy)
    if amount:
        _post_loss(session, discrepancy, f"loss:{discrepancy.id}", amount, now)
    return amount


def take_back_loss(session: Session, discrepancy: Discrepancy, *, now: datetime) -> None:
    """It turned up after all. A discrepancy can be given up and turn up once."""
    amount = lost_fen(discrepancy)
    if amount:
        _post_loss(session, discrepancy, f"found:{discrepancy.id}", -amount, now)


def lost_fen(discrepancy: Discrepancy) -> int:
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
    return 0


def _post_loss(
    session: Session, discrepancy: Discrepancy, cause: str, amount: int, now: datetime
) -> None:
    day = session.get_one(StatementDay, discrepancy.day_id)
    order = session.get_one(Order, discrepancy.order_id)
    amounts = {
        f"{accounts.CHANNEL}:{day.channel}:{day.account}": -amount,
        accounts.loss(order.merchant_id): amount,
    }
    ledger.post(session, cause, amounts, order.merchant_id, order_id=order.id, now=now)


def _fees(day: StatementDay, sign: int) -> Select[Any]:
    return (
        _entries(day, "fee:" + cast(Attempt.id, String), sign)
        .join(
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
        .where(Line.day_id == day.id, Line.kind == RowKind.payment, Line.fee_fen != 0)
    )


def _fees_that_came_back(day: StatementDay, sign: int) -> Select[Any]:
    return (
        _entries(day, "fee_back:" + cast(Refund.id, String), sign)
        .join(Refund, Refund.out_refund_no == Line.our_no)
        .join(Attempt, Attempt.id == Refund.attempt_id)
        .join(Order, Order.id == Refund.order_id)
        .where(
            Line.day_id == day.id,
            Line.kind == RowKind.refund,
            Line.fee_fen != 0,
            Attempt.channel == day.channel,
            days.paid_through(day),
        )
    )


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
