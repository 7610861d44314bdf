"""Orders that wait for money, as staff see them: their bills, and what is left of them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from console import order_view, words
from console.access import Me
from orders.models import Order
from payments.billing import DEPOSIT, WHOLE
from payments.models import Bill, BillKind, BillState
from payments.queries import list_bills

KINDS = {
    BillKind.whole: "一次付清",
    BillKind.deposit: "定金",
    BillKind.rest: "尾款",
    BillKind.share: "AA 一份",
}


def rows(session: Session, orders: Sequence[Order], who: Me, now: datetime) -> list[dict[str, Any]]:
    around = order_view.look_around(session, orders)
    return [{**order_view.row(order, around, who, now), **_sums(order, now)} for order in orders]


def whole(session: Session, order: Order, who: Me, now: datetime) -> dict[str, Any]:
    bills = [bill for bill, _ in list_bills(session, order.id)]
    kinds, may = {bill.kind for bill in bills}, who.may("orders.manage")
    return {
        **order_view.row(order, order_view.look_around(session, [order]), who, now),
        **_sums(order, now),
        "left": words.yuan(order.payable_fen - order.paid_fen),
        "bills": [_bill(bill, order, now) for bill in bills],
        "may_take": may and kinds == WHOLE,
        "may_undo": may and kinds == DEPOSIT and not order.paid_fen,
    }


def _sums(order: Order, now: datetime) -> dict[str, str]:
    return {
        "due": words.yuan(order.payable_fen),
        "paid": words.yuan(order.paid_fen) if order.paid_fen else "",
        "until": words.when(order.expires_at, now),
    }


def _bill(bill: Bill, order: Order, now: datetime) -> dict[str, Any]:
    paid = bill.state is BillState.paid
    until = max(bill.due_at or order.expires_at, order.expires_at)
    return {
        "kind": KINDS[bill.kind],
        "amount": words.yuan(bill.amount_fen),
        "state": ("已付", "ok") if paid else ("待付", "warn"),
        "when": f"{words.when(bill.paid_at, now)} 付" if paid else f"{words.when(until, now)} 前付",
    }
