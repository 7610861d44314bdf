"""资金 → 退款: every refund, what is stuck first to be seen, and what can be done about it."""

import csv
import io
from datetime import datetime
from typing import Any

from flask import Blueprint, Response, request, url_for
from sqlalchemy.orm import Session

from console import access, people, refund_filters, refund_view, reply, step_up, words
from console.access import me, staff
from console.forms import Form
from core import audit
from core.clock import business_day
from core.clock import now as clock_now
from core.database import reading, transaction
from core.errors import LinliError
from merchants.staff import list_staff
from payments import asking
from payments.errors import RefundBeyondLimit
from payments.refunding import listing, rules, stuck
from payments.refunding.listing import Listed
from payments.refunding.wanted import Act, Wanted

page = Blueprint("refunds", __name__, url_prefix="/refunds")

MOST_EXPORTED = 50_000
LONGEST_NOTE = 100


@page.get("/")
@staff("orders.refund")
def index() -> Response:
    now, who = clock_now(), me()
    form = Form(request.args)
    given, cursor = refund_filters.read(form, who.store_ids, business_day(now)), form["cursor"]
    if given.filters.q:
        access.limit("search")
    with reading() as session:
        waiting = listing.count_stuck(session, who.merchant_id, who.store_ids, now)
        found = listing.page(session, who.merchant_id, given.filters, now=now, cursor=cursor)
        rows = [refund_view.row(each, who, now) for each in found.rows]
        added = given.narrow and not cursor
        sums = listing.add_up(session, who.merchant_id, given.filters, now=now) if added else None
        everybody = list_staff(session, who.merchant_id)
    state = given.filters.state
    rest: dict[str, Any] = {n: value for n, value in given.kept.items() if n != "state"}
    tabs = [
        (
            text,
            url_for("console.refunds.index", state=name or None, **rest),
            waiting if name == "stuck" and waiting else None,
            name == state,
        )
        for name, text in refund_filters.TABS.items()
    ]
    here: dict[str, Any] = dict(given.kept)
    return reply.page(
        "refunds/index.html",
        rows=rows,
        tabs=tabs,
        state=state,
        given=given.kept,
        filtered=bool(rest),
        options=refund_filters.options(everybody),
        sums=refund_filters.summed(given, sums) if not cursor else None,
        export=url_for("console.refunds.exporting", **here),
        pager={
            "words": f"这页 {len(rows)} 笔",
            "next": url_for("console.refunds.index", **here, cursor=found.next)
            if found.next
            else "",
            "first": url_for("console.refunds.index", **here) if cursor else "",
        },
    )


@page.get("/export")
@staff("orders.refund")
def exporting() -> Response:
    return _export_page(Form(request.args.to_dict()))


@page.post("/export")
@staff("orders.refund")
def export() -> Response:
    form, now, who = Form(request.form), clock_now(), me()
    if not step_up.is_proved(form, now):
        return _export_page(form, 422)
    filters = refund_filters.read(form, who.store_ids, business_day(now)).filters
    with transaction() as session:
        found = listing.every(session, who.merchant_id, filters, now=now, most=MOST_EXPORTED)
        rows = [refund_view.cells(each, who, now) for each in found]
        audit.record(
            session,
            actor=who.actor,
            action="refund.export",
            subject=f"merchant:{who.merchant_id}",
            after={"number": len(rows), "proved_again": True},
            merchant_id=who.merchant_id,
            now=now,
        )
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(refund_view.HEADINGS)
    writer.writerows([[people.harmless(cell) for cell in cells] for cells in rows])
    response = Response("\ufeff" + out.getvalue(), content_type="text/csv; charset=utf-8")
    response.headers["Content-Disposition"] = "attachment; filename=refunds.csv"
    step_up.remember(response, now)
    return response


@page.get("/<no>")
@staff("orders.refund")
def show(no: str) -> Response:
    now, who = clock_now(), me()
    with reading() as session:
        found = listing.get(session, who.merchant_id, who.all_store_ids, no)
        shown = refund_view.whole(session, found, who, now)
    return reply.page("refunds/show.html", r=shown)


@page.get("/<no>/restart")
@staff("orders.refund")
def restarting(no: str) -> Response:
    return _act_page(no, "restart", Form())


@page.post("/<no>/restart")
@staff("orders.refund")
def restart(no: str) -> Response:
    """Money moves once more: by somebody who has just proved who they are."""
    return _act(no, "restart", "")


@page.get("/<no>/finish")
@staff("orders.refund")
def finishing(no: str) -> Response:
    return _act_page(no, "finish", Form())


@page.post("/<no>/finish")
@staff("orders.refund")
def finish(no: str) -> Response:
    """The books say that money moved, which no channel will confirm."""
    form = Form(request.form)
    note = form.text("note", longest=LONGEST_NOTE)
    return _act_page(no, "finish", form, 422) if note is None else _act(no, "finish", note)


def _act(no: str, act: str, note: str) -> Response:
    form, now, who = Form(request.form), clock_now(), me()
    with reading() as session:
        found = listing.get(session, who.merchant_id, who.all_store_ids, no)
        alone = _may_alone(session, found, act, now)
    if not alone:
        return _ask(no, act, note or "再退一次", form, now)
    if not step_up.is_proved(form, now):
        return _act_page(no, act, form, 422)
    try:
        with transaction() as session:
            found = listing.get(session, who.merchant_id, who.all_store_ids, no)
            refund = found.refund
            stuck.lock(session, refund)  # what it waited for may have changed who decides
            if not _may_alone(session, found, act, now):
                raise RefundBeyondLimit
            if act == "restart":
                going = stuck.restart(session, refund, actor=who.actor, now=now)
            else:
                going = stuck.finish_by_hand(session, refund, note, actor=who.actor, now=now)
            to = going.out_refund_no
    except LinliError as refusal:
        if refusal.status not in (409, 422):
            raise
        form.refuse_with(refusal, "note")
        return _act_page(no, act, form, 422)
    said = "正在再退一次" if act == "restart" else "记好了，订单和账都按已退算"
    response = reply.done(url_for("console.refunds.show", no=to), said)
    step_up.remember(response, now)
    return response


def _ask(no: str, act: str, reason: str, form: Form, now: datetime) -> Response:
    """Nothing moves: another agrees, and the refund goes on with that."""
    who = me()
    try:
        with transaction() as session:
            found = listing.get(session, who.merchant_id, who.all_store_ids, no)
            wanted = Wanted(act=Act(act), of_refund=found.refund.id)
            asking.ask(session, found.order, wanted, reason=reason, actor=who.actor, now=now)
            to = url_for("console.orders.show", no=found.order.no)
    except LinliError as refusal:
        if refusal.status not in (409, 422):
            raise
        form.refuse_with(refusal, "note")
        return _act_page(no, act, form, 422)
    return reply.done(to, "申请好了，等第二个人同意")


def _may_alone(session: Session, found: Listed, act: str, now: datetime) -> bool:
    """To ask the channel what became of one that is on its way decides nothing."""
    if act == "restart" and found.refund.state in stuck.ON_THE_WAY:
        return True
    return rules.may_again(session, found.refund, found.order, me().role, now=now)


def _act_page(no: str, act: str, form: Form, status: int = 200) -> Response:
    now, who = clock_now(), me()
    with reading() as session:
        found = listing.get(session, who.merchant_id, who.all_store_ids, no)
        shown = refund_view.whole(session, found, who, now)
        alone = _may_alone(session, found, act, now)
    return reply.page(
        "refunds/act.html",
        status,
        r=shown,
        act=act,
        form=form,
        alone=alone,
        stepped_up=access.is_proved(now),
    )


def _export_page(form: Form, status: int = 200) -> Response:
    now, who = clock_now(), me()
    given = refund_filters.read(form, who.store_ids, business_day(now))
    with reading() as session:
        about = refund_filters.told(given, list_staff(session, who.merchant_id))
    return reply.page(
        "refunds/export.html",
        status,
        form=form,
        kept=given.kept,
        about=about,
        stepped_up=access.is_proved(now),
        most=words.count(MOST_EXPORTED),
    )
