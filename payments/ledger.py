"""Double entry: every movement of money, once per cause, summing to zero."""

from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from core import rows
from orders.models import Order
from payments.models import LedgerEntry, PaymentAttempt, Refund


class LedgerBroken(RuntimeError):
    """A posting that does not sum to zero, or a cause that posted before: a bug, never a case."""


def channel_account(attempt: PaymentAttempt) -> str:
    """Money that the channel holds for us."""
    return f"channel:{attempt.channel}:{attempt.mchid}"


def sales_account(merchant_id: int) -> str:
    """What the merchant sold for money."""
    return f"sales:{merchant_id}"


def unclaimed_account(merchant_id: int) -> str:
    """Money that came too late for its order and goes back."""
    return f"unclaimed:{merchant_id}"


def post_payment(
    session: Session, attempt: PaymentAttempt, order: Order, *, late: bool, now: datetime
) -> None:
    other = unclaimed_account if late else sales_account
    _post(
        session,
        f"payment:{attempt.id}",
        {
            channel_account(attempt): attempt.amount_fen,
            other(order.merchant_id): -attempt.amount_fen,
        },
        order,
        now,
    )


def post_refund(
    session: Session,
    refund: Refund,
    attempt: PaymentAttempt,
    order: Order,
    *,
    late: bool,
    now: datetime,
) -> None:
    other = unclaimed_account if late else sales_account
    _post(
        session,
        f"refund:{refund.id}",
        {channel_account(attempt): -refund.amount_fen, other(order.merchant_id): refund.amount_fen},
        order,
        now,
    )


def balance(session: Session, account: str) -> int:
    """The sum of an account, in fen."""
    total = session.scalar(
        select(func.coalesce(func.sum(LedgerEntry.amount_fen), 0)).where(
            LedgerEntry.account == account
        )
    )
    return int(total or 0)


def _post(
    session: Session, cause: str, amounts: dict[str, int], order: Order, now: datetime
) -> None:
    if sum(amounts.values()) != 0:
        raise LedgerBroken(f"{cause} does not sum to zero")
    entries = [
        {
            "cause": cause,
            "account": account,
            "amount_fen": amount,
            "currency": "CNY",
            "merchant_id": order.merchant_id,
            "order_id": order.id,
            "at": now,
        }
        for account, amount in amounts.items()
        if amount != 0
    ]
    if rows.add_all_new(session, LedgerEntry, entries) != len(entries):
        raise LedgerBroken(f"{cause} posted before")
