"""A worker dies in the middle of a campaign: nobody gets two coupons or two messages."""

import time
from collections import Counter
from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import func, insert, select, update

from core import clock
from core.database import reading, transaction
from core.outbox import JobState, OutboxJob
from coupons.models import Coupon
from crm import campaigns, segments, tags
from crm.campaigns import queries
from crm.campaigns.drafting import Draft
from crm.models import Campaign, CampaignState, Member, Recipient, RecipientState
from merchants.models import Merchant
from messaging.accounts import minis_of
from messaging.models import SubscribeGrant
from people.models import Identity, IdentityKind, Person
from tasks.registry import run_inline
from tests.factories.coupons import make_template
from tests.faults.conftest import World

pytestmark = [pytest.mark.faults, pytest.mark.mariadb]

PEOPLE = 300
KILL_AT = 30


def prepare(world: World) -> tuple[int, str]:
    """The crowd, and a running campaign for it; the campaign's id and the prefix of openids."""
    now = clock.now()
    with transaction() as session:
        merchant = session.scalars(select(Merchant).where(Merchant.code == "qinghe")).one()
        mini = minis_of("qinghe")[0]
        about_coupons = mini.subscribe_templates["coupon_arrived"]
        made = world.sandbox.post("crowd", size=PEOPLE, grants={about_coupons: 1})
        prefix = made["prefixes"][mini.appid]
        tag = tags.ensure_tag(session, merchant.id, "路人", now=now)
        openids = [f"{prefix}{number:016d}" for number in range(PEOPLE)]
        people = [Person(nickname=f"路人{n}", created_at=now) for n in range(PEOPLE)]
        session.add_all(people)
        session.flush()
        members = [
            Member(no=f"9{n:011}", merchant_id=merchant.id, person_id=person.id, joined_at=now)
            for n, person in enumerate(people)
        ]
        session.add_all(members)
        session.flush()
        session.execute(
            insert(Identity),
            [
                {
                    "person_id": person.id,
                    "kind": IdentityKind.mini,
                    "appid": mini.appid,
                    "openid": openid,
                    "created_at": now,
                }
                for person, openid in zip(people, openids, strict=True)
            ],
        )
        session.execute(
            insert(SubscribeGrant),
            [
                {
                    "appid": mini.appid,
                    "openid": openid,
                    "template_id": about_coupons,
                    "remaining": 1,
                    "updated_at": now,
                }
                for openid in openids
            ],
        )
        tags.put(session, tag, [member.id for member in members], actor="system", now=now)
        segment = segments.create(
            session,
            merchant.id,
            name="路人",
            rule={"field": "tag", "op": "has", "value": tag.id},
            actor="system",
            now=now,
        )
        draft = Draft(
            name="回店",
            segment_id=segment.id,
            template_id=make_template(session, merchant).id,
            message="好久不见",
            holdout_bp=0,
            quiet_hours=None,
        )
        campaign = campaigns.create(session, merchant.id, draft, actor="system", now=now)
        campaigns.approve(session, campaign, actor="system", now=now)
        assert campaigns.launch(session, campaign, actor="system", now=now) == PEOPLE
        return campaign.id, prefix


def count(campaign_id: int, *states: RecipientState) -> int:
    with reading() as session:
        found = select(func.count(Recipient.id)).where(
            Recipient.campaign_id == campaign_id, Recipient.state.in_(states)
        )
        return session.scalar(found) or 0


def wait_until(true: Callable[[], bool], what: str, seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def let_time_pass() -> None:
    """As if the dead worker's leases and the recipients' ten minutes were over."""
    past = clock.now() - timedelta(minutes=11)
    with transaction() as session:
        session.execute(
            update(OutboxJob).where(OutboxJob.state == JobState.pushed).values(lease_until=past)
        )
        session.execute(
            update(Recipient).where(Recipient.state == RecipientState.sending).values(state_at=past)
        )


def test_everybody_ends_once_and_nobody_is_written_to_twice(world: World) -> None:
    campaign_id, prefix = prepare(world)
    sent = RecipientState.sent

    wait_until(lambda: count(campaign_id, sent) >= KILL_AT, "the campaign did not begin")
    world.tree.kill("worker-1")
    assert count(campaign_id, sent) < PEOPLE, "the worker was faster than the kill"
    let_time_pass()
    run_inline("crm.sweep_campaigns")
    world.tree.start_worker("worker-1")

    def is_finished() -> bool:
        with reading() as session:
            return session.get_one(Campaign, campaign_id).state is CampaignState.finished

    wait_until(is_finished, "the campaign did not end")
    with reading() as session:
        progress = queries.progress(session, session.get_one(Campaign, campaign_id))
        coupons = session.scalars(
            select(Coupon.member_id).where(Coupon.source == f"campaign:{campaign_id}")
        ).all()
    assert sum(progress.states.values()) == PEOPLE
    assert set(progress.states) <= {sent, RecipientState.unknown}
    assert progress.states.get(RecipientState.unknown, 0) <= 1
    assert len(coupons) == len(set(coupons)) == PEOPLE
    heard = Counter(
        message["openid"]
        for message in world.sandbox.get("state?limit=5000")["sent"]
        if message["openid"].startswith(prefix) and message["errcode"] == 0
    )
    assert set(heard.values()) == {1}
    assert len(heard) >= progress.states[sent]
