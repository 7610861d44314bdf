"""A campaign for a crowd: whom it can reach and whom not, and what must be true in the end."""

import itertools
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from core import clock
from core.database import transaction
from coupons.models import Coupon
from crm import campaigns, segments, tags
from crm.campaigns.drafting import Draft
from crm.models import Campaign, CampaignState, CampaignWave, Member, Recipient, RecipientState
from merchants.models import Merchant
from messaging.accounts import minis_of, officials_of
from messaging.models import (
    Follower,
    MessageWindow,
    OutboundMessage,
    OutboundState,
    SubscribeGrant,
    WindowKind,
)
from people.models import Identity, IdentityKind, Person
from tests.factories.coupons import make_template
from tests.faults.world import World, fetch, wait

SENDS = "api.subscribe_send,api.custom_send"
UNREACHABLE = 10
STRANGERS = 5
BEYOND = 1_000_000_000
_made = itertools.count(0)


@dataclass(frozen=True)
class Crowd:
    """A running campaign: `size` people, of whom the last few cannot be written to."""

    campaign_id: int
    size: int

    def count(self, *states: RecipientState) -> int:
        found = select(func.count(Recipient.id)).where(
            Recipient.campaign_id == self.campaign_id, Recipient.state.in_(states)
        )
        return int(fetch(found)[0])

    def wait_sent(self, number: int) -> None:
        wait(lambda: self.count(RecipientState.sent) >= number, f"{number} messages sent")

    def wait_finished(self) -> None:
        wait(lambda: self.state() is CampaignState.finished, "the campaign's end")

    def coupons(self) -> int:
        mine = Coupon.source == f"campaign:{self.campaign_id}"
        return int(fetch(select(func.count(Coupon.id)).where(mine))[0])

    def issued_all(self) -> bool:
        mine = CampaignWave.campaign_id == self.campaign_id
        return bool(fetch(select(func.min(CampaignWave.issued_all)).where(mine))[0])

    def state(self) -> CampaignState:
        (state,) = fetch(select(Campaign.state).where(Campaign.id == self.campaign_id))
        return CampaignState(state)

    def in_flight(self) -> int | None:
        """The recipient whose message is on its way to WeChat just now."""
        found = (
            select(Recipient.id)
            .join(OutboundMessage, OutboundMessage.id == Recipient.outbound_id)
            .where(
                Recipient.campaign_id == self.campaign_id,
                OutboundMessage.state == OutboundState.sending,
            )
        )
        return next(iter(fetch(found)), None)


def gather(world: World, size: int) -> Crowd:
    """Launch a campaign: two in three through a subscribe grant, the others through a window.

    The last ones have neither, and of the rest a few are unknown to WeChat.
    """
    number = next(_made)
    first = number * 1_000  # nobody is in two crowds
    mini, official = minis_of("qinghe")[0], officials_of("qinghe")[0]
    about_coupons = mini.subscribe_templates["coupon_arrived"]
    made = world.sandbox.post(
        "crowd", size=first + size, grants={about_coupons: 1}, open_windows=True
    )
    now = clock.now()
    with transaction() as session:
        merchant = session.scalars(select(Merchant).where(Merchant.code == "qinghe")).one()
        members = _members(session, merchant, range(first, first + size), now)
        session.flush()
        strangers = range(first + size - UNREACHABLE - STRANGERS, first + size - UNREACHABLE)
        for position, member in enumerate(members):
            who = first + position
            talks = position % 3 == 0
            account = official if talks else mini
            # WeChat never heard of a stranger: the openid lies beyond its crowd.
            digits = who + BEYOND if who in strangers else who
            openid = f"{made['prefixes'][account.appid]}{digits:016d}"
            kind = IdentityKind.official if talks else IdentityKind.mini
            _introduce(session, member, kind, account.appid, openid, now)
            if position < size - UNREACHABLE:
                template_id = None if talks else about_coupons
                _open_way(session, member, account.appid, openid, template_id, now)
        tag = tags.ensure_tag(session, merchant.id, f"路人 {number}", now=now)
        tags.put(session, tag, [member.id for member in members], actor="system", now=now)
        rule = {"field": "tag", "op": "has", "value": tag.id}
        segment = segments.create(
            session, merchant.id, name=f"路人 {number}", rule=rule, actor="system", now=now
        )
        draft = Draft(
            name="回店",
            segment_id=segment.id,
            template_id=make_template(session, merchant).id,
            message="好久不见",
            holdout_bp=0,
        )
        campaign = campaigns.create(session, merchant.id, draft, actor="system", now=now)
        campaigns.approve(session, campaign, actor="system", now=now)
        assert campaigns.launch(session, campaign, actor="system", now=now) == size
        return Crowd(campaign.id, size)


def _members(session: Session, merchant: Merchant, numbers: range, now: datetime) -> list[Member]:
    people = [Person(nickname=f"路人{number}", created_at=now) for number in numbers]
    session.add_all(people)
    session.flush()
    members = [
        Member(no=f"9{number:011}", merchant_id=merchant.id, person_id=person.id, joined_at=now)
        for number, person in zip(numbers, people, strict=True)
    ]
    session.add_all(members)
    return members


def _introduce(
    session: Session, member: Member, kind: IdentityKind, appid: str, openid: str, now: datetime
) -> None:
    session.add(
        Identity(person_id=member.person_id, kind=kind, appid=appid, openid=openid, created_at=now)
    )
    if kind is IdentityKind.official:
        session.add(
            Follower(appid=appid, openid=openid, merchant_id=member.merchant_id, subscribed_at=now)
        )


def _open_way(
    session: Session,
    member: Member,
    appid: str,
    openid: str,
    template_id: str | None,
    now: datetime,
) -> None:
    if template_id is None:
        session.add(
            MessageWindow(
                appid=appid,
                openid=openid,
                kind=WindowKind.user_message,
                opened_at=now,
                expires_at=now + timedelta(hours=48),
                remaining=5,
            )
        )
        return
    session.add(
        SubscribeGrant(
            appid=appid, openid=openid, template_id=template_id, remaining=1, updated_at=now
        )
    )


@contextmanager
def slowly(world: World, seconds: float) -> Iterator[None]:
    """WeChat takes its time with every message."""
    world.fault(SENDS, "delay", times=None, seconds=seconds)
    yield
    world.sandbox.delete("faults")


def wait_in_flight(crowd: Crowd, *, seconds: float) -> int:
    """The recipient whose message WeChat is sitting on: the same one for half of `seconds`."""

    def look() -> int | None:
        seen = crowd.in_flight()
        if seen is None:
            return None
        time.sleep(seconds / 4)
        return seen if crowd.in_flight() == seen else None

    return wait(look, "a message in flight")


def check_everybody(world: World, crowd: Crowd, *, unknown: int = 0) -> None:
    """Everybody ended in one state, has at most one coupon and heard of it at most once."""
    rows = fetch(
        select(
            Recipient.member_id,
            Recipient.state,
            Recipient.skip_reason,
            Recipient.coupon_id,
            OutboundMessage.openid,
        )
        .outerjoin(OutboundMessage, OutboundMessage.id == Recipient.outbound_id)
        .where(Recipient.campaign_id == crowd.campaign_id)
    )
    assert len(rows) == crowd.size
    states = Counter(state for _, state, *_ in rows)
    assert states == Counter(
        {
            RecipientState.sent: crowd.size - UNREACHABLE - STRANGERS - unknown,
            RecipientState.failed: STRANGERS,
            RecipientState.skipped: UNREACHABLE,
            RecipientState.unknown: unknown,
        }
    )

    coupons = Counter(
        fetch(select(Coupon.member_id).where(Coupon.source == f"campaign:{crowd.campaign_id}"))
    )
    written_to = {member_id for member_id, state, *_ in rows if state != RecipientState.skipped}
    assert set(coupons) == written_to
    assert set(coupons.values()) == {1}

    heard = heard_by(world)
    for _, state, _, coupon_id, openid in rows:
        match state:
            case RecipientState.sent:
                assert (coupon_id is not None, heard[openid]) == (True, 1)
            case RecipientState.unknown:
                assert heard[openid] <= 1
            case RecipientState.failed:
                assert heard[openid] == 0
            case _:
                assert (coupon_id, openid) == (None, None)


def heard_by(world: World) -> Counter[str]:
    """By openid, how many messages WeChat has brought."""
    sent = world.sandbox.get("state", limit=50_000)["sent"]
    return Counter(message["openid"] for message in sent if message["errcode"] == 0)
