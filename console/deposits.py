"""Orders that wait for money, their bills, and 收定金: a part now, the rest by a day."""

from datetime import datetime, timedelta
from typing import Any

from flask import Blueprint, Response, request, url_for
from sqlalchemy.orm import Session

import gateways
from console import deposit_view, reply, words
from console.access import me, staff
from console.forms import Form
from core import audit
from core.clock import now as clock_now
from core.database import reading
from orders.models import Order
from orders.queries import get_waiting_for_staff, list_owing
from payments import billing, remote
from payments.billing import DEPOSIT

page = Blueprint("deposits", __name__, url_prefix="/orders/waiting")

HOWS = [("percent", "按比例"), ("sum", "按金额")]
MOST_DAYS = 60
USUAL = {"how": "percent", "percent": "30", "days": "7"}


@page.get("/")
@staff("orders.view")
def index() -> Response:
    now = clock_now()
    with reading() as session:
        cursor = request.args.get("cursor", "")
        found, following = list_owing(session, me().store_ids, now=now, cursor=cursor)
        rows = deposit_view.rows(session, found, me(), now)
    here = url_for("console.deposits.index")
    return reply.page(
        "orders/waiting.html",
        orders=rows,
        next=url_for("console.deposits.index", cursor=following) if following else "",
        first=here if cursor else "",
    )


@page.get("/<no>")
@staff("orders.view")
def show(no: str) -> Response:
    """With what was typed so far, for a look at what it comes to."""
    return _page(no, Form(request.args, **({} if request.args else USUAL)))


@page.post("/<no>/deposit")
@staff("orders.manage")
def take(no: str) -> Response:
    """The order asks for a deposit now and for the rest by a day."""
    form, now, who = Form(request.form), clock_now(), me()
    with reading() as session:
        order = get_waiting_for_staff(session, who.merchant_id, who.all_store_ids, no)
    fen = _deposit_fen(form, order)
    days = form.whole("days", low=1, high=MOST_DAYS)
    if fen is None or days is None:
        return _page(no, form, 422)

    def change(session: Session, order: Order) -> None:
        rest_by = now + timedelta(days=days)
        billing.open_deposit(session, order, fen, rest_by=rest_by, now=now)
        after = {"deposit_fen": fen, "days": days}
        _note(session, order, "order.deposit", {"payable_fen": order.payable_fen}, after, now)

    remote.rearrange(gateways.cashier(), order.id, change, now=now)
    rest = order.payable_fen - fen
    said = f"定金 ¥{words.yuan(fen)}，一天内付；尾款 ¥{words.yuan(rest)}，{days} 天内付"
    return reply.done(url_for("console.deposits.show", no=no), said)


@page.post("/<no>/whole")
@staff("orders.manage")
def undo(no: str) -> Response:
    """One sum again, while the deposit is not paid."""
    now, who = clock_now(), me()
    with reading() as session:
        order = get_waiting_for_staff(session, who.merchant_id, who.all_store_ids, no)

    def change(session: Session, order: Order) -> None:
        billing.join(session, order, DEPOSIT, now=now)
        _note(session, order, "order.one_bill", {}, {"payable_fen": order.payable_fen}, now)

    remote.rearrange(gateways.cashier(), order.id, change, now=now)
    return reply.done(url_for("console.deposits.show", no=no), "改回一次付清")


def _split_words(fen: int, rest_fen: int) -> str:
    return f"定金 ¥{words.yuan(fen)}，尾款 ¥{words.yuan(rest_fen)}"


def _deposit_fen(form: Form, order: Order) -> int | None:
    """More than nothing and less than all of it."""
    how = form.one_of("how", [value for value, _ in HOWS])
    if how is None or order.payable_fen < 2:
        form.refuse("how", "这一单分不成两笔")
        return None
    if how == "sum":
        return form.yuan("sum", low=1, high=order.payable_fen - 1)
    percent = form.whole("percent", low=1, high=99)
    if percent is None:
        return None
    return min(max((order.payable_fen * percent + 50) // 100, 1), order.payable_fen - 1)


def _page(no: str, form: Form, status: int = 200) -> Response:
    who = me()
    with reading() as session:
        order = get_waiting_for_staff(session, who.merchant_id, who.all_store_ids, no)
        shown = deposit_view.whole(session, order, who, clock_now())
    fen = _deposit_fen(Form(form.given), order)
    result = "" if fen is None else _split_words(fen, order.payable_fen - fen)
    if order.paid_at is not None:
        return reply.done(url_for("console.orders.show", no=no))
    return reply.page("orders/bills.html", status, o=shown, form=form, hows=HOWS, result=result)


def _note(
    session: Session,
    order: Order,
    action: str,
    before: dict[str, Any],
    after: dict[str, Any],
    now: datetime,
) -> None:
    who = me()
    audit.record(
        session,
        actor=who.actor,
        action=action,
        subject=f"order:{order.no}",
        before=before,
        after=after,
        merchant_id=who.merchant_id,
        now=now,
    )
