"""Campaigns: write one down with a forecast beside it, launch, pause, stop, and see it run."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from flask import Blueprint, Response, request, url_for
from sqlalchemy.orm import Session

from analytics import campaigns as reports
from analytics import templates as usage
from console import campaign_report, campaign_view, reply, tickets, words
from console.access import me, staff
from console.forms import Form, whole
from core import cursors, deadline
from core.clock import now as clock_now
from core.database import reading, transaction
from core.errors import LinliError
from coupons import queries as coupon_queries
from coupons.models import CouponTemplate, TemplateState
from crm import contacts
from crm.campaigns import drafting, launching, moving, queries, reach
from crm.errors import CampaignInvalid
from crm.models import Campaign, CampaignState, Segment
from crm.segments import saving as segments

page = Blueprint("campaigns", __name__, url_prefix="/campaigns")

PAGE = 50
FORECAST_SECONDS = 4.0  # of the eight that a request has
FIELDS = {"segment_id": "segment", "template_id": "template", "holdout_bp": "holdout"}
FIRST_WORDS = "{昵称}，好久不见。给你留了一张「{券名}」，{到期日}前来用就行。"


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
    with reading() as session:
        quiet = contacts.rules_of(session, me().merchant_id).quiet_hours
    defaults = {"name": "", "message": FIRST_WORDS, "holdout": "1000", "template": ""}
    form = Form(request.args.to_dict(), **defaults, quiet="1" if quiet else "0")
    return _edit_page(form, "新建活动", url_for("console.campaigns.create"))


@page.post("/new")
@staff("campaigns.manage")
def create() -> Response:
    form, now, who = Form(request.form), clock_now(), me()
    try:
        with transaction() as session:
            campaign = drafting.create(
                session, who.merchant_id, _draft(form), actor=who.actor, now=now
            )
    except CampaignInvalid as refusal:
        return _refused(form, refusal, "新建活动", url_for("console.campaigns.create"))
    return reply.done(
        url_for("console.campaigns.show", campaign_id=campaign.id), "草稿已保存，还没有发"
    )


@page.get("/<int:campaign_id>/edit")
@staff("campaigns.manage")
def edit(campaign_id: int) -> Response:
    with reading() as session:
        campaign = queries.get_campaign(session, me().merchant_id, campaign_id)
    form = Form(
        name=campaign.name,
        segment=campaign.segment_id,
        template=campaign.template_id,
        message=campaign.message,
        holdout=campaign.holdout_bp,
        quiet="0" if campaign.quiet_from_hour is None else "1",
    )
    return _edit_page(form, campaign.name, request.path)


@page.post("/<int:campaign_id>/edit")
@staff("campaigns.manage")
def change(campaign_id: int) -> Response:
    form, now, who = Form(request.form), clock_now(), me()
    try:
        with transaction() as session:
            campaign = queries.get_campaign(session, who.merchant_id, campaign_id)
            drafting.change(session, campaign, _draft(form), actor=who.actor, now=now)
    except CampaignInvalid as refusal:
        return _refused(form, refusal, form["name"], request.path)
    return reply.done(url_for("console.campaigns.show", campaign_id=campaign_id), "已保存")


@page.post("/forecast")
@staff("campaigns.manage")
def forecast() -> Response:
    """Who would be reached now, while the form is being filled in; nothing is kept."""
    form, now = Form(request.form), clock_now()
    with reading() as session:
        context = _beside(session, form, now)
    return reply.page("campaigns/forecast.html", **context)


@page.get("/<int:campaign_id>")
@staff("campaigns.view")
def show(campaign_id: int) -> Response:
    with reading() as session:
        campaign = queries.get_campaign(session, me().merchant_id, campaign_id)
        shown = campaign_view.whole(session, campaign, me(), clock_now())
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
            if campaign.state is CampaignState.draft:
                moving.approve(session, campaign, actor=who.actor, now=now)
            launching.start(session, campaign, actor=who.actor, now=now)
    except LinliError as refusal:
        if refusal.status not in (409, 422):
            raise
        form = Form()
        form.refuse("launch", next(iter(refusal.errors.values()), refusal.detail))
        return _launch_page(campaign_id, form, 422)
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


def _draft(form: Form) -> drafting.Draft:
    """What was typed; a missing choice is 0, which drafting refuses."""
    number = {name: whole(form[name]) or 0 for name in FIELDS.values()}
    return drafting.Draft(
        name=form["name"],
        segment_id=number["segment"],
        template_id=number["template"],
        message=form["message"],
        holdout_bp=number["holdout"],
        quiet_hours=None if form["quiet"] == "0" else contacts.NIGHT,
    )


def _refused(form: Form, refusal: CampaignInvalid, title: str, action: str) -> Response:
    for name, why in refusal.errors.items():
        form.refuse(FIELDS.get(name, name), why)
    return _edit_page(form, title or "新建活动", action, 422)


def _edit_page(form: Form, title: str, action: str, status: int = 200) -> Response:
    now, merchant_id = clock_now(), me().merchant_id
    with reading() as session:
        saved = segments.list_segments(session, merchant_id)
        open_templates = [
            template
            for template in coupon_queries.list_templates(session, merchant_id)
            if template.state is TemplateState.active
        ]
        context = _beside(session, form, now)
    return reply.page(
        "campaigns/edit.html",
        status,
        form=form,
        title=title,
        action=action,
        ready=bool(saved and open_templates),
        missing=_missing(bool(saved)),
        segments=[("", "选一个人群"), *((segment.id, segment.name) for segment in saved)],
        templates=[
            ("", "选一张券"),
            *(
                (template.id, f"{template.name}（{tickets.off_words(template)}）")
                for template in open_templates
            ),
        ],
        **context,
    )


def _missing(has_segments: bool) -> dict[str, str]:
    if has_segments:
        return {
            "title": "还没有在发的券",
            "text": "活动要配一张券。先建一张，再回来。",
            "href": url_for("console.coupons.new"),
            "act": "新建一张券",
        }
    return {
        "title": "先圈出要发给谁",
        "text": "活动发给一个人群。先建一个，人数是实时算的。",
        "href": url_for("console.segments.new"),
        "act": "新建人群",
    }


def _beside(session: Session, form: Form, now: datetime) -> dict[str, Any]:
    """The ticket, the message and the forecast of what is in the form."""
    draft, merchant_id = _draft(form), me().merchant_id
    segment = session.get(Segment, draft.segment_id)
    template = session.get(CouponTemplate, draft.template_id)
    context: dict[str, Any] = {
        "ticket": None,
        "forecast": None,
        "too_many": False,
        "bubble": form["message"],
        "subscribe": [],
        "quiet": draft.quiet_hours is not None,
    }
    used_share = None
    if template is not None and template.merchant_id == merchant_id:
        context["ticket"] = tickets.of_template(template)
        context |= campaign_view.preview(form["message"], template, now)
        used_share = usage.redeemed_share(session, template, now)
    if segment is None or segment.merchant_id != merchant_id:
        return context
    try:
        with deadline.at_most(session, FORECAST_SECONDS):
            found = reach.forecast(
                session,
                merchant_id=merchant_id,
                rule=segment.rule,
                holdout_bp=draft.holdout_bp,
                now=now,
            )
    except deadline.TookTooLong:
        context["too_many"] = True
        return context
    context["forecast"] = campaign_view.forecast(found, template, draft.holdout_bp, used_share)
    return context


def _launch_page(campaign_id: int, form: Form, status: int = 200) -> Response:
    now = clock_now()
    with reading() as session:
        campaign = queries.get_campaign(session, me().merchant_id, campaign_id)
        shown = campaign_view.head(session, campaign, now)
        template = session.get_one(CouponTemplate, campaign.template_id)
        used_share = usage.redeemed_share(session, template, now)
        try:
            with deadline.at_most(session, FORECAST_SECONDS):
                found = queries.forecast_campaign(session, campaign, now)
            shown_forecast = campaign_view.forecast(
                found, template, campaign.holdout_bp, used_share
            )
        except deadline.TookTooLong:
            shown_forecast = None
    return reply.page("campaigns/launch.html", status, c=shown, form=form, forecast=shown_forecast)


def _kill_page(campaign_id: int, form: Form, status: int = 200) -> Response:
    with reading() as session:
        campaign: Campaign = queries.get_campaign(session, me().merchant_id, campaign_id)
        shown = campaign_view.head(session, campaign, clock_now())
        issued = reports.redemption(session, campaign.id)
    left = issued.issued - issued.redeemed
    shown["kill_words"] = f"已经发出的 {words.count(left)} 张券还能用。" if left else ""
    return reply.page("campaigns/kill.html", status, c=shown, form=form)
