"""Which order stands behind a cause of the stored balance's ledger."""

import re
from collections.abc import Iterable

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from orders.models import Order
from payments.models import Bill, PaymentAttempt, Refund

_CAUSE = re.compile(r"(?:^|:)(attempt|refund|top_up):(\d+)")


def orders_behind(session: Session, causes: Iterable[str]) -> dict[str, str]:
    """Cause → the order's number, for those that an order stands behind (`keep:attempt:7`,
    `back:attempt:7:refund:3`, `top_up:5`, `undo:refund:3`). At most one statement a kind.

    Not somebody else's, of which only a share was paid: its number is nobody else's business."""
    named = {cause: found.groups() for cause in causes if (found := _CAUSE.search(cause))}
    numbers: dict[tuple[str, str], str] = {}
    for kind in {kind for kind, _ in named.values()}:
        ids = {int(id_) for other, id_ in named.values() if other == kind}
        for id_, no in session.execute(_numbers(kind, ids)):
            numbers[kind, str(id_)] = no
    return {cause: numbers[key] for cause, key in named.items() if key in numbers}


def _numbers(kind: str, ids: set[int]) -> Select[int, str]:
    if kind == "top_up":
        return select(Order.id, Order.no).where(Order.id.in_(ids))
    if kind == "refund":
        found = select(Refund.id, Order.no).join(Order, Order.id == Refund.order_id)
        found = found.join(PaymentAttempt, PaymentAttempt.id == Refund.attempt_id)
        return found.where(Refund.id.in_(ids), PaymentAttempt.member_id.is_(None))
    return (
        select(PaymentAttempt.id, Order.no)
        .join(Bill, Bill.id == PaymentAttempt.bill_id)
        .join(Order, Order.id == Bill.order_id)
        .where(PaymentAttempt.id.in_(ids), PaymentAttempt.member_id.is_(None))
    )
