"""Messages of a campaign against the sandbox: one each, whatever breaks in between."""

import time
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

import tasks.campaigns
from core import clock
from core.database import reading, transaction
from core.outbox import JobState, OutboxJob
from coupons.models import Coupon
from crm import campaigns, consent, contacts, members
from crm.campaigns import queries, sending, tallies
from crm.models import (
    Campaign,
    CampaignState,
    CampaignTally,
    MarketingContact,
    Member,
    Recipient,
    RecipientState,
)
from messaging import followers as messaging_followers
from messaging import grants, remote, suppression
from messaging.models import (
    Channel,
    Follower,
    MessageWindow,
    OutboundMessage,
    OutboundState,
    Suppression,
)
from people.models import Identity
from sandbox.demo_config import SUBSCRIBE_TEMPLATES
from tests.factories.campaigns import MINI, OFFICIAL, make_campaign
from tests.factories.crm import make_merchant
from tests.wechat_world import Shop
from tests.working import run_inline

PEOPLE = ("aqing", "xiaozhou", "zhixia")


@pytest.fixture
def followers(shop: Shop) -> Shop:
    """Three people follow and have just written something."""
    with transaction() as session:
        merchant_id = make_merchant(session).id
    for person in PEOPLE:
        shop.follow(person)
        shop.say(person, "在吗")
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
    return shop


def launch(**values: Any) -> int:
    now = clock.now()
    with transaction() as session:
        campaign = make_campaign(session, now=now, message="桂花拿铁回来了", **values)
        campaigns.launch(session, campaign, actor="staff:2", now=now)
        return campaign.id


def state_of(campaign_id: int) -> CampaignState:
    with reading() as session:
        return session.get_one(Campaign, campaign_id).state


def states(campaign_id: int) -> dict[str, int]:
    with reading() as session:
        campaign = session.get_one(Campaign, campaign_id)
        found = queries.progress(session, campaign).states
        return {state.value: number for state, number in found.items()}


def heard(shop: Shop) -> list[int]:
    """How many campaign messages each person has seen."""
    return [
        sum("桂花拿铁回来了" in str(message) for message in shop.chat(person)) for person in PEOPLE
    ]


def coupons_issued(campaign_id: int) -> int:
    with reading() as session:
        mine = Coupon.source == f"campaign:{campaign_id}"
        return session.scalar(select(func.count(Coupon.id)).where(mine)) or 0


def windows_left(session: Session) -> list[int | None]:
    return list(session.scalars(select(MessageWindow.remaining).order_by(MessageWindow.id)))


def member_of(session: Session, openid: str) -> Member:
    person = select(Identity.person_id).where(Identity.openid == openid)
    return session.scalars(select(Member).where(Member.person_id.in_(person))).one()


def bring_forward() -> None:
    """As if the waiting time of every job were over."""
    with transaction() as session:
        session.execute(
            update(OutboxJob)
            .where(OutboxJob.state == JobState.waiting)
            .values(run_at=clock.now() - timedelta(seconds=1))
        )


def test_everybody_gets_one_coupon_and_one_message(followers: Shop):
    campaign_id = launch()

    followers.drain()

    assert heard(followers) == [1, 1, 1]
    assert states(campaign_id) == {"sent": 3}
    assert state_of(campaign_id) is CampaignState.finished
    assert coupons_issued(campaign_id) == 3


def test_a_granted_subscribe_message_arrives_in_the_words_of_its_template(followers: Shop):
    about_coupons = SUBSCRIBE_TEMPLATES["coupon_arrived"]
    with transaction() as session:
        stranger = members.recognise(
            session,
            merchant_id=make_merchant(session).id,
            kind="mini",
            appid=MINI,
            openid=followers.openid("aqing", MINI),
            union_id="somebody-else",
            now=clock.now(),
        )
        grants.add(
            session,
            appid=MINI,
            openid=followers.openid("aqing", MINI),
            template_id=about_coupons,
            now=clock.now(),
        )
    answers = {"appid": MINI, "answers": {about_coupons: "accept"}}
    followers.app_post("people/aqing/subscribe", answers)
    campaign_id = launch()

    followers.drain()

    assert states(campaign_id) == {"sent": 4}
    with reading() as session:
        row = session.scalars(select(Recipient).where(Recipient.member_id == stranger.id)).one()
        assert (row.channel, row.state) == (Channel.subscribe, RecipientState.sent)
    [message] = followers.chat("aqing", MINI)
    assert "见面礼" in str(message)


def test_copies_of_every_job_change_nothing(followers: Shop):
    campaign_id = launch()
    followers.drain()
    with reading() as session:
        rows = [
            (row.name, row.args)
            for row in session.scalars(
                select(OutboxJob).where(OutboxJob.name.startswith("crm.campaign"))
            )
        ]

    for name, args in rows * 2:
        run_inline(name, **args)
    followers.drain()

    assert heard(followers) == [1, 1, 1]
    assert coupons_issued(campaign_id) == 3


def test_no_answer_leaves_unknown_and_is_never_sent_again(followers: Shop):
    followers.fault(api="api.custom_send", kind="drop_after", times=1)
    campaign_id = launch()

    followers.drain()
    for _ in range(3):
        run_inline("crm.sweep_campaigns")
        bring_forward()
        followers.drain()

    assert heard(followers) == [1, 1, 1]
    assert states(campaign_id) == {"sent": 2, "unknown": 1}
    assert state_of(campaign_id) is CampaignState.finished


def test_a_fault_of_ours_is_raised_after_the_others_were_recorded(
    followers: Shop, monkeypatch: pytest.MonkeyPatch
):
    campaign_id = launch()
    call, unlucky = remote.call, followers.openid("xiaozhou")

    def stumble(message: OutboundMessage, *, with_card: bool) -> str:
        if message.openid == unlucky:
            raise KeyError("thumb_media_id")
        return call(message, with_card=with_card)

    monkeypatch.setattr(remote, "call", stumble)

    ran = followers.drain()

    assert "crm.campaign_send:failed" in ran
    assert states(campaign_id) == {"sent": 2, "unknown": 1}
    assert heard(followers) == [1, 0, 1]


def test_what_was_answered_is_recorded_while_others_are_waited_for(
    followers: Shop, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(tasks.campaigns, "TURN", 1)
    campaign_id = launch()
    call, last = remote.call, followers.openid("zhixia")
    seen: dict[str, int] = {}

    def slow(message: OutboundMessage, *, with_card: bool) -> str:
        deadline = time.monotonic() + 10
        while message.openid == last and seen.get("sent", 0) < 2 and time.monotonic() < deadline:
            time.sleep(0.01)
            seen.update(states(campaign_id))
        return call(message, with_card=with_card)

    monkeypatch.setattr(remote, "call", slow)

    followers.drain()

    assert seen == {"sent": 2, "sending": 1}
    assert states(campaign_id) == {"sent": 3}


@pytest.mark.parametrize("errcode", [-1, 45009, 45011])
def test_a_busy_wechat_is_asked_again_later(followers: Shop, errcode: int):
    followers.fault(api="api.custom_send", kind="error", errcode=errcode, times=10)
    campaign_id = launch()

    ran = followers.drain()
    assert "crm.campaign_send:later" in ran
    assert states(campaign_id) == {"issued": 3}

    followers.world.faults.remove()
    bring_forward()
    followers.drain()

    assert heard(followers) == [1, 1, 1]
    assert states(campaign_id) == {"sent": 3}


def test_a_refusal_is_a_failure_and_keeps_the_coupon(followers: Shop):
    followers.fault(api="api.custom_send", kind="error", errcode=45015, times=1)
    campaign_id = launch()

    followers.drain()

    assert states(campaign_id) == {"sent": 2, "failed": 1}
    assert coupons_issued(campaign_id) == 3


def test_a_pause_is_seen_before_the_next_message(followers: Shop):
    campaign_id = launch()
    followers.drain(but=("crm.campaign_send",))
    with transaction() as session:
        campaign = session.get_one(Campaign, campaign_id)
        campaigns.pause(session, campaign, actor="staff:2", now=clock.now())

    followers.drain()
    assert heard(followers) == [0, 0, 0]
    assert states(campaign_id) == {"issued": 3}

    with transaction() as session:
        campaign = session.get_one(Campaign, campaign_id)
        campaigns.resume(session, campaign, actor="staff:2", now=clock.now())
    followers.drain()

    assert heard(followers) == [1, 1, 1]
    assert state_of(campaign_id) is CampaignState.finished


def test_whoever_refuses_marketing_while_the_message_waits_hears_nothing(followers: Shop):
    campaign_id = launch()
    followers.drain(but=("crm.campaign_send",))
    with transaction() as session:
        before = windows_left(session)
        member = member_of(session, followers.openid("zhixia"))
        consent.change(session, member, marketing=False, now=clock.now())

    followers.drain()

    assert heard(followers) == [1, 1, 0]
    assert states(campaign_id) == {"sent": 2, "failed": 1}
    assert state_of(campaign_id) is CampaignState.finished
    assert coupons_issued(campaign_id) == 3
    with reading() as session:
        lost = session.scalars(select(Recipient).where(Recipient.member_id == member.id)).one()
        assert (lost.skip_reason, lost.errcode) == ("no_consent", None)
        message = session.get_one(OutboundMessage, lost.outbound_id)
        assert (message.state, message.first_sent_at) == (OutboundState.failed, None)
        noted = set(session.scalars(select(MarketingContact.member_id)))
        assert len(noted) == 2
        assert member.id not in noted
        assert sum(w or 0 for w in before) - sum(w or 0 for w in windows_left(session)) == 2


def test_coupons_that_run_out_pause_the_campaign_with_the_reason(followers: Shop):
    campaign_id = launch(template={"total_limit": 2})

    followers.drain()

    with reading() as session:
        campaign = session.get_one(Campaign, campaign_id)
        assert campaign.state is CampaignState.paused
        assert queries.history(session, campaign)[-1].reason == "「见面礼」已经领完了"
    assert coupons_issued(campaign_id) == 0
    assert heard(followers) == [0, 0, 0]


def test_quiet_hours_hold_everything_back(followers: Shop):
    hour = clock.local(clock.now()).hour
    campaign_id = launch(quiet_hours=(hour, (hour + 2) % 24))

    assert followers.drain() == ["crm.campaign_batch:later"]
    assert coupons_issued(campaign_id) == 0


def test_the_merchants_quiet_hours_hold_every_campaign(followers: Shop):
    campaign_id = launch()
    now = clock.now()
    hour = clock.local(now).hour
    with transaction() as session:
        merchant_id = make_merchant(session).id
        quiet = (hour, (hour + 2) % 24)
        contacts.set_rules(session, merchant_id, quiet_hours=quiet, actor="staff:1", now=now)

    assert followers.drain() == ["crm.campaign_batch:later"]
    assert coupons_issued(campaign_id) == 0


def test_a_scheduled_campaign_launches_by_itself_unless_taken_back(followers: Shop):
    now = clock.now()
    with transaction() as session:
        kept, dropped = make_campaign(session, now=now), make_campaign(session, now=now)
        for campaign in (kept, dropped):
            campaigns.schedule(
                session, campaign, at=now + timedelta(hours=1), actor="staff:2", now=now
            )
        campaigns.unschedule(session, dropped, actor="staff:2", now=now)
    assert followers.drain() == []

    with transaction() as session:
        session.execute(update(Campaign).values(scheduled_at=now))
    bring_forward()
    followers.drain()

    assert state_of(kept.id) is CampaignState.finished
    assert state_of(dropped.id) is CampaignState.approved


@pytest.mark.parametrize(
    ("left", "settled"),
    [
        (OutboundState.prepared, RecipientState.issued),
        (OutboundState.sending, RecipientState.unknown),
        (OutboundState.unknown, RecipientState.unknown),
        (OutboundState.sent, RecipientState.sent),
        (OutboundState.failed, RecipientState.failed),
    ],
)
def test_what_a_dead_worker_left_is_settled_by_what_is_known(
    followers: Shop, left: OutboundState, settled: RecipientState
):
    launch()
    followers.drain(but=("crm.campaign_send",))
    began = clock.now()
    with transaction() as session:
        row = session.scalars(select(Recipient)).first()
        assert row is not None
        sending.start(session, row.campaign_id, row.id, row.id, now=began)
        session.execute(
            update(OutboundMessage).where(OutboundMessage.id == row.outbound_id).values(state=left)
        )

    with transaction() as session:
        assert sending.settle_stuck(session, now=began + timedelta(minutes=9)) == 0
        assert sending.settle_stuck(session, now=began + timedelta(minutes=11)) == 1

    with reading() as session:
        assert session.get_one(Recipient, row.id).state is settled


def test_a_receiver_who_refuses_is_left_alone_and_keeps_room_under_the_cap(followers: Shop):
    followers.fault(api="api.custom_send", kind="error", errcode=48002, times=1)
    campaign_id = launch()
    followers.drain()
    assert states(campaign_id) == {"sent": 2, "failed": 1}
    with reading() as session:
        row = session.scalars(
            select(Recipient).where(Recipient.state == RecipientState.failed)
        ).one()
        assert (row.errcode, row.skip_reason) == (48002, "refused")
        noted = session.scalars(select(MarketingContact.member_id)).all()
        assert len(noted) == 2
        assert row.member_id not in noted
        [barred] = session.scalars(select(Suppression)).all()
        assert (barred.appid, barred.reason) == (OFFICIAL, "refused")
        assert barred.until - barred.at == timedelta(days=90)

    again = launch()
    followers.drain()

    assert states(again) == {"sent": 2}
    with reading() as session:
        skipped = select(Recipient.skip_reason).where(
            Recipient.campaign_id == again, Recipient.member_id == row.member_id
        )
        assert session.scalars(skipped).one() == "suppressed"
        openids = set(session.scalars(select(Follower.openid)))
        now = clock.now()
        assert suppression.list_suppressed(session, [OFFICIAL], list(openids), now) == {
            (OFFICIAL, barred.openid)
        }
    with transaction() as session:  # following again is a word, too
        followed = messaging_followers.follow
        followed(session, appid=OFFICIAL, openid=barred.openid, at=clock.now())
        assert session.scalars(select(Suppression)).all() == []


@pytest.mark.parametrize(
    ("errcode", "advice"),
    [(43116, "模板"), (45168, "文字"), (48004, "受限")],
)
def test_what_every_message_would_hear_pauses_and_costs_nobody(
    followers: Shop, errcode: int, advice: str
):
    followers.fault(api="api.custom_send", kind="error", errcode=errcode, times=9)
    with reading() as session:
        before = windows_left(session)
    campaign_id = launch()
    followers.drain()

    assert state_of(campaign_id) is CampaignState.paused
    assert states(campaign_id) == {"issued": 3}
    with reading() as session:
        campaign = session.get_one(Campaign, campaign_id)
        reason = queries.history(session, campaign)[-1].reason
        assert advice in reason
        assert f"微信 {errcode}" in reason
        assert windows_left(session) == before  # what was taken out is back

    followers.world.faults.remove()
    with transaction() as session:
        campaign = session.get_one(Campaign, campaign_id)
        campaigns.resume(session, campaign, actor="staff:2", now=clock.now())
    followers.drain()

    assert heard(followers) == [1, 1, 1]
    assert states(campaign_id) == {"sent": 3}


def test_tallies_are_what_a_count_would_be_after_everything(followers: Shop):
    followers.fault(api="api.custom_send", kind="error", errcode=48002, times=1)
    followers.fault(api="api.custom_send", kind="drop_after", times=1)
    campaign_id = launch(holdout_bp=2_000)
    followers.drain()
    killed = launch()
    followers.drain(but=("crm.campaign_send",))
    with transaction() as session:
        campaign = session.get_one(Campaign, killed)
        campaigns.kill(session, campaign, actor="staff:2", now=clock.now())
    followers.drain()

    for each in (campaign_id, killed):
        with transaction() as session:
            summed, coupons = tallies.read(session, each), tallies.count_coupons(session, each)
            tallies.recount(session, each)
            assert (tallies.read(session, each), tallies.count_coupons(session, each)) == (
                summed,
                coupons,
            )
        assert coupons == coupons_issued(each)


def test_many_parts_become_their_sums(followers: Shop):
    campaign_id = launch()
    issued, planned = (
        tallies.reached(state) for state in (RecipientState.issued, RecipientState.planned)
    )
    with transaction() as session:
        before = tallies.read(session, campaign_id)
        for _ in range(tallies.MANY):
            tallies.move(session, campaign_id, planned, [issued])
            tallies.move(session, campaign_id, issued, [planned])
        assert tallies.compact(session, campaign_id)
        assert not tallies.compact(session, campaign_id)

        assert tallies.read(session, campaign_id) == before
        assert session.scalar(select(func.count()).select_from(CampaignTally)) == 1


def test_what_was_left_lying_is_queued_again(followers: Shop):
    campaign_id = launch()
    followers.drain(but=("crm.campaign_send",))
    with transaction() as session:
        session.execute(
            update(OutboxJob)
            .where(OutboxJob.name == "crm.campaign_send")
            .values(state=JobState.dead)
        )
        session.execute(update(Recipient).values(state_at=clock.now() - timedelta(minutes=11)))

    run_inline("crm.sweep_campaigns")
    followers.drain()

    assert heard(followers) == [1, 1, 1]
    assert state_of(campaign_id) is CampaignState.finished
