"""What is done to a campaign beside starting and stopping it: its hour, a second person's word, a
trial to oneself, other caps."""

from datetime import datetime
from zoneinfo import ZoneInfo

from flask import Blueprint, Response, request, url_for
from sqlalchemy.orm import Session

from console import campaign_facts, campaign_form, campaign_view, reply, words
from console.access import me, staff
from console.forms import Form
from core import deadline
from core.clock import SHANGHAI, local
from core.clock import now as clock_now
from core.database import reading, transaction
from core.errors import LinliError
from crm.campaigns import approvals, drafting, moving, queries, testing, thresholds
from crm.campaigns.thresholds import Size
from crm.errors import ApprovalNeeded
from crm.models import Campaign, CampaignState
from merchants.models import Staff

page = Blueprint("campaign_acts", __name__, url_prefix="/campaigns/<int:campaign_id>")


@page.get("/schedule")
@staff("campaigns.launch")
def scheduling(campaign_id: int) -> Response:
    soon = local(clock_now()).replace(minute=0, second=0, microsecond=0)
    return _schedule_page(campaign_id, Form(when=f"{soon:%Y-%m-%dT%H:%M}"))


@page.post("/schedule")
@staff("campaigns.launch")
def schedule(campaign_id: int) -> Response:
    """It launches by itself at that moment, to whoever is in the segment then."""
    form, now, who = Form(request.form), clock_now(), me()
    at = _moment(form)
    if at is not None:
        try:
            with transaction() as session:
                campaign = queries.get_campaign(session, who.merchant_id, campaign_id)
                let_pass(session, campaign, now)
                moving.schedule(session, campaign, at=at, actor=who.actor, now=now)
        except LinliError as refusal:
            if refusal.status not in (409, 422):
                raise
            form.refuse("when", next(iter(refusal.errors.values()), refusal.detail))
    if at is None or form.errors:
        return _schedule_page(campaign_id, form, 422)
    return _back(campaign_id, f"定好了，{campaign_facts.moment(at)} 自动启动")


@page.post("/unschedule")
@staff("campaigns.launch")
def unschedule(campaign_id: int) -> Response:
    now, who = clock_now(), me()
    with transaction() as session:
        campaign = queries.get_campaign(session, who.merchant_id, campaign_id)
        moving.unschedule(session, campaign, actor=who.actor, now=now)
    return _back(campaign_id, "定时取消了，不会自动启动")


@page.post("/withdraw")
@staff("campaigns.manage")
def withdraw(campaign_id: int) -> Response:
    now, who = clock_now(), me()
    with transaction() as session:
        campaign = queries.get_campaign(session, who.merchant_id, campaign_id)
        moving.withdraw(session, campaign, actor=who.actor, now=now)
    return _back(campaign_id, "退回草稿，可以改了")


@page.post("/ask")
@staff("campaigns.manage")
def ask(campaign_id: int) -> Response:
    """Ask somebody else's word for it, as large as it is now."""
    now, who = clock_now(), me()
    with transaction() as session:
        campaign = queries.get_campaign(session, who.merchant_id, campaign_id)
        approvals.request(
            session, campaign, _size(session, campaign, now), actor=who.actor, now=now
        )
    return _back(campaign_id, "提交了，等另一个人同意")


@page.post("/approve")
@staff("campaigns.launch")
def approve(campaign_id: int) -> Response:
    return _decide(campaign_id, agreed=True)


@page.post("/refuse")
@staff("campaigns.launch")
def refuse(campaign_id: int) -> Response:
    return _decide(campaign_id, agreed=False)


@page.post("/test")
@staff("campaigns.manage")
def test(campaign_id: int) -> Response:
    form, now, who = Form(request.form), clock_now(), me()
    with transaction() as session:
        campaign = queries.get_campaign(session, who.merchant_id, campaign_id)
        person = session.get_one(Staff, who.staff_id)
        variant = form.whole("variant", high=3, needed=False) or 0
        testing.send(session, campaign, person, variant=variant, now=now)
    return _back(campaign_id, "发到你的微信了，不算进活动")


@page.get("/caps")
@staff("campaigns.launch")
def asking_caps(campaign_id: int) -> Response:
    with reading() as session:
        campaign = queries.get_campaign(session, me().merchant_id, campaign_id)
        form = campaign_form.of_campaign(session, campaign)
    return _caps_page(campaign, form)


@page.post("/caps")
@staff("campaigns.launch")
def change_caps(campaign_id: int) -> Response:
    """Of a campaign under way: with more room it can be resumed."""
    form, now, who = Form(request.form), clock_now(), me()
    budget = form.yuan("budget", low=1, high=10**11, needed=False)
    liability = form.yuan("liability", low=1, high=10**11, needed=False)
    daily = form.whole("daily", low=1, high=10**8, needed=False)
    with reading() as session:
        campaign = queries.get_campaign(session, who.merchant_id, campaign_id)
    if form.errors:
        return _caps_page(campaign, form, 422)
    with transaction() as session:
        campaign = queries.get_campaign(session, who.merchant_id, campaign_id)
        running = campaign.state is CampaignState.running
        drafting.raise_caps(
            session,
            campaign,
            budget_fen=budget,
            liability_fen=liability,
            daily_people=daily,
            actor=who.actor,
            now=now,
        )
        waits = running and campaign.state is CampaignState.paused
    more = "，花得多了，先暂停，等另一个人同意" if waits else ""
    return _back(campaign_id, f"上限改好了{more}")


def let_pass(session: Session, campaign: Campaign, now: datetime) -> None:
    """A draft is approved by the word of whoever may launch, unless it needs a second person's.

    Raises ApprovalNeeded. What cannot be counted in time is let through here: the launch itself
    counts, and waits before anything is issued.
    """
    if campaign.state is not CampaignState.draft:
        return
    try:
        why = thresholds.why_needed(session, campaign, _size(session, campaign, now), now=now)
    except deadline.TookTooLong:
        why = ""
    if why:
        raise ApprovalNeeded(why)
    moving.approve(session, campaign, actor=me().actor, now=now)


def _size(session: Session, campaign: Campaign, now: datetime) -> Size:
    """Of what is written down, or else of what a launch would write down now."""
    if campaign.launched_at is not None:
        return thresholds.launched_size(session, campaign)
    with deadline.at_most(session, campaign_form.FORECAST_SECONDS):
        found = queries.forecast_campaign(session, campaign, now)
    return thresholds.size_of(session, campaign, found.reachable - found.holdout)


def _decide(campaign_id: int, *, agreed: bool) -> Response:
    form, now, who = Form(request.form), clock_now(), me()
    with transaction() as session:
        queries.get_campaign(session, who.merchant_id, campaign_id)
        approval = approvals.find_by_code(session, who.merchant_id, form["code"])
        person = session.get_one(Staff, who.staff_id)
        if agreed:
            approvals.approve(session, approval, staff=person, now=now)
        else:
            reason = form["reason"].strip()
            approvals.refuse(session, approval, staff=person, reason=reason, now=now)
    return _back(campaign_id, "同意了" if agreed else "没有同意，活动还是草稿")


def _moment(form: Form) -> datetime | None:
    """The store's time, as the browser's picker writes it."""
    try:
        at = datetime.fromisoformat(form["when"])
    except ValueError:
        form.refuse("when", "选一个日子和钟点")
        return None
    return at.replace(tzinfo=ZoneInfo(SHANGHAI)) if at.tzinfo is None else at


def _schedule_page(campaign_id: int, form: Form, status: int = 200) -> Response:
    with reading() as session:
        campaign = queries.get_campaign(session, me().merchant_id, campaign_id)
        shown = campaign_view.head(session, campaign, clock_now())
    return reply.page("campaigns/schedule.html", status, c=shown, form=form)


def _caps_page(campaign: Campaign, form: Form, status: int = 200) -> Response:
    spent = {
        "expected": words.yuan(campaign.expected_fen),
        "face": words.yuan(campaign.face_fen),
    }
    c = {"id": campaign.id, "name": campaign.name}
    return reply.page("campaigns/caps.html", status, c=c, form=form, spent=spent)


def _back(campaign_id: int, said: str) -> Response:
    return reply.done(url_for("console.campaigns.show", campaign_id=campaign_id), said)
