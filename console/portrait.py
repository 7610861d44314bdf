"""A member as staff see them: a row of a list, or the whole person on one page."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from flask import url_for
from sqlalchemy.orm import Session

from console import people, tickets, timeline, words
from console.access import Me
from console.journey_words import ENDS
from coupons import queries as coupon_queries
from crm import consent, tags, tiers
from crm.journeys import queries
from crm.models import Measure, Member, RunState
from crm.profiles import COUNTER, IMPORTED
from crm.tiers.programme import Programme, worth_of_one
from merchants import staff
from messaging.models import Channel
from messaging.planning import SKIP_REASONS, Plan, plan_channels
from people.models import Person

MOMENT = "coupon_arrived"
GENDERS = {"female": "女", "male": "男"}
CONSENTS = {"marketing": "营销消息", "personal_recommendation": "个性推荐"}
BY = {"member": "本人", "staff": "店员代记", "wechat": "在微信里收回", "system": "系统"}
CHANNELS = {Channel.customer_service: ("客服会话", "ok"), Channel.subscribe: ("订阅消息", "note")}


def rows(
    session: Session,
    who: Me,
    items: list[tuple[Member, Person]],
    levels: Mapping[str, str],
    now: datetime,
) -> list[dict[str, Any]]:
    """A page of the list: four more queries, however many rows. `levels`: names of tiers."""
    works = staff.names_of(session, who.merchant_id, [person.id for _, person in items])
    member_tags = tags.tags_of(session, [member.id for member, _ in items])
    plans = plan_channels(
        session,
        merchant_id=who.merchant_id,
        person_ids=[person.id for _, person in items],
        template=MOMENT,
        now=now,
    )
    return [
        {
            "name": works.get(person.id) or people.name_of(member),
            "staff": person.id in works,
            "tier": levels.get(member.tier, ""),
            "sub": people.phone_of(person) if person.phone else member.no,
            "kind": people.colour(member),
            "href": url_for("console.members.show", no=member.no),
            "tags": [tag.name for tag in member_tags[member.id][:4]],
            "spent": words.yuan(member.spent_fen - member.refunded_fen),
            "orders": words.count(member.orders_count),
            "last": words.days_ago(member.last_visit_at, now),
            "store": who.name_of(member.source_store_id),
            "points": words.count(member.points),
            **_reach_short(member, plans[person.id]),
        }
        for member, person in items
    ]


def whole(session: Session, who: Me, member: Member, now: datetime) -> dict[str, Any]:
    person = session.get_one(Person, member.person_id)
    plan = plan_channels(
        session, merchant_id=who.merchant_id, person_ids=[person.id], template=MOMENT, now=now
    )[person.id]
    usable = coupon_queries.list_for_member(session, member.id, shelf="usable", now=now).items
    used = coupon_queries.list_for_member(session, member.id, shelf="used", limit=3, now=now).items
    counts = coupon_queries.count_for_member(session, member.id, now)
    name = staff.names_of(session, who.merchant_id, [person.id]).get(person.id, "")
    programme = tiers.load(session, member.merchant_id)
    return {
        "no": member.no,
        "name": name or people.name_of(member),
        "staff": bool(name),
        "sub": f"{people.phone_of(person)} · {words.on(member.joined_at, now)} 加入",
        "tier": programme.of(member.tier).name,
        "climb": _climb(session, programme, member, now),
        **tags_only(session, member),
        "balance": words.yuan(member.balance_fen),
        "pending": words.count(member.points_pending) if member.points_pending else "",
        "sums": [
            (words.count(member.orders_count), "次消费"),
            (f"¥{words.yuan(member.spent_fen - member.refunded_fen)}", "累计"),
            (words.count(member.points), "积分"),
            (words.days_ago(member.last_visit_at, now), "上次到店"),
        ],
        "coupons": [
            {
                "ticket": tickets.of_coupon(row.coupon, row.template, now),
                "used": row.coupon.redeemed_at is not None,
            }
            for row in [*usable, *used]
        ],
        "coupons_words": f"{counts['usable']} 张能用，用过 {counts['used']} 张",
        "profile": [
            ("生日", f"{member.birthday:%-m 月 %-d 日}" if member.birthday else "没有登记"),
            ("性别", GENDERS.get(member.gender, "没说")),
            ("地址", people.masked_address(member.address)),
            ("备注", member.note or "—"),
        ],
        "marketing": member.marketing_consent,
        "personal": member.personal_recommendation,
        "consents": _consents(session, member, now),
        "journeys": _journeys(session, member, now),
        "events": timeline.of_member(session, who, member.id, now),
        "reach": [
            ("现在能触达", _reach(member, plan)[0]),
            ("从哪里来", _source(who, member)),
        ],
    }


def _climb(
    session: Session, programme: Programme, member: Member, now: datetime
) -> dict[str, Any] | None:
    """How far it is to the next tier; None on the highest."""
    above = programme.above(member.tier)
    if above is None or above.threshold <= 0:
        return None
    worth = max(worth_of_one(session, member.id, programme, now), 0)
    left = max(above.threshold - worth, 0)
    money = programme.measure is Measure.spent
    span = f"近 {programme.window_days} 天" if programme.window_days else ""
    reached = f"{_of_measure(worth, money)} / {_of_measure(above.threshold, money)}"
    return {
        "words": f"再{'消费' if money else '长成长值'} {_of_measure(left, money)} 升{above.name}",
        "reached": f"{span} {reached}" if span else reached,
        "percent": min(round(worth * 100 / above.threshold), 100),
    }


def _of_measure(number: int, money: bool) -> str:
    if not money:
        return words.count(number)
    return f"¥{words.yuan(number).removesuffix('.00')}"


def _source(who: Me, member: Member) -> str:
    store = who.name_of(member.source_store_id)
    if member.source_scene == COUNTER:
        return f"{store}收银台登记"
    if member.source_scene == IMPORTED:
        return "从别的系统导入"
    return store or "小程序"


def _consents(session: Session, member: Member, now: datetime) -> list[dict[str, str]]:
    """Who turned which switch, the newest first."""
    return [
        {
            "time": words.when(change.at, now),
            "text": f"{'接受' if change.allowed else '不接受'}{CONSENTS[change.what]}",
            "detail": BY.get(change.actor.partition(":")[0], "系统"),
            "href": "",
            "kind": "" if change.allowed else "bad",
        }
        for change in consent.history(session, member.id)
    ]


def _journeys(session: Session, member: Member, now: datetime) -> list[dict[str, str]]:
    return [
        {
            "name": journey.name,
            "words": f"{words.when(run.entered_at, now)} 进来",
            "state": "在里面" if run.state is RunState.active else ENDS.get(run.outcome, "结束"),
            "href": url_for("console.journey_runs.show", journey_id=journey.id, run_id=run.id),
        }
        for run, journey in queries.runs_of_member(session, member.id)
    ]


def tags_only(session: Session, member: Member) -> dict[str, Any]:
    found = tags.tags_of(session, [member.id])[member.id]
    return {
        "no": member.no,
        "tags": [{"id": tag.id, "name": tag.name, "manual": True} for tag in found],
    }


def _reach(member: Member, plan: Plan) -> tuple[str, str]:
    if not member.marketing_consent:
        return "不收营销消息", ""
    if plan.channel is None:
        return SKIP_REASONS.get(plan.reason, "没有可用渠道"), ""
    return CHANNELS[plan.channel]


def _reach_short(member: Member, plan: Plan) -> dict[str, str]:
    """For a row: the channel, or that there is none now; why stands on the person's page."""
    text, kind = _reach(member, plan)
    return {
        "reach": text if kind or not member.marketing_consent else "现在联系不上",
        "reach_kind": kind,
    }
