"""The demo's journeys: one that has walked people for four weeks, a fresh one, and a draft.

The first lives through its past day by day with the verbs that jobs use; what it would have sent is
marked as sent.
"""

from datetime import datetime, timedelta

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from core.clock import local
from core.database import claim
from coupons.models import CouponTemplate
from crm.journeys import advancing, drafting, entering, gallery, hearing
from crm.journeys.acting import KIND
from crm.journeys.entering import Entrant
from crm.models import Journey, JourneyVersion, Member
from merchants.models import Merchant, Staff
from messaging.models import OutboundMessage, OutboundState

DAYS = 28
HOURS = (10, 15, 20)
LIVE = {"second_visit": "老客回店券", "welcome": "新客首单券"}
DRAFT = ("win_back", "老客回店券")
SEED = 20_262


def run(session: Session, merchant: Merchant, now: datetime) -> None:
    """Write them down and let the first one walk until now."""
    owner = session.scalars(select(Staff).where(Staff.username == "owner")).one()
    actor = f"staff:{owner.id}"
    begins = now - timedelta(days=DAYS)
    second = _make(session, merchant, "second_visit", LIVE["second_visit"], actor, begins)
    drafting.publish(session, second, actor=actor, now=begins)
    _live_through(session, second, begins, now)
    welcome = _make(session, merchant, "welcome", LIVE["welcome"], actor, now)
    drafting.publish(session, welcome, actor=actor, now=now)
    _make(session, merchant, *DRAFT, actor, now)
    sent = update(OutboundMessage).where(
        OutboundMessage.kind == KIND, OutboundMessage.state == OutboundState.prepared
    )
    claim(session, sent.values(state=OutboundState.sent))


def _make(
    session: Session, merchant: Merchant, key: str, coupon: str, actor: str, at: datetime
) -> Journey:
    model = gallery.find(key)
    assert model is not None
    template_id = session.scalars(
        select(CouponTemplate.id).where(
            CouponTemplate.merchant_id == merchant.id, CouponTemplate.name == coupon
        )
    ).one()
    graph = gallery.plan_of(model, template_id)
    journey = drafting.create(
        session, merchant.id, name=model.name, graph=graph, actor=actor, now=at
    )
    journey.seed = SEED  # the same people are held out in every demo
    return journey


def _live_through(session: Session, journey: Journey, begins: datetime, now: datetime) -> None:
    """Who bought for the first time comes in that day; three times a day everybody moves on."""
    version = session.get_one(JourneyVersion, journey.version_id)
    newcomers = session.execute(
        select(Member.id, Member.first_paid_at)
        .where(Member.merchant_id == journey.merchant_id, Member.first_paid_at > begins)
        .order_by(Member.first_paid_at)
    ).all()
    for day in range(DAYS):
        for hour in HOURS:
            at = local(begins + timedelta(days=day)).replace(hour=hour, minute=5)
            until = min(at.astimezone(begins.tzinfo), now)
            since = until - timedelta(days=1)
            come = [
                Entrant(member_id, hearing.cause_of("paid", paid), paid)
                for member_id, paid in newcomers
                if paid is not None and since < paid <= until
            ]
            entering.enter(session, journey, version, come, now=until)
            while advancing.advance(session, journey.id, now=until):
                pass
