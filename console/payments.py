"""Payments: every try of the merchant, one with all that happened to it, asking the channel now."""

import csv
import io
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Any

from flask import Blueprint, Response, request, url_for

import gateways
from console import access, money_words, order_view, payment_view, people, reply, step_up, words
from console.access import Me, me, staff
from console.forms import Form
from core import audit
from core.clock import business_day, day_bounds
from core.clock import now as clock_now
from core.database import reading, transaction
from gateways.pay.errors import ChannelRefused, ChannelUnavailable
from gateways.pay.records import Way
from payments import listing, remote, summing
from payments.listing import Wanted
from payments.models import PAID, UNSETTLED, AttemptState, Channel
from payments.settling import Settlement
from payments.summing import Sums

page = Blueprint("payments", __name__, url_prefix="/payments")

DAYS, MOST_DAYS = 30, 92
MOST_EXPORTED = 20_000
SLICE = 500
ANSWERS = {
    Settlement.paid: "付了，已经入账",
    Settlement.late: "付了，但订单已经结束，钱会自动退回",
    Settlement.repeated: "早就入过账",
    Settlement.closed: "没付，渠道那边已经关了",
    Settlement.waiting: "还没付",
    Settlement.mismatch: "渠道说的和订单对不上，没有入账，看安全事件",
    Settlement.unknown: "渠道没有这一笔",
}


@page.get("/")
@staff("payments.view")
def index() -> Response:
    now, who = clock_now(), me()
    given = Form(request.args)
    wanted, days = _wanted(given, now)
    if wanted.q:
        access.limit("search")
    cursor = given["cursor"]
    with reading() as session:
        found = listing.page(session, who.merchant_id, who.store_ids, wanted, cursor=cursor)
        shown = _is_summed(wanted) and not cursor
        added = summing.add_up(session, who.merchant_id, who.store_ids, wanted) if shown else None
    kept: dict[str, Any] = {
        name: given[name] or None for name in ("state", "channel", "way", "q", "from", "to")
    }
    here = url_for("console.payments.index", **kept)
    return reply.page(
        "money/payments.html",
        rows=[payment_view.row(each, who, now) for each in found.rows],
        given=given,
        days=days,
        filtered=any(kept.values()),
        sums=_summed(added, who, days) if shown else None,
        states=[("", "全部状态"), *((s.value, t) for s, (t, _) in payment_view.STATES.items())],
        channels=[("", "全部渠道"), *((c.value, t) for c, t in money_words.CHANNELS.items())],
        ways=[("", "全部方式"), *((w.value, t) for w, t in payment_view.WAYS.items())],
        export=url_for("console.payments.exporting", **kept),
        next=url_for("console.payments.index", **kept, cursor=found.next) if found.next else "",
        first=here if cursor else "",
    )


@page.get("/<int:attempt_id>")
@staff("payments.view")
def show(attempt_id: int) -> Response:
    now, who = clock_now(), me()
    with reading() as session:
        attempt = listing.get_of(session, who.merchant_id, who.all_store_ids, attempt_id)
        found = listing.history(session, attempt)
        href = order_view.href_of(found.order, who)
        p = payment_view.shown(attempt, found, now, order_href=href)
    return reply.page("money/payment.html", p=p)


@page.post("/<int:attempt_id>/ask")
@staff("payments.view")
def ask(attempt_id: int) -> Response:
    """Ask the channel now, and act on what it says, as the job would."""
    now, who = clock_now(), me()
    access.limit("search")
    with reading() as session:
        attempt = listing.get_of(session, who.merchant_id, who.all_store_ids, attempt_id)
    said = "早就有结果了"
    if attempt.state in UNSETTLED:
        try:
            said = ANSWERS[remote.check(gateways.cashier(), attempt, now)]
        except ChannelUnavailable:
            said = "渠道没有回应，过一会儿再问"
        except ChannelRefused:
            said = "渠道不肯回答，核对收款账号"
        with transaction() as session:
            audit.record(
                session,
                actor=who.actor,
                action="payment.asked",
                subject=f"payment:{attempt.out_trade_no}",
                after={"answer": said},
                merchant_id=who.merchant_id,
                now=now,
            )
    return reply.done(url_for("console.payments.show", attempt_id=attempt_id), said)


@page.get("/<int:attempt_id>/notices/<int:event_id>")
@staff("payments.raw")
def raw(attempt_id: int, event_id: int) -> Response:
    """What the channel said, with everything in it: who looked is on record."""
    now, who = clock_now(), me()
    with transaction() as session:
        attempt = listing.get_of(session, who.merchant_id, who.all_store_ids, attempt_id)
        event = listing.find_notice(session, attempt, event_id)
        audit.record(
            session,
            actor=who.actor,
            action="payment.raw",
            subject=f"payment:{attempt.out_trade_no}",
            merchant_id=who.merchant_id,
            now=now,
        )
    return reply.page(
        "money/notice.html",
        what=payment_view.NOTICES.get(event.kind, "渠道的通知"),
        at=words.when(event.received_at, now),
        back=url_for("console.payments.show", attempt_id=attempt_id),
        fields=payment_view.fields(event.body, whole=True),
    )


@page.get("/export")
@staff("payments.export")
def exporting() -> Response:
    return _export_page(Form(request.args), access.is_proved(clock_now()))


@page.post("/export")
@staff("payments.export")
def export() -> Response:
    form, now, who = Form(request.form), clock_now(), me()
    if not step_up.is_proved(form, now):
        return _export_page(form, False, 422)
    wanted, _ = _wanted(form, now)
    text, number = _written(wanted, now)
    with transaction() as session:
        audit.record(
            session,
            actor=who.actor,
            action="payment.export",
            subject=f"merchant:{who.merchant_id}",
            after={"payments": number, "proved_again": True},
            merchant_id=who.merchant_id,
            now=now,
        )
    response = Response("\ufeff" + text, content_type="text/csv; charset=utf-8")
    response.headers["Content-Disposition"] = "attachment; filename=payments.csv"
    step_up.remember(response, now)
    return response


def _wanted(given: Form, now: datetime) -> tuple[Wanted, tuple[str, str]]:
    """What is looked for, and the days as the form shows them: a month, a quarter at most."""
    today = business_day(now)
    last = _day(given["to"]) or today
    first = _day(given["from"]) or last - timedelta(days=DAYS - 1)
    first = max(min(first, last), last - timedelta(days=MOST_DAYS - 1))
    wanted = Wanted(
        day_bounds(first)[0],
        day_bounds(last)[1],
        today,
        state=AttemptState(given["state"]) if given["state"] in list(AttemptState) else None,
        channel=Channel(given["channel"]) if given["channel"] in list(Channel) else None,
        way=Way(given["way"]) if given["way"] in list(Way) else None,
        q=given["q"].strip()[:64],
    )
    return wanted, (first.isoformat(), last.isoformat())


def _is_summed(wanted: Wanted) -> bool:
    """Of what nobody paid there is no sum, and a number's is its own."""
    return not wanted.q and wanted.state in (None, *PAID)


def _summed(sums: Sums | None, who: Me, days: tuple[str, str]) -> dict[str, Any]:
    """With the way to the statement of the day, or of the month where it ends."""
    place = url_for("console.settlement.index", month=days[1][:7])
    if days[0] == days[1] and sums is not None and sums.number:
        place = url_for("console.settlement.show", day=days[0])
    link = {"href": place, "link": "看结算"} if who.may("money.settle") else {}
    if sums is None:
        most = words.count(summing.MOST)
        return {"missing": f"这几天超过 {most} 笔，选一天才合计", **link}
    parts = [
        f"入账 {words.count(sums.number)} 笔",
        f"渠道 ¥{words.yuan(sums.channel_fen)}",
        f"储值 ¥{words.yuan(sums.balance_fen)}",
        f"已退 ¥{words.yuan(sums.back.done_fen)}",
    ]
    if sums.back.going_fen:
        parts.append(f"在退 ¥{words.yuan(sums.back.going_fen)}")
    note = "入账和结算一样；退的不论哪天退"
    return {"parts": parts, "note": note, **link}


def _day(text: str) -> date | None:
    try:
        found = date.fromisoformat(text)
    except ValueError:
        return None
    return found if 2000 < found.year < 2200 else None


def _export_page(form: Form, proved: bool, status: int = 200) -> Response:
    kept = {name: form[name] for name in ("state", "channel", "way", "q", "from", "to")}
    return reply.page(
        "money/payments_export.html",
        status,
        form=form,
        kept={name: value for name, value in kept.items() if value},
        limit=words.count(MOST_EXPORTED),
        stepped_up=proved,
    )


def _written(wanted: Wanted, now: datetime) -> tuple[str, int]:
    """In slices, so that nobody holds twenty thousand rows of everything at once."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(
        [
            "发起时间",
            "订单",
            "门店",
            "渠道",
            "商户单号",
            "渠道单号",
            "金额",
            "余额",
            "已退",
            "在退",
            "状态",
        ]
    )
    number = 0
    for line in _lines(wanted, now):
        writer.writerow([people.harmless(cell) for cell in line])
        number += 1
    return out.getvalue(), number


def _lines(wanted: Wanted, now: datetime) -> Iterator[list[str]]:
    who, cursor = me(), ""
    for _ in range(MOST_EXPORTED // SLICE):
        with reading() as session:
            found = listing.page(
                session, who.merchant_id, who.store_ids, wanted, cursor=cursor, limit=SLICE
            )
        for each in found.rows:
            shown, attempt = payment_view.row(each, who, now), each.attempt
            yield [
                f"{attempt.created_at:%Y-%m-%d %H:%M:%S}Z",
                each.order_no,
                shown["store"],
                shown["how"],
                attempt.out_trade_no,
                attempt.transaction_id or "",
                shown["amount"].replace(",", ""),
                shown["balance"].replace(",", ""),
                shown["refunded"].replace(",", ""),
                shown["going"].replace(",", ""),
                shown["state"],
            ]
        if not found.next:
            return
        cursor = found.next
