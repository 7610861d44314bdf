"""Campaigns: write one down with a forecast beside it, launch, pause, stop, and see it run."""

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime

from flask import Blueprint, Response, request, url_for

from analytics import campaigns as reports
from analytics import templates as usage
from console import (
    campaign_acts,
    campaign_facts,
    campaign_forecast,
    campaign_form,
    campaign_gifts,
    campaign_report,
    campaign_view,
    reply,
    words,
)
from console.access import me, staff
from console.forms import Form, whole
from core import cursors, deadline
from core.clock import now as clock_now
from core.database import reading, transaction
from core.errors import LinliError
from crm.campaigns import drafting, launching, moving, queries, variants
from crm.errors import ApprovalNeeded, CampaignInvalid, CampaignMoved
from crm.models import Campaign, CampaignState

page = Blueprint("campaigns", __name__, url_prefix="/campaigns")

PAGE = 50


@page.get("/")
@staff("campaigns.view")
def index() -> Response:
    now = clock_now()
    cursor = request.args.get("cursor", "")
    before = cursors.number(cursors.decode(cursor, 1)[0]) if cursor else None
    state = request.args.get("state", "")
    wanted = CampaignState(state) if state in list(CampaignState) else None
    with reading() as session:
        found = queries.list_campaigns(
            session, me().merchant_id, state=wanted, before_id=before, limit=PAGE + 1
        )
        shown = found[:PAGE]
        rows = campaign_view.rows(session, shown, now)
        asked = campaign_facts.list_asked(session, me())
    more = cursors.encode([shown[-1].id]) if len(found) > PAGE else ""
    tabs = [
        (text, url_for("console.campaigns.index", state=name or None), None, name == state)
        for name, text in campaign_view.TABS
    ]
    running = sum(1 for campaign in shown if campaign.state is CampaignState.running)
    return reply.page(
        "campaigns/index.html",
        campaigns=rows,
        tabs=tabs,
        filtered=bool(state),
        asked=asked,
        words=f"{running} 个正在发" if running else "没有正在发的活动",
        pager={
            "words": f"{len(rows)} 个活动",
            "next": url_for("console.campaigns.index", state=state or None, cursor=more)
            if more
            else "",
            "first": url_for("console.campaigns.index", state=state or None) if cursor else "",
        },
    )


@page.get("/new")
@staff("campaigns.manage")
def new() -> Response:
    form = campaign_form.first(request.args.to_dict())
    return campaign_form.show(form, "新建活动", url_for("console.campaigns.create"), clock_now())


@page.post("/new")
@staff("campaigns.manage")
def create() -> Response:
    """What saved itself while it was filled in is the same draft."""
    form = Form(request.form)
    return _save(form, whole(form["id"]), "草稿已保存，还没有发")


@page.get("/<int:campaign_id>/edit")
@staff("campaigns.manage")
def edit(campaign_id: int) -> Response:
    with reading() as session:
        campaign = queries.get_campaign(session, me().merchant_id, campaign_id)
        form = campaign_form.of_campaign(session, campaign)
    return campaign_form.show(form, campaign.name, request.path, clock_now())


@page.post("/<int:campaign_id>/edit")
@staff("campaigns.manage")
def change(campaign_id: int) -> Response:
    return _save(Form(request.form), campaign_id, "已保存")


@page.post("/forecast")
@staff("campaigns.manage")
def forecast() -> Response:
    """Who would be reached now, while the form is being filled in; what is whole saves itself."""
    form, now = Form(request.form), clock_now()
    with reading() as session:
        context = campaign_form.beside(session, form, now)
    saved, campaign_id = "", whole(form["id"])
    if not form.errors:
        with suppress(CampaignInvalid, CampaignMoved):
            campaign_id = _keep(form, campaign_id, now)
            saved = campaign_form.saved_words(now)
    response = reply.page(
        "campaigns/forecast.html", saved=saved, campaign_id=campaign_id or "", **context
    )
    if saved and campaign_id and not whole(form["id"]):
        address = url_for("console.campaigns.edit", campaign_id=campaign_id)
        response.headers["HX-Replace-Url"] = address
    return response


@page.post("/others")
@staff("campaigns.manage")
def others() -> Response:
    """The fields of the variants beside the first, as many as were chosen."""
    form = Form(request.form.to_dict(), **campaign_form.HABITS)
    with reading() as session:
        offers = campaign_form.open_offers(session)
    return reply.page("campaigns/others.html", form=form, **campaign_form.lists(form, offers))


@page.get("/<int:campaign_id>")
@staff("campaigns.view")
def show(campaign_id: int) -> Response:
    now = clock_now()
    with reading() as session:
        campaign = queries.get_campaign(session, me().merchant_id, campaign_id)
        shown = campaign_view.whole(session, campaign, me(), now)
        over = campaign.launched_at is not None and not shown["going"]
        shown["result"] = campaign_report.in_short(session, campaign, now) if over else None
    return reply.page("campaigns/show.html", c=shown)


@page.get("/<int:campaign_id>/report")
@staff("campaigns.view")
def report(campaign_id: int) -> Response:
    now = clock_now()
    with reading() as session:
        campaign = queries.get_campaign(session, me().merchant_id, campaign_id)
        shown = campaign_view.head(session, campaign, now)
        found = campaign_report.report(session, campaign, now)
    return reply.page("campaigns/report.html", c=shown, r=found)


@page.get("/<int:campaign_id>/launch")
@staff("campaigns.launch")
def launching_page(campaign_id: int) -> Response:
    return _launch_page(campaign_id, Form())


@page.post("/<int:campaign_id>/launch")
@staff("campaigns.launch")
def launch(campaign_id: int) -> Response:
    """The owner's word is the review: a draft is approved and launched at once, by a job."""
    now, who = clock_now(), me()
    try:
        with transaction() as session:
            campaign = queries.get_campaign(session, who.merchant_id, campaign_id)
            campaign_acts.let_pass(session, campaign, now)
            launching.start(session, campaign, actor=who.actor, now=now)
    except LinliError as refusal:
        if refusal.status not in (409, 422):
            raise
        form = Form()
        form.refuse("launch", next(iter(refusal.errors.values()), refusal.detail))
        ask = isinstance(refusal, ApprovalNeeded)
        return _launch_page(campaign_id, form, 422, ask=ask)
    return reply.done(
        url_for("console.campaigns.show", campaign_id=campaign_id), "启动了，正在准备名单"
    )


@page.post("/<int:campaign_id>/pause")
@staff("campaigns.launch")
def pause(campaign_id: int) -> Response:
    return _move(campaign_id, moving.pause, "已暂停，不会再发新的")


@page.post("/<int:campaign_id>/resume")
@staff("campaigns.launch")
def resume(campaign_id: int) -> Response:
    return _move(campaign_id, moving.resume, "继续发了")


@page.get("/<int:campaign_id>/kill")
@staff("campaigns.launch")
def killing(campaign_id: int) -> Response:
    return _kill_page(campaign_id, Form())


@page.post("/<int:campaign_id>/kill")
@staff("campaigns.launch")
def kill(campaign_id: int) -> Response:
    """For good, so its name must be typed."""
    form = Form(request.form)
    with reading() as session:
        campaign = queries.get_campaign(session, me().merchant_id, campaign_id)
    if form["name"].strip() != campaign.name:
        form.refuse("name", "和活动名字不一样")
        return _kill_page(campaign_id, form, 422)
    return _move(campaign_id, moving.kill, "活动已停掉")


def _move(campaign_id: int, verb: Callable[..., None], said: str) -> Response:
    with transaction() as session:
        campaign = queries.get_campaign(session, me().merchant_id, campaign_id)
        verb(session, campaign, actor=me().actor, now=clock_now())
    return reply.done(url_for("console.campaigns.show", campaign_id=campaign_id), said)


def _save(form: Form, campaign_id: int | None, said: str) -> Response:
    now, wrong = clock_now(), False
    try:
        campaign_id = _keep(form, campaign_id, now)
    except CampaignInvalid as refusal:
        campaign_form.refuse(form, refusal)
        wrong = True
    if wrong or form.errors:
        title = form["name"] or "新建活动"
        return campaign_form.show(form, title, request.path, now, 422)
    return reply.done(url_for("console.campaigns.show", campaign_id=campaign_id), said)


def _keep(form: Form, campaign_id: int | None, now: datetime) -> int:
    """Write the form down. Raises CampaignInvalid; nothing is written when a number is wrong."""
    who = me()
    with transaction() as session:
        draft = campaign_form.read(session, form, now)
        if campaign_id is None:
            if form.errors:
                raise CampaignInvalid
            made = drafting.create(session, who.merchant_id, draft, actor=who.actor, now=now)
            return made.id
        campaign = queries.get_campaign(session, who.merchant_id, campaign_id)
        if not form.errors:
            drafting.change(session, campaign, draft, actor=who.actor, now=now)
    return campaign_id


def _launch_page(campaign_id: int, form: Form, status: int = 200, *, ask: bool = False) -> Response:
    now = clock_now()
    with reading() as session:
        campaign = queries.get_campaign(session, me().merchant_id, campaign_id)
        shown = campaign_view.head(session, campaign, now)
        offer = campaign_gifts.find_offer(
            session, campaign.merchant_id, drafting.read(session, campaign)
        )
        assert offer is not None
        used_share = usage.redeemed_share(session, offer.template, now) if offer.template else None
        try:
            with deadline.at_most(session, campaign_form.FORECAST_SECONDS):
                found = queries.forecast_campaign(session, campaign, now)
            shown_forecast = campaign_forecast.forecast(
                found,
                offer,
                campaign.holdout_bp,
                used_share,
                len(variants.list_variants(session, campaign)),
            )
        except deadline.TookTooLong:
            shown_forecast = None
    return reply.page(
        "campaigns/launch.html", status, c=shown, form=form, forecast=shown_forecast, ask=ask
    )


def _kill_page(campaign_id: int, form: Form, status: int = 200) -> Response:
    with reading() as session:
        campaign: Campaign = queries.get_campaign(session, me().merchant_id, campaign_id)
        shown = campaign_view.head(session, campaign, clock_now())
        issued = reports.redemption(session, campaign.id)
    left = issued.issued - issued.ended
    shown["kill_words"] = f"已经发出的 {words.count(left)} 张券还能用。" if left else ""
    return reply.page("campaigns/kill.html", status, c=shown, form=form)
