"""Orders at the counter: the live list, accept, ready, hand over by pickup code, cancel."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask import Blueprint, Response, request, url_for
from sqlalchemy.orm import Session

from console import access, order_list, order_view, reply, step_up, words
from console.access import NotYours, me, staff
from console.forms import Form
from core import audit, idempotency
from core.clock import now as clock_now
from core.database import reading, transaction
from core.errors import LinliError
from core.idempotency import IdempotencyConflict
from core.numbers import new_token
from merchants.models import Role
from orders import handover
from orders.errors import OrderNotFound, WrongPickupCode
from orders.finding import DAYS_SEARCHED
from orders.models import Order, OrderState
from orders.queries import get_for_staff, get_waiting_for_staff
from payments import asking, cancelling
from payments.queries import refundable_fen
from payments.refunding import Wanted, rules

page = Blueprint("orders", __name__, url_prefix="/orders")

CANCEL_REASONS = [
    (text, text) for text in ("原料用完了", "现在太忙，做不过来", "要打烊了", "顾客要求")
]


@page.get("/")
@staff("orders.view")
def index() -> Response:
    now = clock_now()
    tab = request.args.get("tab", "open")
    tab = tab if tab in order_list.TABS else "open"
    q, cursor = request.args.get("q", "").strip()[:32], request.args.get("cursor", "")
    if q:
        access.limit("search")
    with reading() as session:
        found = order_list.page(session, me().store_ids, tab=tab, now=now, q=q, cursor=cursor)
        counts = order_list.counts(session, me().store_ids)
        around = order_view.look_around(session, found.items)
        rows = [order_view.row(order, around, me(), now) for order in found.items]
    here = url_for("console.orders.index", tab=tab, q=q or None)
    tabs = [
        (text, url_for("console.orders.index", tab=name), counts.get(name), name == tab and not q)
        for name, text in order_list.TABS.items()
    ]
    tabs.append(("待付款", url_for("console.deposits.index"), None, False))
    waiting = counts.get("placed", 0)
    return reply.page(
        "orders/index.html",
        orders=rows,
        tab=tab,
        tabs=tabs,
        q=q,
        here=url_for("console.orders.index", tab=tab, q=q or None, cursor=cursor or None),
        at=words.clock(now),
        sum={"words": f"{waiting} 单待接" if waiting else "没有等着接的单"},
        blank=_blank(tab, q),
        pager={
            "words": f"{len(rows)} 单",
            "next": url_for("console.orders.index", tab=tab, q=q or None, cursor=found.next)
            if found.next
            else "",
            "first": here if cursor else "",
        },
    )


@page.get("/<no>")
@staff("orders.view")
def show(no: str) -> Response:
    """One that was never paid in full has a page of its own."""
    try:
        return _page("orders/show.html", no)
    except OrderNotFound:
        with reading() as session:
            get_waiting_for_staff(session, me().merchant_id, me().all_store_ids, no)
        return reply.done(url_for("console.deposits.show", no=no))


@page.post("/<no>/accept")
@staff("orders.manage")
def accept(no: str) -> Response:
    with transaction() as session:
        order = get_for_staff(session, me().merchant_id, me().all_store_ids, no)
        handover.accept(session, order, actor=me().actor, now=clock_now())
    return _moved(no, f"已接单 {order.pickup_number}")


@page.post("/<no>/ready")
@staff("orders.manage")
def ready(no: str) -> Response:
    with transaction() as session:
        order = get_for_staff(session, me().merchant_id, me().all_store_ids, no)
        handover.ready(session, order, actor=me().actor, now=clock_now())
    return _moved(no, f"{order.pickup_number} 已出餐，取餐通知在路上")


@page.get("/<no>/hand-over")
@staff("orders.manage")
def handing(no: str) -> Response:
    return _page("orders/hand_over.html", no, Form())


@page.post("/<no>/hand-over")
@staff("orders.manage")
def hand_over(no: str) -> Response:
    """Against the pickup code; a wrong one is counted although the act is refused."""
    form, now = Form(request.form), clock_now()
    code = form.text("code", longest=64)
    if code is None:
        return _page("orders/hand_over.html", no, form, 422)
    try:
        with transaction() as session:
            order = get_for_staff(session, me().merchant_id, me().all_store_ids, no)
            handover.complete(session, order, code=code, actor=me().actor, now=now)
    except WrongPickupCode as refusal:
        with transaction() as session:
            who = me()
            handover.note_wrong_code(session, actor=who.actor, merchant_id=who.merchant_id, now=now)
        form.refuse("code", refusal.detail)
        return _page("orders/hand_over.html", no, form, 422)
    return reply.done(url_for("console.orders.index"), f"{order.pickup_number} 已交餐")


@page.get("/<no>/cancel")
@staff("orders.manage")
def cancelling_page(no: str) -> Response:
    _may_cancel(no)
    return _cancel_page(no, Form(reason=CANCEL_REASONS[0][0], key=new_token()))


@page.post("/<no>/cancel")
@staff("orders.manage")
def cancel(no: str) -> Response:
    """All of the money goes back, in the same transaction.

    Turning a new order down is everyday work, with the password where it gives back more than a
    clerk may. Once it was accepted it is a refund, and asks for what a refund asks for: beyond what
    this one gives back alone it is a question to a second person, and nothing moves.
    """
    form, now, who = Form(request.form), clock_now(), me()
    click = click_on("cancel", no, form, "reason", "other")
    if said := answered(click):
        return reply.done(url_for("console.orders.show", no=no), said)
    seen = _may_cancel(no)
    rule = _rule_of(no, now)
    proved_again = rule.proves
    reason = form.one_of("reason", [value for value, _ in CANCEL_REASONS])
    more = form.text("other", longest=60, needed=False)
    if form.errors or (proved_again and not step_up.is_proved(form, now)):
        return _cancel_page(no, form, 422)
    why = "，".join(part for part in (reason, more) if part)
    if not rule.alone:
        return _ask_to_cancel(no, form, click, why)
    with transaction() as session:
        if replay := idempotency.begin(session, **click, now=now):
            return reply.done(url_for("console.orders.show", no=no), replay.result["said"])
        order = get_for_staff(session, who.merchant_id, who.all_store_ids, no)
        left = cancelling.cancel(session, order, actor=who.actor, reason=why, now=now, seen=seen)
        if seen is not OrderState.placed and not gives_alone(session, order, 0, now):
            raise NotYours("刚刚又退过一笔，加起来超过你能自己退的了")
        said = f"{order.pickup_number} 已取消" + (f"，¥{words.yuan(left)} 正在退" if left else "")
        idempotency.finish(session, scope=click["scope"], key=click["key"], result={"said": said})
        audit.record(
            session,
            actor=who.actor,
            action="order.cancelled",
            subject=f"order:{order.no}",
            before={"state": seen},
            after={"state": order.state, "refund_fen": left, "proved_again": proved_again},
            merchant_id=who.merchant_id,
            reason=why,
            now=now,
        )
    response = reply.done(url_for("console.orders.show", no=no), said)
    step_up.remember(response, now)
    return response


def _page(
    template: str, no: str, form: Form | None = None, status: int = 200, **more: Any
) -> Response:
    with reading() as session:
        order = get_for_staff(session, me().merchant_id, me().all_store_ids, no)
        shown = order_view.whole(session, order, me(), clock_now())
    return reply.page(template, status, o=shown, form=form, **more)


def click_on(act: str, no: str, form: Form, *fields: str) -> dict[str, Any]:
    """What makes two clicks on one page the same one."""
    body = {"no": no, **{name: form[name] for name in fields}}
    return {"scope": f"{act}:{me().staff_id}", "key": form["key"], "body": body}


def answered(click: dict[str, Any]) -> str:
    """What an earlier click on the same page was told; "" for the first."""
    try:
        with reading() as session:
            replay = idempotency.find(session, **click)
    except IdempotencyConflict:
        raise IdempotencyConflict("这一页已经提交过，刷新看看再做") from None
    return replay.result["said"] if replay else ""


@dataclass(frozen=True)
class CancelRule:
    """What cancelling asks of this one: `alone` or with a second person, `proves` by password."""

    alone: bool
    proves: bool


def _rule_of(no: str, now: datetime) -> CancelRule:
    with reading() as session:
        order = get_for_staff(session, me().merchant_id, me().all_store_ids, no)
        left = refundable_fen(session, order.id)
        if order.state is OrderState.placed:
            known = rules.of(session, order.merchant_id)
            everyday = rules.may_alone(known, Role.clerk, left, paid_at=order.paid_at, now=now)
            return CancelRule(alone=True, proves=left > 0 and not everyday)
        alone = left == 0 or gives_alone(session, order, left, now)
    return CancelRule(alone=alone, proves=alone)


def gives_alone(session: Session, order: Order, more_fen: int, now: datetime) -> bool:
    known, whole_fen = rules.of(session, order.merchant_id), rules.asked_fen(session, order)
    role, paid_at = me().role, rules.paid_at_of(session, order)
    return rules.may_alone(known, role, whole_fen + more_fen, paid_at=paid_at, now=now)


def _ask_to_cancel(no: str, form: Form, click: dict[str, Any], why: str) -> Response:
    """Nothing moves: another agrees, and the order ends with that."""
    said, now, who = "申请好了，等第二个人同意", clock_now(), me()
    try:
        with transaction() as session:
            if not idempotency.begin(session, **click, now=now, result={"said": said}):
                order = get_for_staff(session, who.merchant_id, who.all_store_ids, no)
                wanted = Wanted(cancels=True)
                asking.ask(session, order, wanted, reason=why, actor=who.actor, now=now)
    except LinliError as refusal:
        if refusal.status not in (409, 422):
            raise
        form.refuse_with(refusal, "reason")
        return _cancel_page(no, form, 422)
    return reply.done(url_for("console.orders.show", no=no), said)


def _may_cancel(no: str) -> OrderState:
    """The state in which this member of staff may cancel the order; else refuses."""
    with reading() as session:
        order = get_for_staff(session, me().merchant_id, me().all_store_ids, no)
    if not order_view.may_cancel(order, me()):
        raise NotYours()
    return order.state


def _cancel_page(no: str, form: Form, status: int = 200) -> Response:
    now = clock_now()
    proved = access.is_proved(now)
    response = _page(
        "orders/cancel.html",
        no,
        form,
        status,
        reasons=CANCEL_REASONS,
        stepped_up=proved,
        rule=_rule_of(no, now),
    )
    step_up.remember(response, clock_now())
    return response


def _moved(no: str, said: str) -> Response:
    return reply.changed("orders", url_for("console.orders.show", no=no), said)


def _blank(tab: str, q: str) -> dict[str, str]:
    if q:
        days = DAYS_SEARCHED
        return {
            "title": "没有找到",
            "text": f"看看有没有输错。取餐号只找你的门店最近 {days} 天的，更早的用单号找。",
        }
    if tab in ("done", "cancelled"):
        return {"title": "还没有这样的订单", "text": "做完的单和取消的单会留在这里。"}
    return {"title": "没有要处理的订单", "text": "新单付款后会自己出现在这里，不用刷新。"}
