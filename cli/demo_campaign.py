"""A finished campaign for the demo: followers who had never ordered were sent a first coupon.

The campaign goes through its own verbs at a past `now`. Only what happens at WeChat is written
down: that people had written to the account before, and that the messages went out. Some weeks
later its report has two groups to compare.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from cli import demo_lessons
from cli.demo_crowd import join_many, openid_of
from core import rows
from core.clock import local
from core.database import claim
from coupons.models import CouponTemplate
from crm import campaigns
from crm.campaigns import tallies
from crm.campaigns.drafting import Draft, Other
from crm.campaigns.moving import finish_if_done
from crm.models import Arm, Campaign, Recipient, RecipientState, Segment
from merchants.models import Merchant, Staff, Store
from messaging import grants
from messaging.accounts import minis_of, officials_of
from messaging.models import (
    Channel,
    MessageWindow,
    OutboundMessage,
    OutboundState,
    SubscribeGrant,
    WindowKind,
)
from messaging.windows import QUOTAS

TRIAL_SEGMENT, TRIAL = "等着来第二次的", "第二杯，换两种说法试试"
TRIAL_WORDS = (
    "{昵称}，上次那杯还合口味吗？给你留了「{券名}」，{到期日}前来用就行。",
    "{昵称}，下班顺路来一杯热的：「{券名}」{到期日}前有效。",
)
SEGMENT, COUPON, NAME = "关注了还没下单的", "新客首单券", "第一杯，我们请一点"
TEXT = "{昵称}，第一杯我们请一点，来尝尝。「{券名}」在你的券包里，{到期日}前来用就行。"
AGO = 17
GROUPS = 14  # days on which they had followed
HELD_OUT_BP, SEED = 4_000, 20_251
TALKED, GRANTED = 0.45, 0.45  # whom a chat message, or else a subscribe message, could reach
BOUGHT = {Arm.reach: 0.3, Arm.holdout: 0.13}
GRANTED_AGAIN = 0.6


@dataclass(frozen=True)
class Buyer:
    member_id: int
    store: Store
    at: datetime


def run(
    session: Session,
    merchant: Merchant,
    stores: Sequence[Store],
    crowd: Mapping[str, str],
    numbers: range,
    chance: random.Random,
    now: datetime,
) -> list[Buyer]:
    """The people of `numbers` follow, are sent the campaign or held out; who then buys, and when.

    Before anybody else is a member, so that the campaign's audience is they.
    """
    begins = local(now - timedelta(days=AGO)).replace(hour=10, minute=30, second=0, microsecond=0)
    homes: dict[int, Store] = {}
    number_of: dict[int, int] = {}
    for group in range(GROUPS):
        joined = begins - timedelta(days=10 + 3 * group, minutes=chance.randint(0, 400))
        home = chance.choices(stores, (5, 3, 2))[0]
        batch = numbers[group::GROUPS]
        joiners = join_many(session, merchant, home, crowd, batch, chance, joined)
        homes |= dict.fromkeys(joiners, home)
        number_of |= joiners
    _open_channels(session, merchant, crowd, numbers, chance, begins)
    campaign = _launch(session, merchant, begins)
    _write_trial(session, merchant, campaign, now)
    _send(session, campaign, begins + timedelta(minutes=2))
    for lesson, said_at in demo_lessons.launch_all(session, campaign, begins):
        _send(session, lesson, said_at)
    buyers = _buyers(session, campaign, homes, chance, begins)
    mini = minis_of(merchant.code)[0]
    for buyer in buyers:  # who orders is asked for the next message; some say yes
        if chance.random() < GRANTED_AGAIN:
            grants.add(
                session,
                appid=mini.appid,
                openid=openid_of(crowd, mini.appid, number_of[buyer.member_id]),
                template_id=mini.subscribe_templates["coupon_arrived"],
                now=buyer.at,
            )
    return buyers


def _open_channels(
    session: Session,
    merchant: Merchant,
    crowd: Mapping[str, str],
    numbers: range,
    chance: random.Random,
    begins: datetime,
) -> None:
    """Who had written to the account in the two days before, and who had allowed one message."""
    official, mini = officials_of(merchant.code)[0], minis_of(merchant.code)[0]
    length, quota = QUOTAS[WindowKind.user_message]
    talked, granted = [], []
    for number in numbers:
        draw = chance.random()
        wrote = begins - timedelta(minutes=chance.randint(10, 2_700))
        if draw < TALKED:
            talked.append(
                {
                    "appid": official.appid,
                    "openid": openid_of(crowd, official.appid, number),
                    "kind": WindowKind.user_message,
                    "opened_at": wrote,
                    "expires_at": wrote + length,
                    "remaining": quota,
                }
            )
        elif draw < TALKED + GRANTED:
            granted.append(
                {
                    "appid": mini.appid,
                    "openid": openid_of(crowd, mini.appid, number),
                    "template_id": mini.subscribe_templates["coupon_arrived"],
                    "remaining": 1,
                    "updated_at": wrote,
                }
            )
    rows.add_all(session, MessageWindow, talked)
    rows.add_all(session, SubscribeGrant, granted)


def _launch(session: Session, merchant: Merchant, begins: datetime) -> Campaign:
    owner = session.scalars(select(Staff).where(Staff.username == "owner")).one()
    actor = f"staff:{owner.id}"
    segment = session.scalars(
        select(Segment).where(Segment.merchant_id == merchant.id, Segment.name == SEGMENT)
    ).one()
    template = session.scalars(
        select(CouponTemplate).where(
            CouponTemplate.merchant_id == merchant.id, CouponTemplate.name == COUPON
        )
    ).one()
    draft = Draft(NAME, segment.id, template.id, TEXT, holdout_bp=HELD_OUT_BP)
    written = begins - timedelta(minutes=20)
    campaign = campaigns.create(session, merchant.id, draft, actor=actor, now=written)
    campaign.seed = SEED  # the same people are held out in every demo
    campaigns.approve(session, campaign, actor=actor, now=begins)
    campaigns.launch(session, campaign, actor=actor, now=begins)
    while (batch := campaigns.next_batch(session, campaign.id, now=begins)) and not batch.last:
        pass
    return campaign


def _write_trial(session: Session, merchant: Merchant, last: Campaign, now: datetime) -> None:
    """A draft that tries two ways of saying it, to be looked at and launched."""
    regulars = session.scalars(
        select(Segment).where(Segment.merchant_id == merchant.id, Segment.name == TRIAL_SEGMENT)
    ).one()
    draft = Draft(
        TRIAL,
        regulars.id,
        last.template_id,
        TRIAL_WORDS[0],
        others=(Other(last.template_id, TRIAL_WORDS[1], 18),),
        pilot_bp=3_000,
        winner_hours=4,
        budget_fen=60_000,
        daily_people=300,
    )
    at = now - timedelta(hours=5)
    campaigns.create(session, merchant.id, draft, actor=last.created_by, now=at)


def _send(session: Session, campaign: Campaign, at: datetime) -> None:
    """Every message went out, and took what it was sent with."""
    issued = (Recipient.campaign_id == campaign.id, Recipient.state == RecipientState.issued)
    letters = session.execute(
        select(OutboundMessage.id, OutboundMessage.channel, OutboundMessage.openid)
        .join(Recipient, Recipient.outbound_id == OutboundMessage.id)
        .where(*issued)
    ).all()
    gone = update(OutboundMessage).where(OutboundMessage.id.in_([row.id for row in letters]))
    values = {"state": OutboundState.sent, "first_sent_at": at, "changed_at": at}
    claim(session, gone.values(**values))
    for channel, table in (
        (Channel.customer_service, MessageWindow),
        (Channel.subscribe, SubscribeGrant),
    ):
        openids = [row.openid for row in letters if row.channel is channel]
        spent = update(table).where(table.openid.in_(openids))
        claim(session, spent.values(remaining=table.remaining - 1))
    sent = update(Recipient).where(*issued)
    claim(session, sent.values(state=RecipientState.sent, state_at=at))
    tallies.recount(session, campaign.id)
    finish_if_done(session, campaign.id, now=at)


def _buyers(
    session: Session,
    campaign: Campaign,
    homes: Mapping[int, Store],
    chance: random.Random,
    begins: datetime,
) -> list[Buyer]:
    """Of both groups a part came by in the two weeks after; of those who got a coupon, more."""
    buyers = []
    for arm, share in BOUGHT.items():
        people = session.scalars(
            select(Recipient.member_id)
            .where(Recipient.campaign_id == campaign.id, Recipient.arm == arm)
            .order_by(Recipient.member_id)
        ).all()
        for member_id in chance.sample(people, round(len(people) * share)):
            day = begins + timedelta(days=min(chance.randint(1, 13), chance.randint(1, 13)))
            at = day.replace(
                hour=chance.randint(9, 20),
                minute=chance.randint(0, 59),
                second=chance.randint(0, 59),
            )
            buyers.append(Buyer(member_id, homes[member_id], at))
    return buyers
