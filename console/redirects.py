"""A refund that did not arrive: it is sent to another account, by somebody who is proved."""

from flask import Blueprint, Response, request, url_for
from sqlalchemy import select

import gateways
from console import access, reply, step_up, words
from console.access import me, staff
from console.forms import Form
from core.clock import now as clock_now
from core.database import reading
from core.errors import NotFound
from gateways.pay.errors import ChannelRefused, ChannelUnavailable
from gateways.pay.redirecting import Card
from orders.models import Order
from payments import redirecting
from payments.errors import RefundBeyondLimit, RefundNotStuck
from payments.models import PaymentAttempt, Refund
from payments.refunding import rules

page = Blueprint("redirects", __name__, url_prefix="/redirects")

WHERE = [("merchant", "退到店里的结算账户，再转给顾客"), ("card", "退到顾客的银行卡")]
BANKS = [
    ("ICBC_DEBIT", "工商银行"),
    ("ABC_DEBIT", "农业银行"),
    ("CCB_DEBIT", "建设银行"),
    ("BOC_DEBIT", "中国银行"),
    ("COMM_DEBIT", "交通银行"),
    ("CMB_DEBIT", "招商银行"),
    ("PSBC_DEBIT", "邮储银行"),
]


@page.get("/<no>")
@staff("orders.refund")
def ask(no: str) -> Response:
    return _ask(no, Form(where="merchant"))


@page.post("/<no>")
@staff("orders.refund")
def send(no: str) -> Response:
    form, now = Form(request.form), clock_now()
    refund, order = _mine(no)
    card = None
    if form.one_of("where", [value for value, _ in WHERE]) == "card":
        bank = form.one_of("bank", [value for value, _ in BANKS], "选开户银行")
        number = form.text("number", longest=24)
        holder = form.text("holder", longest=40)
        number = "".join(number.split()) if number else None
        if number and not (number.isascii() and number.isdigit() and 12 <= len(number) <= 20):
            form.refuse("number", "卡号是 12 到 20 位数字")
        card = Card(bank, number, holder) if bank and number and holder else None
    if form.errors or not step_up.is_proved(form, now):
        return _ask(no, form, 422)
    try:
        with reading() as session:
            rules.check_again(session, refund, order, me().role, now=now)
        redirecting.redirect(gateways.cashier(), refund.id, card, actor=me().actor, now=now)
    except RefundBeyondLimit as refusal:
        form.refuse_with(refusal, "where")
        return _ask(no, form, 422)
    except (ChannelRefused, RefundNotStuck) as refusal:
        said = getattr(refusal, "message", "") or "这笔现在不能换个账户退"
        form.refuse("where", f"没有受理：{said[:80]}")
        return _ask(no, form, 422)
    except ChannelUnavailable:
        pass  # what became of it is asked by a job
    to = url_for("console.orders.show", no=order.no)
    response = reply.done(to, f"¥{words.yuan(refund.amount_fen)} 正在换个账户退，到账后会自己变")
    step_up.remember(response, now)
    return response


def _ask(no: str, form: Form, status: int = 200) -> Response:
    refund, order = _mine(no)
    return reply.page(
        "orders/redirect.html",
        status,
        form=form,
        r={"no": no, "order": order.no, "amount": words.yuan(refund.amount_fen)},
        where=WHERE,
        banks=[("", "选开户银行"), *BANKS],
        stepped_up=access.is_proved(clock_now()),
    )


def _mine(no: str) -> tuple[Refund, Order]:
    """The gate: one that did not arrive, of an order in one of my stores."""
    with reading() as session:
        found = session.execute(
            select(Refund, Order, PaymentAttempt)
            .join(Order, Order.id == Refund.order_id)
            .join(PaymentAttempt, PaymentAttempt.id == Refund.attempt_id)
            .where(Refund.out_refund_no == no, Order.store_id.in_(me().all_store_ids))
        ).one_or_none()
    if found is None or not redirecting.is_redirectable(gateways.cashier(), found[0], found[2]):
        raise NotFound("没有这笔要换个账户退的款")
    return found[0], found[1]
