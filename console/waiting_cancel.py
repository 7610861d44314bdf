"""Staff end an order that waits for money: whoever paid a part of it has that back."""

from datetime import datetime
from typing import Any

from flask import Response, request, url_for
from sqlalchemy.orm import Session

import gateways
from console import access, deposit_view, reply, step_up, words
from console.access import NotYours, me, staff
from console.deposits import page
from console.forms import Form
from console.orders import CANCEL_REASONS, CancelRule, answered, click_on, gives_alone
from core import audit, idempotency
from core.clock import now as clock_now
from core.database import reading, transaction
from core.errors import LinliError
from core.numbers import new_token
from gateways.pay.errors import ChannelRefused, ChannelUnavailable
from orders.models import OWING, Order, OrderState
from orders.moving import wrong_state
from orders.queries import get_waiting_for_staff
from payments import asking, cancelling, remote
from payments.errors import PaymentInProgress
from payments.queries import lock_bills_of, refundable_fen
from payments.refunding import Wanted

__all__ = ["page"]


@page.get("/<no>/cancel")
@staff("orders.manage")
def cancelling_page(no: str) -> Response:
    return _page(no, Form(reason=CANCEL_REASONS[0][0], key=new_token()))


@page.post("/<no>/cancel")
@staff("orders.manage")
def cancel(no: str) -> Response:
    """What nobody has paid of is ended by any clerk. Money goes back as with any refund: by one's
    own hand and password up to what one gives back alone, beyond that another has to agree."""
    form, now, who = Form(request.form), clock_now(), me()
    click = click_on("cancel", no, form, "reason", "other")
    to = url_for("console.deposits.show", no=no)
    if said := answered(click):
        return reply.done(to, said)
    order, rule = _rule_of(no, now)
    reason = form.one_of("reason", [value for value, _ in CANCEL_REASONS])
    more = form.text("other", longest=60, needed=False)
    if form.errors or (rule.proves and not step_up.is_proved(form, now)):
        return _page(no, form, 422)
    why = "，".join(part for part in (reason, more) if part)
    said = "已取消" if rule.alone else "申请好了，等第二个人同意"

    def end(session: Session, order: Order) -> None:
        nonlocal said
        if replay := idempotency.begin(session, **click, now=now):
            said = replay.result["said"]
            return
        lock_bills_of(session, order.id)
        session.refresh(order)
        if order.payment_state not in OWING:
            raise wrong_state(order)
        placed = OrderState.placed
        left = cancelling.cancel(session, order, actor=who.actor, reason=why, now=now, seen=placed)
        if left and not (rule.proves and gives_alone(session, order, 0, now)):
            raise NotYours("刚刚又付了一笔，要退的钱变了，刷新再看")
        said = f"已取消，¥{words.yuan(left)} 正在退" if left else "已取消"
        idempotency.finish(session, scope=click["scope"], key=click["key"], result={"said": said})
        after = {"state": order.state, "refund_fen": left, "proved_again": rule.proves}
        audit.record(
            session,
            actor=who.actor,
            action="order.cancelled",
            subject=f"order:{order.no}",
            before={"state": placed, "payment": "part_paid" if left else "unpaid"},
            after=after,
            merchant_id=who.merchant_id,
            reason=why,
            now=now,
        )

    try:
        if rule.alone:
            remote.rearrange(gateways.cashier(), order.id, end, now=now)
        else:
            _ask(no, click, why, said, now)
    except (ChannelUnavailable, ChannelRefused, PaymentInProgress):
        form.refuse("reason", "有人正在付这一单，还没有结果，过几秒再取消")
        return _page(no, form, 422)
    except LinliError as refusal:
        if refusal.status not in (409, 422):
            raise
        form.refuse_with(refusal, "reason")
        return _page(no, form, 422)
    response = reply.done(to, said)
    step_up.remember(response, now)
    return response


def _ask(no: str, click: dict[str, Any], why: str, said: str, now: datetime) -> None:
    """Nothing moves: another agrees, and the order ends with that."""
    who = me()
    with transaction() as session:
        if not idempotency.begin(session, **click, now=now, result={"said": said}):
            order = get_waiting_for_staff(session, who.merchant_id, who.all_store_ids, no)
            wanted = Wanted(cancels=True)
            asking.ask(session, order, wanted, reason=why, actor=who.actor, now=now)


def _rule_of(no: str, now: datetime) -> tuple[Order, CancelRule]:
    """Raises WrongState for an order that is paid, or over, by now."""
    who = me()
    with reading() as session:
        order = get_waiting_for_staff(session, who.merchant_id, who.all_store_ids, no)
        if order.payment_state not in OWING or order.state is not OrderState.placed:
            raise wrong_state(order)
        left = refundable_fen(session, order.id)
        alone = left == 0 or gives_alone(session, order, left, now)
    return order, CancelRule(alone=alone, proves=left > 0 and alone)


def _page(no: str, form: Form, status: int = 200) -> Response:
    now, who = clock_now(), me()
    order, rule = _rule_of(no, now)
    with reading() as session:
        shown = deposit_view.whole(session, session.get_one(Order, order.id), who, now)
    response = reply.page(
        "orders/cancel_waiting.html",
        status,
        o=shown,
        form=form,
        reasons=CANCEL_REASONS,
        stepped_up=access.is_proved(now),
        rule=rule,
    )
    step_up.remember(response, now)
    return response
