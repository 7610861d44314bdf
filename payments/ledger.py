"""Double entry: every movement of money, once per cause, summing to zero."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from sqlalchemy import case, func, or_, select
from sqlalchemy.orm import Session

from core import later
from core.clock import business_day
from orders.models import LineKind, Order
from payments import accounts
from payments.models import LedgerEntry, PaymentAttempt, Refund


class LedgerBroken(RuntimeError):
    """A posting that does not sum to zero, or a cause that posted before: a bug, never a case."""


def post_payment(
    session: Session,
    attempt: PaymentAttempt,
    order: Order,
    *,
    late: bool,
    now: datetime,
    bonus_fen: int = 0,
    day: date | None = None,
) -> None:
    """`bonus_fen`: given on top of a top-up, which is owed and no sale before it is spent. `day`:
    as in `post`."""
    merchant_id = order.merchant_id
    amounts = {accounts.channel(attempt.channel, attempt.account): attempt.channel_fen}
    if attempt.balance_fen:
        amounts[accounts.balance(merchant_id)] = attempt.balance_fen
    if late or order.kind is not LineKind.top_up:
        amounts[_other(order, late)] = -attempt.amount_fen
    else:
        amounts[accounts.balance(merchant_id)] = -attempt.amount_fen - bonus_fen
        amounts[accounts.bonus(merchant_id)] = bonus_fen
    _post(session, f"payment:{attempt.id}", amounts, order, now, day)


def post_taken_back(
    session: Session, order: Order, cause: str, principal_fen: int, bonus_fen: int, now: datetime
) -> None:
    """What a top-up gave has left the stored value (negative), because it goes back to the channel,
    or is there again because it could not."""
    merchant_id = order.merchant_id
    amounts = {
        accounts.balance(merchant_id): -principal_fen - bonus_fen,
        accounts.bonus(merchant_id): bonus_fen,
        accounts.unclaimed(merchant_id): principal_fen,
    }
    _post(session, cause, amounts, order, now)


def _other(order: Order, late: bool) -> str:
    """Whose the money was that comes or goes: of a top-up what was taken back waits to go."""
    if late or order.kind is LineKind.top_up:
        return accounts.unclaimed(order.merchant_id)
    return accounts.sales(order.merchant_id)


def post_refund(
    session: Session,
    refund: Refund,
    attempt: PaymentAttempt,
    order: Order,
    *,
    late: bool,
    now: datetime,
) -> None:
    merchant_id = order.merchant_id
    gone = accounts.channel(attempt.channel, attempt.account)
    if refund.finished_by:
        gone = accounts.by_hand(merchant_id)
    _post(
        session,
        f"refund:{refund.id}",
        {
            gone: -refund.channel_fen,
            accounts.balance(merchant_id): -refund.balance_fen,
            _other(order, late): refund.amount_fen,
        },
        order,
        now,
    )


def list_unbalanced(session: Session, ids: range) -> list[int]:
    """The orders among these whose entries do not sum to zero, or whose sales are not what the
    order says was paid and not given back; a top-up's are none. One statement, so it sees one
    moment."""
    sold = LedgerEntry.account.startswith(f"{accounts.SALES}:")
    entries = (
        select(
            LedgerEntry.order_id,
            func.sum(LedgerEntry.amount_fen).label("total"),
            func.sum(case((sold, LedgerEntry.amount_fen), else_=0)).label("sales"),
        )
        .where(LedgerEntry.order_id.between(ids.start, ids.stop - 1))
        .group_by(LedgerEntry.order_id)
        .subquery()
    )
    wrong = or_(
        func.coalesce(entries.c.total, 0) != 0,
        func.coalesce(entries.c.sales, 0)
        != case((Order.kind == LineKind.top_up, 0), else_=Order.refunded_fen - Order.paid_fen),
    )
    statement = (
        select(Order.id)
        .outerjoin(entries, entries.c.order_id == Order.id)
        .where(Order.id.between(ids.start, ids.stop - 1), wrong)
        .order_by(Order.id)
    )
    return list(session.scalars(statement))


def post(
    session: Session,
    cause: str,
    amounts: Mapping[str, int],
    merchant_id: int,
    *,
    order_id: int | None = None,
    day: date | None = None,
    now: datetime,
) -> None:
    """One cause, once. `day`: of an open statement that the caller holds; else it is today's."""
    entries = entries_of(cause, amounts, merchant_id, order_id, day=day, now=now)
    later.add_all_surely(
        session, LedgerEntry, entries, lambda found: LedgerBroken(f"{cause} posted before: {found}")
    )


def entries_of(
    cause: str,
    amounts: Mapping[str, int],
    merchant_id: int,
    order_id: int | None,
    *,
    day: date | None = None,
    now: datetime,
) -> list[dict[str, Any]]:
    """The rows of a posting, for whoever writes many at a time. Raises LedgerBroken."""
    if sum(amounts.values()) != 0:
        raise LedgerBroken(f"{cause} does not sum to zero")
    return [
        {
            "cause": cause,
            "account": account,
            "amount_fen": amount,
            "currency": "CNY",
            "merchant_id": merchant_id,
            "order_id": order_id,
            "day": day or business_day(now),
            "at": now,
        }
        for account, amount in amounts.items()
        if amount != 0
    ]


def _post(
    session: Session,
    cause: str,
    amounts: dict[str, int],
    order: Order,
    now: datetime,
    day: date | None = None,
) -> None:
    post(session, cause, amounts, order.merchant_id, order_id=order.id, day=day, now=now)
