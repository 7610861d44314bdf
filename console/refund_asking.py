"""Refunds that one asks for: a second person's answer, and the rules of who may give how much."""

from datetime import datetime

from flask import Response, request, url_for

import gateways
from console import access, order_view, reply, step_up, words
from console.access import me, staff
from console.forms import Form
from console.orders import page
from core.clock import now as clock_now
from core.database import reading, transaction
from core.errors import LinliError
from merchants.models import Staff
from orders.models import OWING, OrderState
from orders.paying import CouponBack
from orders.queries import get_with_money
from payments import asking, remote
from payments.errors import AskedNotFound
from payments.refunding import Proposal, rules

__all__ = ["page"]

LARGEST_DAY = 10_000_00
LARGEST_ALONE = 100_000_00
COUPON_BACK = [
    (CouponBack.always, "都退回"),
    (CouponBack.valid, "没过期的退回"),
    (CouponBack.never, "不退回"),
]


@page.get("/<no>/asked-refund")
@staff("orders.refund")
def asked_page(no: str) -> Response:
    return _answer_page(no, Form())


@page.post("/<no>/asked-refund")
@staff("orders.refund")
def answer_refund(no: str) -> Response:
    """Agreeing is giving money back, by somebody who has just proved who they are."""
    form, now, who = Form(request.form), clock_now(), me()
    agrees = form["do"] != "refuse"
    if agrees and not step_up.is_proved(form, now):
        return _answer_page(no, form, 422)
    try:
        if agrees:
            _close_begun(no, form["code"], now)
        with transaction() as session:
            asked = asking.find_by_code(session, who.merchant_id, form["code"])
            member = session.get_one(Staff, who.staff_id)
            if agrees:
                asking.agree(session, asked, staff=member, via=asking.CONSOLE, now=now)
            else:
                asking.refuse(session, asked, staff=member, via=asking.CONSOLE, now=now)
    except LinliError as refusal:
        if refusal.status not in (409, 422):
            raise
        form.refuse_with(refusal, "code")
        return _answer_page(no, form, 422)
    said = "没有同意，不退"
    if agrees:
        done = "记好了，算已退" if asking.is_by_hand(asked) else "正在退回"
        said = f"¥{words.yuan(asked.amount_fen)} {done}"
    response = reply.done(url_for("console.orders.show", no=no), said)
    step_up.remember(response, now)
    return response


@page.get("/refund-rules")
@staff("settings.manage")
def refund_rules() -> Response:
    with reading() as session:
        found = rules.of(session, me().merchant_id)
    form = Form(
        amount=words.yuan(found.chat_day_fen),
        clerk=words.yuan(found.clerk_fen),
        minutes=found.clerk_minutes,
        manager=words.yuan(found.manager_fen),
        coupon=found.coupon_back,
    )
    return _rules_page(form)


@page.post("/refund-rules")
@staff("settings.manage")
def set_refund_rules() -> Response:
    form, now, who = Form(request.form), clock_now(), me()
    amount = form.yuan("amount", high=LARGEST_DAY)
    clerk, minutes = form.yuan("clerk", high=LARGEST_DAY), form.whole("minutes", high=1_440)
    manager = form.yuan("manager", high=LARGEST_ALONE)
    coupon = form.one_of("coupon", [value for value, _ in COUPON_BACK])
    if clerk is not None and manager is not None and clerk > manager:
        form.refuse("clerk", "不要比店长的多")
    known = None not in (amount, clerk, minutes, manager, coupon)
    if form.errors or not known or not step_up.is_proved(form, now):
        return _rules_page(form, 422)
    said = rules.Rules(
        clerk_fen=clerk or 0,
        clerk_minutes=minutes or 0,
        manager_fen=manager or 0,
        chat_day_fen=amount or 0,
        coupon_back=CouponBack(coupon or CouponBack.always),
    )
    with transaction() as session:
        rules.save(session, who.merchant_id, said, actor=who.actor, now=now)
    response = reply.done(url_for("console.stores.index"), "改好了")
    step_up.remember(response, now)
    return response


def _answer_page(no: str, form: Form, status: int = 200) -> Response:
    now = clock_now()
    with reading() as session:
        order = get_with_money(session, me().merchant_id, me().all_store_ids, no)
        asked = asking.find_open(session, order.id)
        if asked is None and not form.errors:
            raise AskedNotFound
        question = asking.question(session, asked) if asked else ""
        proposal = asking.proposal(session, asked) if asked else None
        shown = order_view.whole(session, order, me(), now)
    return reply.page(
        "orders/asked_refund.html",
        status,
        o=shown,
        form=form,
        question=question,
        code=asked.code if asked else "",
        amount=words.yuan(asked.amount_fen) if asked else "",
        parts=parts_of(proposal) if proposal else [],
        balance=words.yuan(proposal.balance_fen) if proposal and proposal.balance_fen else "",
        channel=words.yuan(proposal.amount_fen - proposal.balance_fen) if proposal else "",
        by_hand=bool(asked and asking.is_by_hand(asked)),
        own=bool(asked and asked.asked_by == me().actor),
        stepped_up=access.is_proved(now),
    )


def parts_of(proposal: Proposal) -> list[tuple[str, str]]:
    parts = [
        (f"{part.line.name} ×{part.pieces}", words.yuan(part.amount_fen)) for part in proposal.lines
    ]
    if proposal.delivery_fen:
        parts.append(("配送费", words.yuan(proposal.delivery_fen)))
    if proposal.free_fen and parts:
        parts.append(("不分商品", words.yuan(proposal.free_fen)))
    return parts


def _close_begun(no: str, code: str, now: datetime) -> None:
    """Of an order that is paid in part nobody may be paying the rest while it ends: closed for
    whoever may agree to that, and for nobody else. Raises what agreeing does."""
    with reading() as session:
        order = get_with_money(session, me().merchant_id, me().all_store_ids, no)
        asked = asking.find_by_code(session, me().merchant_id, code)
        if asked.order_id != order.id:
            raise AskedNotFound
        asking.check(session, asked, session.get_one(Staff, me().staff_id))
    if order.payment_state in OWING and order.state is OrderState.placed:
        remote.rearrange(gateways.cashier(), order.id, lambda session, order: None, now=now)


def _rules_page(form: Form, status: int = 200) -> Response:
    stepped_up = access.is_proved(clock_now())
    return reply.page(
        "orders/refund_rules.html", status, form=form, stepped_up=stepped_up, coupons=COUPON_BACK
    )
