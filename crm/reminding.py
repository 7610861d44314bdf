"""A coupon is about to end: its holder is told once, by a way that is lawful now, else not at all.

It is marketing: consent, the cap over all marketing and the quiet hours hold for it.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import and_, exists, or_, select
from sqlalchemy.orm import Session

from core.clock import business_day, local
from core.config import current_config
from core.database import insert_ignore
from core.outbox import enqueue
from coupons.models import Coupon, CouponState, CouponTemplate
from coupons.words import condition, face
from crm import contacts
from crm.campaigns.words import COUPONS_PAGE, THING
from crm.models import CouponReminder, Member
from messaging import planning, sending
from messaging.accounts import mini_for_official
from messaging.models import Channel
from messaging.planning import Plan
from messaging.words import mini_link

MOMENT = "coupon_expiring"
KIND = "reminder"
SLICE = 200
AT_LEAST = timedelta(hours=1)
"""Later it would only annoy."""
SETTLED = timedelta(days=1)
"""Who was given a coupon today has just been told of it."""


class Place(NamedTuple):
    """Where the walk along the coupons' ends has come to."""

    at: datetime
    coupon_id: int


class Looked(NamedTuple):
    """How many coupons were looked at; `last` None: there are no more."""

    number: int
    last: Place | None


class _Due(NamedTuple):
    coupon: Coupon
    template: CouponTemplate
    member: Member


def list_merchants(session: Session) -> list[int]:
    """Merchants with a template that reminds."""
    reminding = select(CouponTemplate.merchant_id).where(CouponTemplate.remind_days > 0)
    return list(session.scalars(reminding.distinct().order_by(CouponTemplate.merchant_id)))


def remind(
    session: Session,
    merchant_id: int,
    *,
    now: datetime,
    after: Place | None = None,
    limit: int = SLICE,
) -> Looked:
    """Look at the next coupons that end soon, each once for ever. Nothing in quiet hours.

    Somebody with several gets one message about all of this slice.
    """
    if contacts.held_until(session, merchant_id, now) is not None:
        return Looked(0, None)
    places = _next(session, merchant_id, now, after, limit)
    last = places[-1] if len(places) == limit else None
    due = _due(session, places) if places else []
    if not due:
        return Looked(0, last)
    held: dict[int, list[_Due]] = defaultdict(list)
    for each in due:
        held[each.member.id].append(each)
    outcomes = _plan(session, merchant_id, held, now)
    rows = []
    for member_id, theirs in held.items():
        outcome, plan = outcomes[member_id]
        outbound_id = _tell(session, theirs, plan, now) if plan is not None else None
        rows += [
            {
                "coupon_id": each.coupon.id,
                "member_id": member_id,
                "outcome": outcome,
                "outbound_id": outbound_id,
                "at": now,
            }
            for each in theirs
        ]
    if insert_ignore(session, CouponReminder, rows) != len(rows):
        raise RuntimeError("another worker reminds of these")  # all of it is undone, and asked anew
    return Looked(len(rows), last)


def _next(
    session: Session, merchant_id: int, now: datetime, after: Place | None, limit: int
) -> list[Place]:
    """Coupons that end soon, along their end, behind the last that was looked at.

    From the coupons alone: joined, the database would sort all that end soon for every slice.
    """
    by_days: dict[int, list[int]] = defaultdict(list)
    for template_id, days in session.execute(
        select(CouponTemplate.id, CouponTemplate.remind_days).where(
            CouponTemplate.merchant_id == merchant_id, CouponTemplate.remind_days > 0
        )
    ):
        by_days[days].append(template_id)
    if not by_days:
        return []
    soon = or_(
        *(
            and_(
                Coupon.template_id.in_(template_ids),
                Coupon.expires_at <= now + timedelta(days=ahead),
            )
            for ahead, template_ids in sorted(by_days.items())
        )
    )
    begin = Coupon.expires_at > now + AT_LEAST
    if after is not None:
        begin = and_(
            begin,
            Coupon.expires_at >= after.at,
            or_(Coupon.expires_at > after.at, Coupon.id > after.coupon_id),
        )
    found = session.execute(
        select(Coupon.expires_at, Coupon.id)
        .where(
            Coupon.merchant_id == merchant_id,
            Coupon.state == CouponState.issued,
            begin,
            Coupon.expires_at <= now + timedelta(days=max(by_days)),
            Coupon.issued_at <= now - SETTLED,
            soon,
            ~exists().where(CouponReminder.coupon_id == Coupon.id),
        )
        .order_by(Coupon.expires_at, Coupon.id)
        .limit(limit)
    )
    return [Place(*row) for row in found]


def _due(session: Session, places: Sequence[Place]) -> list[_Due]:
    found = session.execute(
        select(Coupon, CouponTemplate, Member)
        .join(CouponTemplate, CouponTemplate.id == Coupon.template_id)
        .join(Member, Member.id == Coupon.member_id)
        .where(
            Coupon.id.in_([place.coupon_id for place in places]),
            Member.merged_into_id.is_(None),
        )
        .order_by(Coupon.expires_at, Coupon.id)
    )
    return [_Due(*row) for row in found]


def _plan(
    session: Session, merchant_id: int, held: dict[int, list[_Due]], now: datetime
) -> dict[int, tuple[str, Plan | None]]:
    """Per member what becomes of it, and how they are told."""
    members = [theirs[0].member for theirs in held.values()]
    plans = planning.plan_channels(
        session,
        merchant_id=merchant_id,
        person_ids=[member.person_id for member in members],
        template=MOMENT,
        now=now,
    )
    outcomes: dict[int, tuple[str, Plan | None]] = {}
    ready: dict[int, Plan] = {}
    for member in members:
        plan = plans[member.person_id]
        if not member.marketing_consent:
            outcomes[member.id] = ("no_consent", None)
        elif plan.channel is None:
            outcomes[member.id] = (plan.reason, None)
        else:
            ready[member.id] = plan
    occasion = contact_ref(business_day(now))
    allowed = contacts.claim_many(session, merchant_id, ready, kind=KIND, ref=occasion, now=now)
    for member_id, plan in ready.items():
        told = member_id in allowed
        outcomes[member_id] = ("told", plan) if told else ("frequency", None)
    return outcomes


def contact_ref(day: date) -> str:
    """What a contact of the cap is written down under."""
    return f"expiring:{day}"


def _tell(session: Session, theirs: Sequence[_Due], plan: Plan, now: datetime) -> int:
    assert plan.channel is not None
    first = theirs[0]
    letter = sending.Letter(
        f"coupon_expiring:{first.coupon.id}",
        plan.appid,
        plan.openid,
        plan.channel,
        KIND,
        _payload(theirs, plan),
    )
    message_id = sending.prepare_many(session, [letter], now=now)[letter.key]
    enqueue(session, "messaging.deliver_marketing", message_id=message_id)
    return message_id


def _payload(theirs: Sequence[_Due], plan: Plan) -> dict[str, Any]:
    coupon, template, _ = theirs[0]
    if plan.channel is Channel.subscribe:
        return {
            "template_id": plan.template_id,
            "page": COUPONS_PAGE,
            "data": {
                "thing1": template.name[:THING],
                "time2": f"{local(coupon.expires_at):%Y年%-m月%-d日 %H:%M}",
                "thing3": (f"{len(theirs)} 张券快到期" if len(theirs) > 1 else "快到期，别忘了用"),
            },
        }
    way = mini_link(
        "打开券包 →",
        COUPONS_PAGE,
        mini=mini_for_official(plan.appid),
        base_url=current_config().app.base_url,
    )
    return {"type": "text", "text": f"{say(theirs)}\n{way}"}


def say(theirs: Sequence[_Due]) -> str:
    """你的「老客回店券」（¥10，满 30 可用）11 月 25 日到期，别忘了用。"""
    coupon, template, _ = theirs[0]
    day = f"{local(coupon.expires_at):%-m 月 %-d 日}"
    what = f"「{template.name}」（{face(template)}，{condition(template)}）"
    if len(theirs) > 1:
        return f"你有 {len(theirs)} 张券快到期了，最早的{what}{day}到期。"
    return f"你的{what}{day}到期，别忘了用。"
