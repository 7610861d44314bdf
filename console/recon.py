"""资金 → 对账: days by channel, what differs, three books side by side, and what to do about it."""

import csv
import io
from datetime import datetime, timedelta

from flask import Blueprint, Response, request, url_for
from sqlalchemy import select
from sqlalchemy.orm import Session

import gateways
from console import access, order_view, people, recon_filters, recon_view, reply, step_up, words
from console.access import me, staff
from console.forms import Form
from console.recon_filters import TABS, Given
from core import audit
from core.clock import business_day
from core.clock import now as clock_now
from core.database import reading, transaction
from core.errors import LinliError
from gateways.pay.errors import ChannelRefused
from merchants.models import Staff
from payments.models.statements import UNSOLVED, DiscrepancyState
from payments.recon import fixing, queries, remote
from payments.recon.fixing import Act

page = Blueprint("recon", __name__, url_prefix="/recon")

DAYS = 14
NOTE = 200
MOST_EXPORTED = 20_000
SLICE = 500


@page.get("/")
@staff("money.reconcile")
def index() -> Response:
    return _page(None, Form(act=""))


@page.get("/export")
@staff("money.reconcile")
def exporting() -> Response:
    return _export_page(Form(request.args))


@page.post("/export")
@staff("money.reconcile")
def export() -> Response:
    """What the filters show, as a table: asked for with the password, and on record."""
    form, now, who = Form(request.form), clock_now(), me()
    if not step_up.is_proved(form, now):
        return _export_page(form, 422)
    text, number = _written(recon_filters.read(form, form["tab"]))
    with transaction() as session:
        audit.record(
            session,
            actor=who.actor,
            action="recon.export",
            subject=f"merchant:{who.merchant_id}",
            after={"number": number, "proved_again": True},
            merchant_id=who.merchant_id,
            now=now,
        )
    response = Response("\ufeff" + text, content_type="text/csv; charset=utf-8")
    response.headers["Content-Disposition"] = "attachment; filename=reconciliation.csv"
    step_up.remember(response, now)
    return response


@page.get("/<int:discrepancy_id>")
@staff("money.reconcile")
def show(discrepancy_id: int) -> Response:
    return _page(discrepancy_id, Form(act=""))


@page.post("/<int:discrepancy_id>")
@staff("money.reconcile")
def act(discrepancy_id: int) -> Response:
    """One act of those that are offered; to give money up is proved by the password."""
    form, now = Form(request.form), clock_now()
    wanted = form.one_of("act", [each.value for each in Act])
    if wanted is None:
        return _page(discrepancy_id, form, 422)
    if wanted == Act.accept:
        if not form["note"].strip() or len(form["note"]) > NOTE:
            form.refuse("note", f"写一句为什么，最多 {NOTE} 个字")
        if form.errors or not step_up.is_proved(form, now):
            return _page(discrepancy_id, form, 422)
    try:
        said = _do(Act(wanted), discrepancy_id, form["note"].strip(), now)
    except LinliError as refusal:
        if refusal.status not in (409, 422) and not isinstance(refusal, ChannelRefused):
            raise
        form.refuse_with(refusal, "act")
        return _page(discrepancy_id, form, 422)
    response = reply.done(url_for("console.recon.show", discrepancy_id=discrepancy_id), said)
    step_up.remember(response, now)
    return response


def _do(act: Act, discrepancy_id: int, note: str, now: datetime) -> str:
    who = me()
    merchant_id, actor = who.merchant_id, who.actor
    if act is Act.ask:
        solved = remote.ask(gateways.cashier(), merchant_id, discrepancy_id, actor=actor, now=now)
        return "问过了，对上了" if solved else "问过了，渠道还是这么说"
    if act is Act.again:
        remote.again(merchant_id, discrepancy_id, actor=actor, now=now)
        return "正在重新下载，几分钟后回来看"
    with transaction() as session:
        if act is Act.wait:
            fixing.wait(session, merchant_id, discrepancy_id, actor=actor, now=now)
            return "记下了，明天的账单到了再核一次"
        fixing.accept(session, merchant_id, discrepancy_id, note=note, actor=actor, now=now)
    return "记下了"


def _page(discrepancy_id: int | None, form: Form, status: int = 200) -> Response:
    now, who = clock_now(), me()
    newest = business_day(now) - timedelta(days=1)
    with reading() as session:
        case = None
        if discrepancy_id is not None:
            found = fixing.find_mine(session, who.merchant_id, discrepancy_id)
            case = queries.case_of(session, found)
        # Head, list and case speak of one day: the one that was chosen, else the case's.
        of_day = case.day.day if case is not None and request.args.get("day") else None
        given = recon_filters.read(Form(request.args), _tab(case), of_day)
        tab, cursor = given.tab, request.args.get("cursor", "")
        inbox = queries.page_of(session, who.merchant_id, given.wanted, cursor=cursor)
        if case is None and inbox.rows and tab == "open":
            case = queries.case_of(session, inbox.rows[0])
        waiting = queries.count(session, who.merchant_id, UNSOLVED)
        of_case = case.day.day if case is not None else None
        chosen = (
            given.day or of_case or queries.newest_day(session, who.merchant_id, newest) or newest
        )
        # A day of long ago stands among those around it.
        end = newest if chosen > newest - timedelta(days=DAYS) else chosen + timedelta(days=6)
        days = queries.days_of(session, who.merchant_id, min(end, newest), DAYS)
        any_days = bool(days) or queries.newest_day(session, who.merchant_id, newest) is not None
        sums = queries.sums_of(session, who.merchant_id, chosen)
        differ = queries.count_of_day(session, who.merchant_id, chosen)
        names = _names(session, case) if case else {}
    if not form["act"] and case is not None:
        form = Form(act=fixing.advise(case.found, back_fen=case.back_fen).acts[0].value)
    kept_day = {"day": given.kept["day"]} if given.day else {}
    tabs = [
        (
            name,
            url_for("console.recon.index", tab=key, **kept_day),
            waiting if key == "open" else None,
            on,
        )
        for key, (name, _) in TABS.items()
        for on in (key == tab,)
    ]
    here = url_for("console.recon.index", **given.kept)
    chosen_id = case.found.id if case else 0
    oldest = min((each.day for each in days), default=chosen)
    return reply.page(
        "money/recon.html",
        status,
        days=recon_view.strip(days, chosen),
        any_days=any_days,
        older=url_for("console.recon.index", day=(oldest - timedelta(days=1)).isoformat()),
        given=given,
        solved=url_for("console.recon.index", tab="solved", **kept_day)
        if given.day and differ.get(DiscrepancyState.accepted)
        else "",
        options=recon_filters.options(tab),
        export=url_for("console.recon.exporting", **given.kept),
        day=f"{chosen.month} 月 {chosen.day} 日",
        statements=recon_view.statements(days, chosen),
        kpis=recon_view.kpis(sums, differ),
        tabs=tabs,
        tab=tab,
        rows=[recon_view.entry(each, chosen_id, given.kept) for each in inbox.rows],
        next=url_for("console.recon.index", **given.kept, cursor=inbox.next) if inbox.next else "",
        first=here if cursor else "",
        case=recon_view.whole(case, names, now, order_href=_order_href(case)) if case else None,
        form=form,
        stepped_up=access.is_proved(now),
    )


def _tab(case: queries.Case | None) -> str:
    if case is not None:
        return "open" if case.found.state in UNSOLVED else "solved"
    return request.args.get("tab", "open")


def _names(session: Session, case: queries.Case) -> dict[str, str]:
    ids = {int(each.actor[6:]) for each in case.acts if each.actor.startswith("staff:")}
    found = session.execute(select(Staff.id, Staff.name).where(Staff.id.in_(ids)))
    return {f"staff:{id_}": name for id_, name in found}


def _export_page(form: Form, status: int = 200) -> Response:
    given = recon_filters.read(form, form["tab"])
    return reply.page(
        "money/recon_export.html",
        status,
        form=form,
        given=given,
        about=recon_filters.told(given),
        most=words.count(MOST_EXPORTED),
        stepped_up=access.is_proved(clock_now()),
    )


def _written(given: Given) -> tuple[str, int]:
    """In slices, so that nobody holds twenty thousand rows of everything at once."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(recon_view.HEADINGS)
    number, cursor = 0, ""
    while number < MOST_EXPORTED:
        with reading() as session:
            found = queries.page_of(
                session, me().merchant_id, given.wanted, cursor=cursor, limit=SLICE
            )
            days = queries.of_days(session, found.rows)
        for each in found.rows:
            cells = recon_view.cells(each, days[each.day_id])
            writer.writerow([people.harmless(cell) for cell in cells])
        number += len(found.rows)
        if not found.next:
            break
        cursor = found.next
    return out.getvalue(), number


def _order_href(case: queries.Case) -> str:
    return order_view.href_of(case.order, me()) if case.order else ""
