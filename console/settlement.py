"""资金 → 结算: the month by days, a day to the last fen, what stores are owed and were paid."""

import csv
import io
from datetime import date, datetime, timedelta

from flask import Blueprint, Response, request, url_for

from console import access, reply, settlement_view, step_up, words
from console.access import me, staff
from console.forms import Form, whole
from core import audit
from core.clock import business_day
from core.clock import now as clock_now
from core.database import reading, transaction
from core.errors import LinliError, NotFound
from merchants.queries import list_stores
from payments import proof
from payments.models.statements import UNSOLVED
from payments.recon import queries as recon
from payments.settlement import awaiting, lawful, payouts, queries, stored_value
from payments.settlement.figures import Figures, add_up

page = Blueprint("settlement", __name__, url_prefix="/settlement")

PAGE = 30
MONTHS_BACK = 24


@page.get("/")
@staff("money.settle")
def index() -> Response:
    now = clock_now()
    today = business_day(now)
    begin, end = _month(request.args.get("month", ""), today)
    with reading() as session:
        found = queries.list_days(session, me().merchant_id, begin, end)
        stored = stored_value.moved(session, me().merchant_id, begin, end)
        proven = proof.latest(session)
        unsolved = recon.count(session, me().merchant_id, UNSOLVED)
    sums = settlement_view.whole(figures for _, figures, _ in found)
    return reply.page(
        "settlement/month.html",
        tabs=settlement_view.tabs("settlement.index"),
        month={
            "name": f"{begin.year} 年 {begin.month} 月",
            "value": f"{begin:%Y-%m}",
            "before": _link(begin - timedelta(days=1), today),
            "after": _link(end, today),
        },
        may_reconcile=me().may("money.reconcile"),
        heads=settlement_view.HEADS,
        sums=[settlement_view.signed(fen) for fen in sums],
        rows=[
            settlement_view.day_row(day, figures, closed, today) for day, figures, closed in found
        ],
        chart=settlement_view.chart(found) if found else None,
        chart_words=f"{begin.month} 月每天的净额，合计 {settlement_view.signed(sums[-1])} 元",
        stored=settlement_view.stored(stored, "现在" if end > today else "月末"),
        proof=settlement_view.proof(proven, unsolved, now),
    )


@page.get("/<day>")
@staff("money.settle")
def show(day: str) -> Response:
    now, on = clock_now(), _day(day)
    today = business_day(now)
    with reading() as session:
        lines = queries.lines(session, me().merchant_id, on)
        statement = queries.find_day(session, me().merchant_id, on)
        stored = stored_value.moved(session, me().merchant_id, on, on + timedelta(days=1))
        names = {store.id: store.name for store in list_stores(session, me().merchant_id)}
        missing = awaiting.missing(session, me().merchant_id, [on], now=now).get(on, [])
    if not lines and (on > today or statement is None):
        raise NotFound("这一天没有账")
    figures = add_up(lines)
    closed = statement.closed_at if statement else None
    rows, zero = settlement_view.by_account(lines)
    if closed:
        said = f"{words.when(closed, now)} 结的，之后不会再变"
    elif on == today:
        said = "今天还在收钱"
    else:
        said = settlement_view.waits(on, missing, now)
    return reply.page(
        "settlement/day.html",
        title=words.date_of(on),
        said=said,
        state=("已结", "ok") if closed else ("未结", "warn"),
        back=url_for("console.settlement.index", month=f"{on:%Y-%m}"),
        steps=settlement_view.steps(figures),
        channels=settlement_view.by_channel(lines),
        stores=settlement_view.by_store(lines, names),
        total=settlement_view.of_all_stores(lines),
        heads=settlement_view.HEADS,
        net=settlement_view.signed(figures.net_fen),
        coupons=_coupons(figures),
        stored=settlement_view.stored(stored, "现在" if on == today else "这天结束"),
        accounts=rows,
        zero=zero,
    )


@page.get("/export")
@staff("money.settle")
def exporting() -> Response:
    return _exporting(Form(request.args.to_dict()), 200)


@page.post("/export")
@staff("money.settle")
def export() -> Response:
    form, now = Form(request.form, month=""), clock_now()
    if not step_up.is_proved(form, now):
        return _exporting(form, 422)
    begin, end = _month(form["month"], business_day(now))
    with transaction() as session:
        found = queries.list_days(session, me().merchant_id, begin, end)
        audit.record(
            session,
            actor=me().actor,
            action="settlement.export",
            subject=f"merchant:{me().merchant_id}",
            after={"number": len(found)},
            merchant_id=me().merchant_id,
            now=now,
        )
    response = Response("\ufeff" + _csv(found), content_type="text/csv; charset=utf-8")
    response.headers["Content-Disposition"] = f"attachment; filename=settlement-{begin:%Y-%m}.csv"
    step_up.remember(response, now)
    return response


@page.get("/payouts/")
@staff("money.settle")
def list_payouts() -> Response:
    return _payouts(Form())


@page.post("/payouts/")
@staff("money.settle")
def pay_out() -> Response:
    form, now = Form(request.form, store="", amount="", voucher="", note=""), clock_now()
    store = form.one_of("store", [store.id for store in me().stores], "选一家门店")
    amount = form.yuan("amount", low=1, high=100_000_000)
    voucher = form.text("voucher", longest=40)
    note = form.text("note", longest=60, needed=False)
    if voucher and not (voucher.isascii() and voucher.isprintable() and voucher[0] != "-"):
        form.refuse("voucher", "凭证号只用数字和字母")
    if form.errors or not step_up.is_proved(form, now):
        return _payouts(form, 422)
    assert store is not None
    assert amount is not None
    assert voucher is not None
    try:
        with transaction() as session:
            payouts.record(
                session,
                me().merchant_id,
                int(store),
                amount,
                voucher=voucher,
                note=note or "",
                actor=me().actor,
                now=now,
            )
    except LinliError as refused:
        form.refuse_with(refused, "voucher" if "voucher" in refused.code else "amount")
        return _payouts(form, 422)
    response = reply.done(url_for("console.settlement.list_payouts"), "划款记下了")
    step_up.remember(response, now)
    return response


@page.get("/payouts/<int:payout_id>/take-back")
@staff("money.settle")
def taking_back(payout_id: int) -> Response:
    return _taking_back(payout_id, Form(), 200)


@page.post("/payouts/<int:payout_id>/take-back")
@staff("money.settle")
def take_back(payout_id: int) -> Response:
    form, now = Form(request.form), clock_now()
    if not step_up.is_proved(form, now):
        return _taking_back(payout_id, form, 422)
    with transaction() as session:
        payouts.take_back(session, me().merchant_id, payout_id, actor=me().actor, now=now)
    response = reply.done(
        url_for("console.settlement.list_payouts"), "冲回了，这家店又多了可划的钱"
    )
    step_up.remember(response, now)
    return response


def _payouts(form: Form, status: int = 200) -> Response:
    now, before = clock_now(), whole(request.args.get("cursor", ""))
    with reading() as session:
        purses = payouts.purses(session, me().merchant_id)
        found = payouts.list_payouts(session, me().merchant_id, before=before, limit=PAGE + 1)
        back = payouts.taken_back(session, [one.id for one in found])
        stores = list_stores(session, me().merchant_id)
        refused = lawful.collects_for_others(session, me().merchant_id)
    names = {store.id: store.name for store in stores}
    here = "console.settlement.list_payouts"
    return reply.page(
        "settlement/payouts.html",
        status,
        tabs=settlement_view.tabs("settlement.list_payouts"),
        form=form,
        refused=refused,
        stores=[
            {
                "name": store.name,
                "earned": settlement_view.signed(purse.earned_fen if purse else 0),
                "paid": settlement_view.signed(purse.paid_fen if purse else 0),
                "left": settlement_view.signed(purse.earned_fen - purse.paid_fen if purse else 0),
            }
            for store in stores
            for purse in [purses.get(store.id)]
        ],
        options=[("", "选门店"), *((store.id, store.name) for store in stores)],
        rows=[
            {
                "id": one.id,
                "store": names.get(one.store_id, ""),
                "amount": settlement_view.signed(one.amount_fen),
                "voucher": one.voucher,
                "note": "冲回" if one.takes_back_id else one.note,
                "at": words.when(one.at, now),
                "live": one.takes_back_id is None and one.id not in back,
                "over": one.id in back,
            }
            for one in found[:PAGE]
        ],
        pager={
            "next": url_for(here, cursor=found[PAGE - 1].id) if len(found) > PAGE else "",
            "first": url_for(here) if before else "",
        },
        stepped_up=access.is_proved(now),
    )


def _taking_back(payout_id: int, form: Form, status: int) -> Response:
    with reading() as session:
        found = payouts.get(session, me().merchant_id, payout_id)
        names = {store.id: store.name for store in list_stores(session, me().merchant_id)}
    return reply.page(
        "settlement/take_back.html",
        status,
        payout={
            "id": found.id,
            "store": names.get(found.store_id, ""),
            "amount": words.yuan(found.amount_fen),
            "voucher": found.voucher,
        },
        form=form,
        stepped_up=access.is_proved(clock_now()),
    )


def _exporting(form: Form, status: int) -> Response:
    begin, _ = _month(form["month"], business_day(clock_now()))
    return reply.page(
        "settlement/export.html",
        status,
        form=form,
        month=f"{begin:%Y-%m}",
        name=f"{begin.year} 年 {begin.month} 月",
        stepped_up=access.is_proved(clock_now()),
    )


def _csv(found: list[tuple[date, Figures, bool]]) -> str:
    table = io.StringIO()
    writer = csv.writer(table)
    writer.writerow(["日期", *settlement_view.HEADS, "券成本（自己）", "券成本（平台）", "状态"])
    for day, figures, closed in found:
        amounts = [*settlement_view.columns(figures), figures.coupon_cost_fen, figures.subsidy_fen]
        yuan = [f"{fen / 100:.2f}" for fen in amounts]
        writer.writerow([day.isoformat(), *yuan, "已结" if closed else "未结"])
    return table.getvalue()


def _coupons(figures: Figures) -> list[tuple[str, str]]:
    return [
        ("自己承担", settlement_view.signed(figures.coupon_cost_fen)),
        ("平台承担，欠着商家", settlement_view.signed(figures.subsidy_fen)),
    ] if figures.coupon_cost_fen or figures.subsidy_fen else []  # fmt: skip


def _month(text: str, today: date) -> tuple[date, date]:
    """The first day of a month and of the next; this month's for whatever is none."""
    try:
        begin = datetime.strptime(text, "%Y-%m").date()  # noqa: DTZ007 - a month has no zone
    except ValueError:
        begin = today
    if not 2000 < begin.year < 2200:
        begin = today
    begin = begin.replace(day=1)
    return begin, (begin + timedelta(days=31)).replace(day=1)


def _link(day: date, today: date) -> str:
    """The month of a day, if there can be anything in it."""
    oldest = today - timedelta(days=31 * MONTHS_BACK)
    if not oldest <= day <= today:
        return ""
    return url_for("console.settlement.index", month=f"{day:%Y-%m}")


def _day(text: str) -> date:
    try:
        found = date.fromisoformat(text)
    except ValueError:
        raise NotFound("没有这一天") from None
    if not 2000 < found.year < 2200:
        raise NotFound("没有这一天")
    return found
