"""A campaign as people see it: a row, its progress, the forecast and the report."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from analytics import campaigns as reports
from analytics import measuring
from analytics.lift import Lift
from console import campaign_facts, campaign_gifts, lift_view, words
from console.access import Me
from coupons.models import CouponTemplate
from crm.campaigns import queries, sending, tallies
from crm.campaigns.reach import SKIP_REASONS
from crm.campaigns.variants import Variant, list_variants
from crm.campaigns.words import WAYS, Gift, fill, of_points, page_of, subscribe
from crm.models import Campaign, CampaignState, RecipientState, Segment
from crm.models.campaigns import CampaignMove
from merchants.models import Staff

TABS = (
    ("", "全部"),
    ("draft", "草稿"),
    ("running", "在发"),
    ("scheduled", "已定时"),
    ("paused", "已暂停"),
    ("finished", "已发完"),
)
STATES = {
    CampaignState.draft: ("草稿", ""),
    CampaignState.approved: ("待启动", "note"),
    CampaignState.scheduled: ("已定时", "note"),
    CampaignState.running: ("在发", "ok"),
    CampaignState.paused: ("已暂停", "warn"),
    CampaignState.finished: ("已发完", "note"),
    CampaignState.killed: ("已停掉", "bad"),
}
MOVES: dict[CampaignState, dict[str, str]] = {
    CampaignState.draft: {
        "edit": "campaigns.manage",
        "schedule": "campaigns.launch",
        "launch": "campaigns.launch",
    },
    CampaignState.approved: {
        "withdraw": "campaigns.manage",
        "kill": "campaigns.launch",
        "schedule": "campaigns.launch",
        "launch": "campaigns.launch",
    },
    CampaignState.scheduled: {"kill": "campaigns.launch", "unschedule": "campaigns.launch"},
    CampaignState.running: {"kill": "campaigns.launch", "pause": "campaigns.launch"},
    CampaignState.paused: {"kill": "campaigns.launch", "resume": "campaigns.launch"},
}
VERBS = {
    CampaignState.draft: "写了草稿",
    CampaignState.approved: "通过了",
    CampaignState.scheduled: "定好了时间",
    CampaignState.running: "启动",
    CampaignState.paused: "暂停",
    CampaignState.finished: "发完了",
    CampaignState.killed: "停掉了活动",
}
PREPARING = timedelta(minutes=5)  # the longest that the jobs of a launch and a stop may take
# Who launches passes through these in the same moment.
ON_THE_WAY = (CampaignState.approved, CampaignState.scheduled)
WAYS_OUT = {
    "no_window": "他们下次给公众号发消息后 48 小时内可以",
    "not_following": "请他们关注公众号",
    "no_consent": "尊重本人选择",
    "frequency": "频次上限",
}
SENDING = (
    (RecipientState.sent, "已送达微信", ""),
    (RecipientState.issued, "等着发消息", ""),
    (RecipientState.sending, "正在发", ""),
    (RecipientState.planned, "还没轮到", ""),
    (RecipientState.failed, "微信没有接受", ""),
    (RecipientState.unknown, "不确定有没有发到", "不会再发第二次"),
    (RecipientState.skipped, "停下来没有发", ""),
)


def sending_rows(campaign: Campaign) -> list[tuple[RecipientState, str, str]]:
    """The states in words; of a coupon only where there is one."""
    given = campaign_gifts.given(campaign)
    own = {
        RecipientState.issued: (f"{given}已到账，等着发消息" if given else "等着发消息", ""),
        RecipientState.failed: ("微信没有接受", f"{given}已经给了会员" if given else ""),
    }
    return [(state, *own.get(state, (text, hint))) for state, text, hint in SENDING]


def rows(session: Session, found: Sequence[Campaign], now: datetime) -> list[dict[str, Any]]:
    ids = [campaign.id for campaign in found]
    sent, redeemed = tallies.count_sent(session, ids), reports.redeemed_of(session, ids)
    lifts = reports.known_lifts(session, found)
    segments = select(Segment.id, Segment.name).where(
        Segment.id.in_({campaign.segment_id for campaign in found})
    )
    names = dict(session.execute(segments).all())
    return [
        {
            "id": campaign.id,
            "name": campaign.name,
            "words": _words(campaign, names.get(campaign.segment_id, ""), now),
            **_state(campaign, now),
            "launched": campaign.launched_at is not None,
            "audience": words.count(campaign.audience_count) if campaign.launched_at else "—",
            "sent": words.count(sent.get(campaign.id, 0)) if campaign.launched_at else "—",
            "redeemed": words.count(redeemed.get(campaign.id, 0)) if campaign.launched_at else "—",
            "gives": campaign_gifts.given(campaign),
            **_use(redeemed.get(campaign.id, 0), sent.get(campaign.id, 0)),
            **_lift(lifts.get(campaign.id)),
            "budget": _budget(campaign),
        }
        for campaign in found
    ]


def _use(redeemed: int, sent: int) -> dict[str, Any]:
    if not sent:
        return {"rate": 0, "share": ""}
    return {"rate": min(100, redeemed * 100 / sent), "share": words.share(redeemed, sent)}


def _lift(lift: Lift | None) -> dict[str, Any]:
    if lift is None:
        return {"lift": "—", "sure": False}
    return {"lift": lift_view.said(lift), "sure": lift.sure}


def _budget(campaign: Campaign) -> dict[str, Any] | None:
    if campaign.budget_fen is None:
        return None
    spent = f"¥{words.yuan(campaign.expected_fen)} / ¥{words.yuan(campaign.budget_fen)}"
    percent = min(100, campaign.expected_fen * 100 / campaign.budget_fen)
    return {"percent": percent, "words": spent}


def head(session: Session, campaign: Campaign, now: datetime) -> dict[str, Any]:
    """What the pages and dialogs of one campaign have in common."""
    segment = session.get_one(Segment, campaign.segment_id)
    return {
        "id": campaign.id,
        "name": campaign.name,
        "words": _words(campaign, segment.name, now),
        **_state(campaign, now),
        "launched": campaign.launched_at is not None,
        "preparing": _is_preparing(campaign, now),
        "going": campaign.state is CampaignState.running or _is_preparing(campaign, now),
        "asleep": campaign.state is CampaignState.running
        and sending.quiet_until(session, campaign, now) is not None,
        "moves": {} if _is_preparing(campaign, now) else MOVES.get(campaign.state, {}),
        "segment": segment.name,
        "holdout": f"{campaign.holdout_bp / 100:g}%，不发，用来量增量",
        "gives": campaign_gifts.given(campaign),
        "sides": sides(session, list_variants(session, campaign), campaign.launched_at or now),
    }


def _state(campaign: Campaign, now: datetime) -> dict[str, str]:
    """Sent is not over: spending counts and coupons run until the measuring window closes."""
    text, kind = STATES[campaign.state]
    if _is_preparing(campaign, now):
        return {"state": "正在准备名单…", "kind": "ok"}
    over = campaign.launched_at is not None and now >= campaign.launched_at + measuring.WINDOW
    if campaign.state is CampaignState.finished and over:
        return {"state": "已结束", "kind": ""}
    return {"state": text, "kind": kind}


def _is_preparing(campaign: Campaign, now: datetime) -> bool:
    """Its job writes the audience down; after that time it has failed, and may be stopped."""
    at = campaign.scheduled_at
    due = at is not None and at <= now < at + PREPARING
    return campaign.state is CampaignState.scheduled and due


def whole(session: Session, campaign: Campaign, who: Me, now: datetime) -> dict[str, Any]:
    progress = queries.progress(session, campaign)
    shown = head(session, campaign, now)
    open_now = progress.open
    planned = sum(progress.states.values())
    skipped = sum(progress.skipped.values())
    ended = campaign.finished_at or now
    stopping = campaign.state is CampaignState.killed and open_now > 0 and now < ended + PREPARING
    return {
        **shown,
        "going": shown["going"] or stopping,
        "stopping": stopping,
        "moves": [move for move, need in shown["moves"].items() if who.may(need)],
        "any": planned > 0,
        "planned": words.count(planned),
        "done": words.count(planned - open_now),
        "percent": round((planned - open_now) * 100 / planned, 1) if planned else 100,
        "states": [
            *(
                {
                    "words": text,
                    "hint": hint,
                    "count": words.count(progress.states[state]),
                    "share": words.share(progress.states[state], planned),
                }
                for state, text, hint in sending_rows(campaign)
                if progress.states.get(state)
            ),
            {
                "words": "对照组",
                "hint": "不发",
                "count": words.count(progress.held_out),
                "share": "",
            },
        ],
        "skipped_count": words.count(skipped),
        "skipped": list_skipped(progress.skipped),
        "history": _history(session, campaign, now),
        **campaign_facts.whole(session, campaign, who, now),
    }


def sides(session: Session, offers: Sequence[Variant], now: datetime) -> list[dict[str, Any]]:
    """What each variant gives and says; an offer that names no coupon yet shows its words."""
    shown = []
    for offer in offers:
        gift = _sample(session, offer, now)
        looks = preview(offer.message, gift, chosen=bool(offer.template_id))
        gives = campaign_gifts.shown(session, offer)
        shown.append({"letter": offer.letter, **gives, **looks})
    return shown


def _sample(session: Session, offer: Variant, now: datetime) -> Gift | None:
    if offer.template_id is None:
        return of_points(offer.points) if offer.points else None
    template = session.get(CouponTemplate, offer.template_id)
    if template is None:
        return Gift("选好的券", now + timedelta(days=30))
    ends = now + timedelta(days=template.valid_days or 30)
    return Gift(template.name, min(ends, template.valid_until or ends))


def preview(text: str, gift: Gift | None, *, chosen: bool) -> dict[str, Any]:
    """The message as somebody would read it, in the chat and, about a coupon that was `chosen`, as
    a subscribe message."""
    bubble = fill(text, "小满", gift)
    looks = {"bubble": bubble, "way": WAYS[page_of(gift)], "subscribe": [], "cut": ""}
    if gift is None or not chosen:
        return looks
    fields = subscribe(text, "小满", gift, "")["data"]
    names = (("优惠券", "thing1"), ("有效期至", "time2"), ("说明", "thing3"))
    return {
        **looks,
        "subscribe": [(name, fields[key]) for name, key in names],
        "cut": fields["thing3"] if fields["thing3"] != " ".join(bubble.split()) else "",
    }


def plain(text: str, hint: str, number: int) -> dict[str, str]:
    return {"words": text, "hint": hint, "count": words.count(number), "share": ""}


def list_skipped(reasons: dict[str, int]) -> list[dict[str, str]]:
    whole_list = sum(reasons.values())
    return [
        {
            "words": SKIP_REASONS.get(reason, "没有可用渠道"),
            "hint": WAYS_OUT.get(reason, ""),
            "count": words.count(number),
            "share": words.share(number, whole_list),
        }
        for reason, number in reasons.items()
    ]


def _words(campaign: Campaign, segment: str, now: datetime) -> str:
    if campaign.launched_at is None:
        return f"{segment} · {words.when(campaign.created_at, now)} 建"
    return f"{segment} · {words.when(campaign.launched_at, now)} 启动"


def _history(session: Session, campaign: Campaign, now: datetime) -> list[dict[str, str]]:
    moves = queries.history(session, campaign)
    ids = {int(move.actor[6:]) for move in moves if move.actor.startswith("staff:")}
    found = session.execute(select(Staff.id, Staff.name).where(Staff.id.in_(ids)))
    names = dict(found.all())
    return [
        {
            "time": words.when(move.at, now),
            "text": (names.get(int(move.actor[6:]), "") if ":" in move.actor else "系统")
            + f" {_verb(move)}",
            "detail": move.reason,
            "kind": "bad" if move.to_state is CampaignState.killed else "on",
        }
        for move in reversed(moves)
        if move.to_state not in ON_THE_WAY or move is moves[-1]
    ]


def _verb(move: CampaignMove) -> str:
    if move.from_state is CampaignState.paused and move.to_state is CampaignState.running:
        return "继续发"
    return VERBS[move.to_state]
