"""A refund of an order: lines ticked, the sum live, one's own hand or a second person's."""

from datetime import datetime
from typing import Any

from flask import Response, request, url_for
from sqlalchemy.orm import Session

from console import access, order_view, reply, step_up, words
from console.access import NotYours, me, staff
from console.forms import Form, whole
from console.orders import answered, click_on
from console.refund_asking import page, parts_of
from core import audit, idempotency
from core.clock import now as clock_now
from core.database import reading, transaction
from core.errors import LinliError
from core.numbers import new_token
from orders.models import LineKind, Order, OrderLine, OrderState
from orders.queries import get_for_staff
from payments import asking, refunding
from payments.models import HOLDING, Refund
from payments.plan_refunds import refundable_fen
from payments.refunding import Wanted, rules
from payments.refunding.again import delivery_left_fen, list_failed
from payments.refunding.amounts import Taken
from payments.refunding.proposing import failed_of, taken_of

__all__ = ["page"]

REASONS = [(text, text) for text in ("商品洒漏", "做错了", "等太久", "其他")]
PLANS = (LineKind.top_up, LineKind.membership, LineKind.card)


@page.get("/<no>/refund")
@staff("orders.manage")
def refunding_page(no: str) -> Response:
    """Nothing is ticked yet, or with `all` whatever is left."""
    form = Form(reason=REASONS[0][0], key=new_token())
    with reading() as session:
        order = _mine(session, no)
        if order.kind in PLANS:
            left, _ = refundable_fen(session, order, clock_now())
            form.put("amount", words.yuan(left))
        elif request.args.get("all"):
            for line, taken in taken_of(session, order.id):
                form.put(f"n-{line.position}", taken.quantity - taken.pieces)
            form.put("delivery", "on")
    return _shown(no, form)


@page.post("/<no>/refund/sum")
@staff("orders.manage")
def sum_up(no: str) -> Response:
    """What the ticked would give back, while they are being ticked."""
    form, now = Form(request.form), clock_now()
    with reading() as session:
        order = _mine(session, no)
        wanted = _wanted(session, order, form, now)
        found = _sum(session, order, wanted, now)
    return reply.page("orders/_refund_sum.html", o={"no": no}, form=form, sum=found)


@page.post("/<no>/refund")
@staff("orders.manage")
def refund(no: str) -> Response:
    """By whoever may give so much back alone and has just proved who they are; of anybody else it
    is a question to a second person, and nothing moves.

    Once per page that was shown: a second click hears what the first did.
    """
    form, now, who = Form(request.form), clock_now(), me()
    fields = sorted({name for name in form.given if name.startswith(("n-", "restock-"))})
    click = click_on("refund", no, form, "amount", "delivery", "reason", *fields)
    if said := answered(click):
        return reply.done(url_for("console.orders.show", no=no), said)
    with reading() as session:
        order = _mine(session, no)
        wanted = _wanted(session, order, form, now)
        found = _sum(session, order, wanted, now)
    reason = form.one_of("reason", [value for value, _ in REASONS])
    if wanted is None or found["refused"] or form.errors or reason is None:
        if found["refused"]:
            form.refuse("amount", found["refused"])
        return _shown(no, form, 422)
    alone = bool(found["alone"])
    if order.state is OrderState.placed and not who.may("orders.refund"):
        raise NotYours("没接的单直接拒单，钱会全退")
    if alone and not step_up.is_proved(form, now):
        return _shown(no, form, 422)
    try:
        with transaction() as session:
            said = f"¥{found['amount']} 正在退回" if alone else "申请好了，等第二个人同意"
            if idempotency.begin(session, **click, now=now, result={"said": said}):
                return reply.done(url_for("console.orders.show", no=no), said)
            order = _mine(session, no)
            if alone:
                _give_back(session, order, wanted, found["fen"], reason, now)
            else:
                asking.ask(session, order, wanted, reason=reason, actor=who.actor, now=now)
    except LinliError as refusal:
        if refusal.status not in (409, 422):
            raise
        form.refuse_with(refusal, "amount")
        return _shown(no, form, 422)
    response = reply.done(url_for("console.orders.show", no=no), said)
    step_up.remember(response, now)
    return response


def _give_back(
    session: Session, order: Order, wanted: Wanted, fen: int, reason: str, now: datetime
) -> None:
    """What is over this one's own limit by now is refused: somebody refunded in between."""
    who = me()
    refunding.request(session, order, wanted, reason, who.actor, now)
    known, whole_fen = rules.of(session, who.merchant_id), rules.asked_fen(session, order)
    if not rules.may_alone(known, who.role, whole_fen, paid_at=order.paid_at, now=now):
        raise NotYours("刚刚又退过一笔，加起来超过你能自己退的了")
    audit.record(
        session,
        actor=who.actor,
        action="order.refund",
        subject=f"order:{order.no}",
        after={"amount_fen": fen, "proved_again": True},
        merchant_id=who.merchant_id,
        reason=reason,
        now=now,
    )


def _mine(session: Session, no: str) -> Order:
    return get_for_staff(session, me().merchant_id, me().all_store_ids, no)


def _wanted(session: Session, order: Order, form: Form, now: datetime) -> Wanted | None:
    """What was ticked and typed; None: the form says what is wrong."""
    left, _ = refundable_fen(session, order, now)
    free = form.yuan("amount", low=1, high=max(left, 1), needed=False)
    pieces: dict[int, int] = {}
    restock = set()
    for line, taken in [] if order.kind in PLANS else taken_of(session, order.id):
        number = whole(form[f"n-{line.position}"] or "0")
        if number is None or number > taken.quantity - taken.pieces:
            form.refuse("amount", f"{line.name}最多退 {taken.quantity - taken.pieces} 份")
        elif number:
            pieces[line.position] = number
            if form[f"restock-{line.position}"]:
                restock.add(line.position)
    delivery = delivery_left_fen(session, order) if form["delivery"] else 0
    if form.errors:
        return None
    return Wanted(pieces, delivery, free or 0, frozenset(restock))


def _sum(session: Session, order: Order, wanted: Wanted | None, now: datetime) -> dict[str, Any]:
    """The proposal in words, and whether this one gives it back alone."""
    found: dict[str, Any] = {"amount": "", "fen": 0, "refused": "", "alone": True, "over": ""}
    if wanted is None or wanted == Wanted():
        return found | {"refused": "" if wanted is None else "勾选商品，或者填一个金额"}
    try:
        proposal = refunding.propose(session, order, wanted)
    except LinliError as refusal:
        return found | {"refused": refusal.detail}
    who, known = me(), rules.of(session, order.merchant_id)
    whole_fen = rules.asked_fen(session, order) + proposal.amount_fen
    limit = rules.limit_fen(known, who.role, order.paid_at, now)
    alone = limit is None or whole_fen <= limit
    return found | {
        "amount": words.yuan(proposal.amount_fen),
        "fen": proposal.amount_fen,
        "alone": alone,
        "over": "" if alone else _over(limit or 0),
        "parts": parts_of(proposal),
        "cut": words.yuan(proposal.cut_fen) if proposal.cut_fen else "",
        "balance": words.yuan(proposal.balance_fen) if proposal.balance_fen else "",
        "channel": words.yuan(proposal.amount_fen - proposal.balance_fen),
    }


def _over(limit_fen: int) -> str:
    if not limit_fen:
        return "要第二个人同意才退"
    return f"一单你自己最多退 ¥{words.yuan(limit_fen)}，这次要第二个人同意才退"


def _shown(no: str, form: Form, status: int = 200) -> Response:
    now = clock_now()
    with reading() as session:
        order = _mine(session, no)
        left, _ = refundable_fen(session, order, now)
        plan = order.kind in PLANS
        failed = list_failed(session, order.id)
        lost = failed_of(session, order.id) if failed else {}
        known_lines = [] if plan else taken_of(session, order.id)
        lines = [_line(each, taken, lost.get(each.id, 0)) for each, taken in known_lines]
        delivery = 0 if plan else delivery_left_fen(session, order)
        known = Form(form.given)
        found = _sum(session, order, _wanted(session, order, known, now), now)
        limit = rules.limit_fen(rules.of(session, order.merchant_id), me().role, order.paid_at, now)
        shown = order_view.whole(session, order, me(), now)
    response = reply.page(
        "orders/refund.html",
        status,
        o=shown,
        form=form,
        lines=lines,
        failed=[_failed(each) for each in failed] if me().may("orders.refund") else [],
        delivery=words.yuan(delivery) if delivery else "",
        sum=found,
        reasons=REASONS,
        refundable=words.yuan(left),
        proves=limit is None or limit > 0,
        stepped_up=access.is_proved(now),
    )
    step_up.remember(response, now)
    return response


def _failed(refund: Refund) -> dict[str, str]:
    again = refund.error not in HOLDING
    return {
        "amount": words.yuan(refund.amount_fen),
        "words": "再退一次" if again else "去处理",
        "href": url_for("console.refunds.show", no=refund.out_refund_no),
    }


def _line(line: OrderLine, taken: Taken, failed_fen: int) -> dict[str, Any]:
    left = taken.quantity - taken.pieces
    return {
        "position": line.position,
        "name": line.name,
        "options": " · ".join(part for part in (line.sku_name, line.options_text) if part),
        "paid": words.yuan(line.payable_fen),
        "left": left,
        "failed": words.yuan(failed_fen) if failed_fen else "",
        "quantity": line.quantity,
        "stocked": line.sku_id is not None,
        "numbers": [(number, f"退 {number}" if number else "不退") for number in range(left + 1)],
    }
