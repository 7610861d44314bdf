"""资金 → 对账: days by channel, what differs, three books side by side, and what to do about it."""

from datetime import date, datetime, timedelta

from flask import Blueprint, Response, request, url_for

import gateways
from console import access, recon_view, reply, step_up
from console.access import me, staff
from console.forms import Form
from core.clock import business_day
from core.clock import now as clock_now
from core.database import reading, transaction
from core.errors import LinliError
from gateways.pay.errors import ChannelRefused
from payments.models.statements import UNSOLVED, DiscrepancyState
from payments.recon import fixing, queries, remote
from payments.recon.fixing import Act

page = Blueprint("recon", __name__, url_prefix="/recon")

DAYS = 14
NOTE = 200
TABS = {
    "open": ("待处理", UNSOLVED),
    "solved": ("已解决", (DiscrepancyState.fixed, DiscrepancyState.accepted)),
}


@page.get("/")
@staff("money.reconcile")
def index() -> Response:
    return _page(None, Form(act=""))


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
        days = queries.days_of(session, who.merchant_id, newest, DAYS)
        case = None
        if discrepancy_id is not None:
            found = fixing.find_mine(session, who.merchant_id, discrepancy_id)
            case = queries.case_of(session, found)
        tab = _tab(case)
        cursor = request.args.get("cursor", "")
        inbox = queries.page_of(session, who.merchant_id, TABS[tab][1], cursor=cursor)
        if case is None and inbox.rows and tab == "open":
            case = queries.case_of(session, inbox.rows[0])
        waiting = queries.count(session, who.merchant_id, UNSOLVED)
        chosen = _day(case, days[0].day if days else newest)
        sums = queries.sums_of(session, who.merchant_id, chosen)
    if not form["act"] and case is not None:
        form = Form(act=fixing.advise(case.found).acts[0].value)
    tabs = [
        (words, url_for("console.recon.index", tab=name), waiting if name == "open" else None, on)
        for name, (words, _) in TABS.items()
        for on in (name == tab,)
    ]
    here = url_for("console.recon.index", tab=tab)
    return reply.page(
        "money/recon.html",
        status,
        days=recon_view.strip(days, chosen),
        day=f"{chosen.month} 月 {chosen.day} 日",
        statements=recon_view.statements(days, chosen),
        kpis=recon_view.kpis(sums),
        tabs=tabs,
        tab=tab,
        rows=[recon_view.entry(each, case.found.id if case else 0) for each in inbox.rows],
        next=url_for("console.recon.index", tab=tab, cursor=inbox.next) if inbox.next else "",
        first=here if cursor else "",
        case=recon_view.whole(case, now) if case else None,
        form=form,
        stepped_up=access.is_proved(now),
    )


def _tab(case: queries.Case | None) -> str:
    if case is not None:
        return "open" if case.found.state in UNSOLVED else "solved"
    tab = request.args.get("tab", "open")
    return tab if tab in TABS else "open"


def _day(case: queries.Case | None, otherwise: date) -> date:
    try:
        return date.fromisoformat(request.args.get("day", ""))
    except ValueError:
        return case.day.day if case is not None and request.view_args else otherwise
