"""Campaigns by broadcast: who has no cheaper way, together, one of their four, totals only."""

from datetime import timedelta

import pytest
from sqlalchemy import func, select, update

from core import clock
from core.database import reading, transaction
from core.outbox import OutboxJob, enqueue
from coupons.models import Coupon
from crm import campaigns, consent, members
from crm.campaigns import queries, reach, sending
from crm.models import Campaign, CampaignState, MarketingContact, Member, Recipient, RecipientState
from messaging import planning, policies
from messaging.broadcasts import quotas
from messaging.broadcasts.models import Broadcast, BroadcastQuota, MassSend
from messaging.models import Channel, MessageWindow, OutboundMessage, OutboundState
from people.models import Identity
from sandbox.wechat import masses as wechat_masses
from tests.factories.campaigns import OFFICIAL, make_campaign
from tests.factories.crm import make_merchant
from tests.wechat_world import Shop
from tests.working import run_inline

PEOPLE = ("aqing", "xiaozhou", "zhixia")


@pytest.fixture
def quiet(shop: Shop) -> Shop:
    """Three people follow, none has written; the merchant lets campaigns broadcast."""
    with transaction() as session:
        merchant_id = make_merchant(session).id
        policy = policies.Policy(broadcast=True, keep_broadcasts=1)
        policies.set_policy(session, merchant_id, policy, actor="staff:1", now=clock.now())
    for person in PEOPLE:
        shop.follow(person)
        with transaction() as session:
            members.recognise(
                session,
                merchant_id=merchant_id,
                kind="official",
                appid=OFFICIAL,
                openid=shop.openid(person),
                union_id=shop.person(person).union_id,
                now=clock.now(),
            )
    shop.drain()
    with transaction() as session:
        session.execute(update(MessageWindow).values(remaining=0))
    return shop


def launched(shop: Shop) -> Campaign:
    with transaction() as session:
        campaign = make_campaign(session, message="{昵称}，给你留了「{券名}」，{到期日}前来。")
        campaigns.launch(session, campaign, actor="staff:1", now=clock.now())
    shop.drain()
    return campaign


def gathered(shop: Shop) -> None:
    with transaction() as session:
        due = update(OutboxJob).where(OutboxJob.name == "crm.campaign_mass")
        session.execute(due.values(run_at=clock.now()))
    shop.drain()


def finish(shop: Shop, status: str = "send success") -> None:
    for mass in shop.world.masses.list():
        wechat_masses.finish(shop.world, mass.msg_id, status)
    shop.drain()


def states() -> dict[RecipientState, int]:
    with reading() as session:
        found = session.execute(select(Recipient.state, func.count()).group_by(Recipient.state))
        return dict(found.all())


def used() -> dict[str, int]:
    with reading() as session:
        return quotas.used_by(session, OFFICIAL, [OPENIDS[p] for p in PEOPLE], clock.now())


OPENIDS: dict[str, str] = {}


@pytest.fixture(autouse=True)
def _openids(shop: Shop) -> None:
    OPENIDS.update({person: shop.openid(person) for person in PEOPLE})


def test_who_has_no_cheaper_way_is_broadcast_to_together(quiet: Shop) -> None:
    with transaction() as session:
        window = update(MessageWindow).where(MessageWindow.openid == OPENIDS["aqing"])
        session.execute(window.values(remaining=5, expires_at=clock.now() + timedelta(hours=1)))

    campaign = launched(quiet)
    assert states() == {RecipientState.sent: 1, RecipientState.issued: 2}
    gathered(quiet)

    assert states() == {RecipientState.sent: 1, RecipientState.sending: 2}
    mass = quiet.world.masses.list()[-1]
    assert sorted(mass.touser) == sorted([OPENIDS["xiaozhou"], OPENIDS["zhixia"]])
    finish(quiet)
    assert states() == {RecipientState.sent: 3}
    with reading() as session:
        assert session.get_one(Campaign, campaign.id).state is CampaignState.finished
        progress = queries.progress(session, session.get_one(Campaign, campaign.id))
        assert progress.count(RecipientState.sent) == 3
        messages = session.scalars(select(OutboundMessage.state)).all()
        assert set(messages) <= {OutboundState.sent, OutboundState.failed}
        assert session.scalar(select(func.count()).select_from(Coupon)) == 3
    told = [m["text"] for m in quiet.chat("zhixia") if "给你留了" in m.get("text", "")]
    assert len(told) == 1
    assert told[0].startswith("给你留了") or told[0].startswith("你，给你留了")
    assert used() == {OPENIDS["xiaozhou"]: 1, OPENIDS["zhixia"]: 1}


def test_a_refusal_of_the_whole_fails_everybody_and_gives_back(quiet: Shop) -> None:
    launched(quiet)
    gathered(quiet)

    finish(quiet, "err(20002)")

    assert states() == {RecipientState.failed: 3}
    assert set(used().values()) == {0}
    with reading() as session:
        assert session.scalar(select(func.count()).select_from(MarketingContact)) == 0
        assert set(session.scalars(select(Recipient.skip_reason))) == {"broadcast_failed"}
        assert session.scalars(select(Campaign)).one().state is CampaignState.finished


def cut(shop: Shop) -> Campaign:
    """A campaign whose request is cut and not asked for yet."""
    campaign = launched(shop)
    run_inline("crm.campaign_mass", campaign_id=campaign.id)
    assert states() == {RecipientState.sending: 3}
    return campaign


def test_a_kill_calls_back_what_wechat_was_not_asked_for(quiet: Shop) -> None:
    campaign = cut(quiet)
    with transaction() as session:
        fresh = session.get_one(Campaign, campaign.id)
        campaigns.kill(session, fresh, actor="staff:1", now=clock.now())
    quiet.drain()

    assert quiet.world.masses.list() == []
    assert states() == {RecipientState.skipped: 3}
    assert set(used().values()) == {0}
    with reading() as session:
        assert session.scalar(select(func.count()).select_from(MarketingContact)) == 0
        assert set(session.scalars(select(Recipient.skip_reason))) == {"stopped"}
        assert session.execute(select(MassSend.state, MassSend.status)).all() == [
            ("failed", "stopped")
        ]
        assert session.get_one(Campaign, campaign.id).state is CampaignState.killed
        progress = queries.progress(session, session.get_one(Campaign, campaign.id))
        assert progress.skipped == {"stopped": 3}


def test_a_pause_holds_a_request_up_until_it_is_over(quiet: Shop) -> None:
    campaign = cut(quiet)
    with transaction() as session:
        fresh = session.get_one(Campaign, campaign.id)
        campaigns.pause(session, fresh, actor="staff:1", now=clock.now())
    quiet.drain()
    assert quiet.world.masses.list() == []
    assert states() == {RecipientState.sending: 3}

    with transaction() as session:
        fresh = session.get_one(Campaign, campaign.id)
        campaigns.resume(session, fresh, actor="staff:1", now=clock.now())
    quiet.drain()

    (mass,) = quiet.world.masses.list()
    assert sorted(mass.touser) == sorted(OPENIDS.values())


def test_a_request_of_the_night_waits_for_the_morning(
    quiet: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut(quiet)
    monkeypatch.setattr(sending, "quiet_until", lambda _, __, now: now + timedelta(hours=1))
    quiet.drain()
    assert quiet.world.masses.list() == []

    monkeypatch.undo()
    with transaction() as session:
        long_ago = clock.now() - timedelta(minutes=16)
        session.execute(update(MassSend).values(changed_at=long_ago))
        enqueue(session, "messaging.sweep_broadcasts")
    quiet.drain()

    assert len(quiet.world.masses.list()) == 1


def test_one_person_alone_has_failed_when_nobody_else_comes(quiet: Shop) -> None:
    for person in PEOPLE[1:]:
        quiet.unfollow(person)

    launched(quiet)
    gathered(quiet)

    found = states()
    assert found[RecipientState.failed] == 1
    with reading() as session:
        lost = session.scalars(
            select(Recipient).where(Recipient.state == RecipientState.failed)
        ).one()
        assert lost.skip_reason == "broadcast_alone"
        assert session.scalars(select(MassSend)).all() == []
    assert set(used().values()) <= {0}


def test_a_dead_worker_leaves_no_broadcast_recipient_stuck_or_asked_twice(quiet: Shop) -> None:
    launched(quiet)
    gathered(quiet)
    with transaction() as session:
        hour_ago = clock.now() - timedelta(hours=1)
        session.execute(update(Recipient).values(state_at=hour_ago))
        session.execute(update(OutboundMessage).values(changed_at=hour_ago))

        enqueue(session, "crm.sweep_campaigns")
        enqueue(session, "messaging.sweep")
    quiet.drain()
    gathered(quiet)

    assert states() == {RecipientState.sending: 3}
    assert len(quiet.world.masses.list()) == 1
    finish(quiet)
    assert states() == {RecipientState.sent: 3}


def test_forecast_and_plan_agree_and_a_saved_broadcast_is_kept(quiet: Shop) -> None:
    with transaction() as session:
        quotas.spend(session, OFFICIAL, [OPENIDS["aqing"]], now=clock.now())
        full = update(BroadcastQuota).where(BroadcastQuota.openid == OPENIDS["aqing"])
        session.execute(full.values(used=3))
    with reading() as session:
        merchant = make_merchant(session)
        everybody = {"op": "and", "rules": []}
        found = reach.forecast(session, merchant_id=merchant.id, rule=everybody, now=clock.now())
        people = session.scalars(select(members.Member.person_id)).all()
        plans = planning.plan_channels(
            session,
            merchant_id=merchant.id,
            person_ids=people,
            template=reach.MOMENT,
            policy=policies.policy_of(session, merchant.id),
            now=clock.now(),
        )
        alone = planning.plan_channels(
            session,
            merchant_id=merchant.id,
            person_ids=people,
            template=reach.MOMENT,
            now=clock.now(),
        )

    assert (found.reachable, found.channels) == (2, {Channel.broadcast: 2})
    assert found.reasons == {"no_broadcast": 1}
    answers = [plan.channel or plan.reason for plan in plans.values()]
    assert sorted(answers) == [Channel.broadcast, Channel.broadcast, "no_broadcast"]
    # Whoever writes to one person at a time is never told to broadcast.
    assert {plan.reason for plan in alone.values()} == {"no_window"}


@pytest.mark.parametrize(
    ("refusing", "ended", "heard"),
    [
        (["zhixia"], {RecipientState.failed: 1, RecipientState.sent: 2}, 2),
        (["zhixia", "xiaozhou", "aqing"], {RecipientState.failed: 3}, 0),
    ],
)
def test_whoever_refuses_before_the_broadcast_is_not_in_it(
    quiet: Shop, refusing: list[str], ended: dict[RecipientState, int], heard: int
) -> None:
    launched(quiet)
    with transaction() as session:
        for person in refusing:
            of = select(Identity.person_id).where(Identity.openid == OPENIDS[person])
            member = session.scalars(select(Member).where(Member.person_id.in_(of))).one()
            consent.change(session, member, marketing=False, now=clock.now())

    gathered(quiet)
    finish(quiet)

    assert states() == ended
    assert sum(len(mass.touser) for mass in quiet.world.masses.list()) == heard
    assert used() == {OPENIDS[p]: 1 for p in PEOPLE if p not in refusing}
    with reading() as session:
        lost = select(Recipient.skip_reason).where(Recipient.state == RecipientState.failed)
        assert set(session.scalars(lost)) == {"no_consent"}
        assert session.scalar(select(func.count()).select_from(MarketingContact)) == heard
        assert session.scalars(select(Campaign)).one().state is CampaignState.finished


def test_a_killed_campaign_hands_nobody_over(quiet: Shop) -> None:
    campaign = launched(quiet)
    with transaction() as session:
        campaigns.kill(
            session, session.get_one(Campaign, campaign.id), actor="staff:1", now=clock.now()
        )
    quiet.drain()
    gathered(quiet)

    assert states() == {RecipientState.skipped: 3}
    with reading() as session:
        assert session.scalars(select(Broadcast)).all() == []
    assert used() == {}
