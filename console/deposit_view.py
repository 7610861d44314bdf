"""Orders that wait for money, as staff see them: their bills, and what is left of them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from console import bill_view, order_view, words
from console.access import Me
from orders.models import Order, OrderState
from payments import asking
from payments.billing import DEPOSIT, WHOLE
from payments.queries import list_bills, list_refunds


def rows(session: Session, orders: Sequence[Order], who: Me, now: datetime) -> list[dict[str, Any]]:
    around = order_view.look_around(session, orders)
    return [{**order_view.row(order, around, who, now), **_sums(order, now)} for order in orders]


def whole(session: Session, order: Order, who: Me, now: datetime) -> dict[str, Any]:
    found = list_bills(session, order.id)
    kinds, over = {bill.kind for bill, _ in found}, order.state is OrderState.cancelled
    may = who.may("orders.manage") and not over
    asked = None if over else asking.find_open(session, order.id)
    refunds = list_refunds(session, order.id)
    return {
        **order_view.row(order, order_view.look_around(session, [order]), who, now),
        **_sums(order, now),
        "over": over,
        "bills": bill_view.shown(session, order, found, now),
        "may_take": may and kinds == WHOLE,
        "may_undo": may and kinds == DEPOSIT and not order.paid_fen,
        "may_cancel": may and asked is None,
        "asked": asking.question(session, asked) if asked else "",
        "refunds": order_view.refunds_of(refunds, who, now),
        "refunding": any(refund.state in order_view.ON_THE_WAY for refund in refunds),
    }


def _sums(order: Order, now: datetime) -> dict[str, str]:
    return {
        "due": words.yuan(order.payable_fen),
        "paid": words.yuan(order.paid_fen) if order.paid_fen else "",
        "left": words.yuan(order.payable_fen - order.paid_fen),
        "until": words.when(order.expires_at, now),
    }
