"""The campaign form: what was typed as a draft and back, and what stands beside it."""

from datetime import datetime
from typing import Any

from flask import Response
from sqlalchemy.orm import Session

from analytics import templates as usage
from console import campaign_forecast, campaign_gifts, campaign_view, reply, tickets, words
from console.access import me
from console.forms import Form, whole
from core import deadline
from core.clock import local
from core.database import reading
from coupons import queries as coupon_queries
from coupons.models import CouponTemplate, TemplateState
from crm import contacts
from crm.campaigns import drafting, offers, reach, thresholds
from crm.campaigns.drafting import Draft, Other
from crm.campaigns.holdout import WHOLE
from crm.campaigns.offers import Offer
from crm.campaigns.variants import Variant
from crm.contacts import Hours
from crm.errors import CampaignInvalid
from crm.models import Campaign, Segment
from crm.segments import saving as segments

FORECAST_SECONDS = 4.0  # of the eight that a request has
FIELDS = {
    "segment_id": "segment",
    "template_id": "template",
    "holdout_bp": "holdout",
    "budget_fen": "budget",
    "liability_fen": "liability",
    "daily_people": "daily",
    "send_hour": "hour",
    "pilot_bp": "pilot",
    "quiet_hours": "latest",
}
FIRST_WORDS = "{昵称}，好久不见。给你留了一张「{券名}」，{到期日}前来用就行。"
HABITS = {"message": FIRST_WORDS, "holdout": "1000", "pilot": "3000"}
AT_ONCE, BEST = "", "best"
HOURS = [(str(hour), f"{hour} 点") for hour in range(7, 23)]
BY_RULE = ("", "照营销规则")
MORNINGS = [BY_RULE, *((str(hour), f"{hour} 点以后") for hour in range(8, 13))]
EVENINGS = [BY_RULE, *((str(hour), f"{hour} 点以前") for hour in range(17, 23))]


def first(given: dict[str, str]) -> Form:
    """An empty form, with what most begin with."""
    return Form(given, **HABITS)


def of_campaign(session: Session, campaign: Campaign) -> Form:
    draft = drafting.read(session, campaign)
    rules = contacts.rules_of(session, campaign.merchant_id).quiet_hours
    hour = AT_ONCE if draft.send_hour is None else draft.send_hour
    form = Form(
        id=campaign.id,
        name=draft.name,
        segment=draft.segment_id,
        message=draft.message,
        holdout=draft.holdout_bp,
        latest=_own(draft.quiet_hours, rules, 0),
        earliest=_own(draft.quiet_hours, rules, 1),
        hour=BEST if draft.best_hour else hour,
        budget="" if draft.budget_fen is None else words.yuan(draft.budget_fen),
        liability="" if draft.liability_fen is None else words.yuan(draft.liability_fen),
        daily=draft.daily_people,
        variants=len(draft.others),
        pilot=draft.pilot_bp or 3_000,
        winner_hours=draft.winner_hours,
    )
    campaign_gifts.put(form, draft)
    for no, other in enumerate(draft.others, start=1):
        form.put(f"message_{no}", other.message)
        form.put(f"hour_{no}", other.send_hour)
    return form


def read(session: Session, form: Form, now: datetime) -> Draft:
    """What was typed; a missing choice is 0, which drafting refuses. Wrong numbers stay in the
    form's errors."""
    gift = template_id, points = campaign_gifts.read(form)
    number = whole(form["variants"]) or 0
    others = []
    for no in range(1, number + 1):
        other, other_points = campaign_gifts.read_other(form, no, gift)
        text = form[f"message_{no}"] or form["message"]
        others.append(Other(other, text, whole(form[f"hour_{no}"]), other_points))
    winner = whole(form["winner_hours"]) if others else None
    return Draft(
        name=form["name"],
        segment_id=whole(form["segment"]) or 0,
        template_id=template_id,
        points=points,
        message=form["message"],
        holdout_bp=whole(form["holdout"]) or 0,
        quiet_hours=_stricter(session, form),
        others=tuple(others),
        send_hour=whole(form["hour"]),
        best_hour=form["hour"] == BEST,
        pilot_bp=(whole(form["pilot"]) or 0) if winner else 0,
        winner_hours=winner,
        budget_fen=form.yuan("budget", low=1, high=10**11, needed=False),
        liability_fen=form.yuan("liability", low=1, high=10**11, needed=False),
        daily_people=form.whole("daily", low=1, high=10**8, needed=False),
        expected_use_bp=_expected_use(session, template_id, now),
    )


def show(form: Form, title: str, action: str, now: datetime, status: int = 200) -> Response:
    merchant_id = me().merchant_id
    with reading() as session:
        saved = segments.list_segments(session, merchant_id)
        made = open_offers(session)
        context = beside(session, form, now)
    return reply.page(
        "campaigns/edit.html",
        status,
        form=form,
        title=title,
        action=action,
        ready=bool(saved),
        segments=[("", "选一个人群"), *((segment.id, segment.name) for segment in saved)],
        **lists(form, made),
        **context,
    )


def open_offers(session: Session) -> list[tuple[int, str]]:
    return [
        (template.id, f"{template.name}（{tickets.off_words(template)}）")
        for template in coupon_queries.list_templates(session, me().merchant_id)
        if template.state is TemplateState.active
    ]


def lists(form: Form, made: list[tuple[int, str]]) -> dict[str, Any]:
    """What the selects of the form offer."""
    return {
        "templates": [("", "选一张券" if made else "还没有在发的券，先建一张"), *made],
        "gifts": campaign_gifts.CHOICES,
        "others": range(1, min(whole(form["variants"]) or 0, 3) + 1),
        "other_templates": [
            ("", "和 A 组一样"),
            (campaign_gifts.WORDS, "只说话，不送东西"),
            *made,
        ],
        "hours": [(AT_ONCE, "启动就发"), (BEST, "按各人常来的钟点"), *HOURS],
        "other_hours": [("", "和 A 组一起"), *HOURS],
        "mornings": MORNINGS,
        "evenings": EVENINGS,
    }


def refuse(form: Form, refusal: CampaignInvalid) -> None:
    for name, why in refusal.errors.items():
        form.refuse(FIELDS.get(name, name), why)


def beside(session: Session, form: Form, now: datetime) -> dict[str, Any]:
    """The ticket, the message, the forecast of what is in the form, and what stands in the way."""
    draft, merchant_id = read(session, form, now), me().merchant_id
    segment = session.get(Segment, draft.segment_id)
    offer = campaign_gifts.find_offer(session, merchant_id, draft)
    context: dict[str, Any] = {
        "ticket": None,
        "forecast": None,
        "too_many": False,
        "sides": campaign_view.sides(session, _variants(draft), now),
        "shown": form["shown"] or "0",
        "quiet": _quiet_words(session, draft),
        "checks": [],
    }
    used_share = None
    if offer is not None and offer.template is not None:
        context["ticket"] = tickets.of_template(offer.template)
        used_share = usage.redeemed_share(session, offer.template, now)
    if segment is None or segment.merchant_id != merchant_id:
        return context
    try:
        with deadline.at_most(session, FORECAST_SECONDS):
            found = reach.forecast(
                session,
                merchant_id=merchant_id,
                rule=segment.rule,
                holdout_bp=draft.holdout_bp,
                moment=offers.moment_of(_variants(draft)),
                now=now,
            )
    except deadline.TookTooLong:
        context["too_many"] = True
        return context
    context["forecast"] = campaign_forecast.forecast(
        found, offer, draft.holdout_bp, used_share, 1 + len(draft.others)
    )
    if offer is not None:
        people = found.reachable - found.holdout
        context["checks"] = _checks(session, draft, offer, people, now)
    return context


def _variants(draft: Draft) -> list[Variant]:
    made: list[Draft | Other] = [draft, *draft.others]
    return [
        Variant(no, each.template_id, each.message, points=each.points)
        for no, each in enumerate(made)
    ]


def saved_words(now: datetime) -> str:
    return f"{local(now):%H:%M} 已自动保存"


def _checks(
    session: Session, draft: Draft, offer: Offer, people: int, now: datetime
) -> list[tuple[bool, str]]:
    """What will stop it on the way, or needs somebody: (fine, words)."""
    face, each = offer.face_fen, offer.expected_fen
    rows: list[tuple[bool, str]] = []
    if draft.budget_fen is not None and each:
        enough = draft.budget_fen >= people * each
        most = min(people, draft.budget_fen // each)
        text = f"预计花费 ¥{words.yuan(people * each)}"
        rows.append(
            (True, f"预算够：{text}")
            if enough
            else (False, f"不够{text}，约发到 {words.count(most)} 人就会停")
        )
    if draft.liability_fen is not None and face and draft.liability_fen < people * face:
        most = draft.liability_fen // face
        rows.append((False, f"没用掉的券到上限，约发到 {words.count(most)} 人就会停"))
    if draft.daily_people is not None and draft.daily_people < people:
        days = -(-people // draft.daily_people)
        rows.append((True, f"一天 {words.count(draft.daily_people)} 人，约 {days} 天发完"))
    rules = contacts.rules_of(session, me().merchant_id)
    size = thresholds.Size(people, people * each)
    if why := thresholds.why_large(session, me().merchant_id, size, now=now):
        rows.append((False, f"{why}，要另一个人同意才能发"))
    if rules.most:
        text = f"每人 {rules.days} 天里最多收 {rules.most} 次营销消息，到了的自动跳过"
        rows.append((True, text))
    return rows


def _expected_use(session: Session, template_id: int | None, now: datetime) -> int:
    if template_id is None:
        return WHOLE
    template = session.get(CouponTemplate, template_id)
    if template is None or template.merchant_id != me().merchant_id:
        return WHOLE
    share = usage.redeemed_share(session, template, now)
    return WHOLE if share is None else min(WHOLE, max(1, round(share * WHOLE)))


def _stricter(session: Session, form: Form) -> Hours | None:
    """What was chosen; the end that was left open is the rules', or midnight."""
    latest, earliest = whole(form["latest"]), whole(form["earliest"])
    if latest is None and earliest is None:
        return None
    begin, end = contacts.rules_of(session, me().merchant_id).quiet_hours or (0, 0)
    return begin if latest is None else latest, end if earliest is None else earliest


def _own(hours: Hours | None, rules: Hours | None, end: int) -> str:
    """One end of a campaign's hours as it was chosen: what the rules say is no choice."""
    if hours is None or hours[end] == (rules or (0, 0))[end]:
        return ""
    return str(hours[end])


def _quiet_words(session: Session, draft: Draft) -> str:
    """When nobody is written to, of the rules and of this campaign together."""
    spans = [contacts.rules_of(session, me().merchant_id).quiet_hours, draft.quiet_hours]
    said = [f"{begin} 点到 {end} 点" for begin, end in dict.fromkeys(filter(None, spans))]
    if not said:
        return "营销规则没有设安静的钟点，全天都发"
    return f"{'、'.join(said)}不发，没发完的到点接着发"
