"""Broadcasts of the demo's past: one that went out last week, one that waits to be looked at.

Only what WeChat told is written down; the rows are those that the verbs leave.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from analytics import measuring, profit
from core.clock import local
from crm.models import Campaign
from merchants.models import Merchant, Staff
from messaging import broadcasts
from messaging.accounts import officials_of
from messaging.broadcasts import cutting, launching
from messaging.broadcasts.drafting import Draft
from messaging.broadcasts.models import (
    Broadcast,
    BroadcastState,
    MassReport,
    MassSend,
    MassState,
)
from messaging.broadcasts.moving import move, move_mass
from messaging.broadcasts.reports import settle
from messaging.models import Follower

AGO = timedelta(days=6)
LAST_WEEK = "冬天的第一杯上新了：桂花米酿、姜汁撞奶。\n进店喊一声「我看到推送了」，给你加一份小料。"
NEXT = "下周一（11 月 30 日）全天盘点，三家店都晚开两个小时，10 点半见。"
MARGIN_BP = 6_500
UNREACHED = 3  # WeChat never counts quite as we do


def run(session: Session, merchant: Merchant, now: datetime) -> None:
    """The margin that profit is counted with, two broadcasts, and the finished campaign counted."""
    owner = session.scalars(select(Staff).where(Staff.username == "owner")).one()
    actor = f"staff:{owner.id}"
    profit.say(session, merchant.id, margin_bp=MARGIN_BP, actor=actor, now=now)
    for campaign in session.scalars(select(Campaign).where(Campaign.launched_at.is_not(None))):
        measuring.keep(session, campaign, measuring.measure(session, campaign, now))
    accounts = officials_of(merchant.code)
    if not accounts:
        return
    appid = accounts[0].appid
    sent_at = local(now - AGO).replace(hour=11, minute=0, second=0, microsecond=0)
    _sent(session, merchant, appid, actor, sent_at)
    draft = Draft(appid, "text", "followers", text=NEXT)
    broadcasts.create(session, merchant.id, draft, actor=actor, now=now)


def _sent(session: Session, merchant: Merchant, appid: str, actor: str, at: datetime) -> None:
    draft = Draft(appid, "text", "followers", text=LAST_WEEK, page="pages/menu/menu")
    broadcast = broadcasts.create(session, merchant.id, draft, actor=actor, now=at)
    seen = BroadcastState.previewed
    move(session, broadcast, seen, actor=actor, now=at, previewed_at=at)
    to = BroadcastState.gathering
    move(session, broadcast, to, actor=actor, now=at, started_at=at)
    _address(session, broadcast, at)
    for mass_id in cutting.cut(session, broadcast, now=at):
        _told(session, mass_id, at)


def _address(session: Session, broadcast: Broadcast, at: datetime) -> None:
    openids: Sequence[str] = session.scalars(
        select(Follower.openid).where(
            Follower.appid == broadcast.appid,
            Follower.subscribed.is_(True),
            Follower.subscribed_at < at,
        )
    ).all()
    launching.address(session, broadcast.id, openids)
    after = 0
    while people := launching.next_slice(session, broadcast, after):
        launching.spend(session, broadcast, people, {}, now=at)
        after = max(people)


def _told(session: Session, mass_id: int, at: datetime) -> None:
    told_at = at + timedelta(minutes=4)
    move_mass(session, mass_id, MassState.sending, now=at, first_sent_at=at)
    move_mass(session, mass_id, MassState.accepted, now=at, msg_id=f"30{mass_id:08}")
    mass = session.get_one(MassSend, mass_id, populate_existing=True)
    session.add(
        MassReport(
            appid=mass.appid,
            msg_id=mass.msg_id,
            status="send success",
            total_count=mass.addressed,
            sent_count=max(mass.addressed - UNREACHED, 0),
            error_count=min(UNREACHED, mass.addressed),
            at=told_at,
        )
    )
    session.flush()
    settle(session, mass, now=told_at)
