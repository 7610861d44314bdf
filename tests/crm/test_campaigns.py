"""Who is reached is settled before anything is issued, and each move is made once."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import func, literal, select, text
from sqlalchemy.orm import Session

from core.outbox import OutboxJob
from core.rows import NotMoved
from coupons.errors import GoneAlready
from coupons.models import Coupon, CouponTemplate
from crm import campaigns, contacts, merging
from crm.campaigns import holdout, moving, queries
from crm.campaigns.drafting import Draft
from crm.errors import CampaignInvalid, CampaignMoved
from crm.models import (
    Arm,
    Campaign,
    CampaignState,
    CampaignWave,
    Member,
    Recipient,
    RecipientState,
)
from messaging import planning, suppression
from messaging.models import Channel, MessageWindow, OutboundMessage
from tests.factories.campaigns import (
    EVERYBODY,
    MINI,
    grant,
    make_campaign,
    make_follower,
    make_granter,
    make_identity,
    make_talker,
    open_window,
)
from tests.factories.crm import make_member, make_merchant, make_person


def run_to_end(session: Session, campaign: Campaign, now: datetime, size: int = 500) -> list[int]:
    issued = []
    while (batch := campaigns.next_batch(session, campaign.id, now=now, size=size)) is not None:
        issued.append(batch.issued)
    session.refresh(campaign)
    return issued


def recipient(session: Session, campaign: Campaign, member: Member) -> Recipient:
    return session.scalars(
        select(Recipient)
        .where(Recipient.campaign_id == campaign.id, Recipient.member_id == member.id)
        .execution_options(populate_existing=True)
    ).one()


def wave(session: Session, campaign: Campaign) -> CampaignWave:
    """The only one of a plain campaign."""
    return session.scalars(
        select(CampaignWave)
        .where(CampaignWave.campaign_id == campaign.id)
        .execution_options(populate_existing=True)
    ).one()


def queued(session: Session, name: str) -> list[dict[str, int]]:
    return list(session.scalars(select(OutboxJob.args).where(OutboxJob.name == name)))


def make_crowd(session: Session, now: datetime) -> dict[str, Member]:
    """One of every kind."""
    stranger = make_member(session, person=make_person(session))
    buyer = make_member(session, person=make_person(session))
    make_identity(session, buyer, MINI)
    quiet = make_member(session, person=make_person(session))
    make_follower(session, quiet)
    late = make_member(session, person=make_person(session))
    open_window(session, make_follower(session, late), until=now)
    spent = make_member(session, person=make_person(session))
    open_window(session, make_follower(session, spent), remaining=0)
    gone = make_member(session, person=make_person(session))
    open_window(session, make_follower(session, gone, subscribed=False))
    elsewhere = make_member(session, person=make_person(session))
    grant(session, make_identity(session, elsewhere, MINI), template_id="another")
    barred = make_member(session, person=make_person(session))
    blocked = make_follower(session, barred)
    open_window(session, blocked)
    suppression.note(session, [(blocked.appid, blocked.openid, 48002)], now=now)
    return {
        "talker": make_talker(session),
        "granter": make_granter(session),
        "refuser": make_talker(session, marketing_consent=False),
        "stranger": stranger,
        "buyer": buyer,
        "quiet": quiet,
        "late": late,
        "spent": spent,
        "gone": gone,
        "elsewhere": elsewhere,
        "barred": barred,
    }


def test_launch_decides_for_everybody_before_anything_is_issued(session: Session, now: datetime):
    crowd = make_crowd(session, now)
    campaign = make_campaign(session)

    assert campaigns.launch(session, campaign, actor="staff:2", now=now) == len(crowd)

    rows = {name: recipient(session, campaign, member) for name, member in crowd.items()}
    assert {name: row.skip_reason or row.channel for name, row in rows.items()} == {
        "talker": Channel.customer_service,
        "granter": Channel.subscribe,
        "refuser": "no_consent",
        "stranger": "no_identity",
        "buyer": "not_following",
        "quiet": "no_window",
        "late": "no_window",
        "spent": "no_window",
        "gone": "not_following",
        "elsewhere": "not_following",
        "barred": "suppressed",
    }
    assert {row.arm for row in rows.values() if row.skip_reason} == {Arm.none}
    assert session.scalar(select(func.count(Coupon.id))) == 0
    assert campaign.state is CampaignState.running
    assert (campaign.audience_count, campaign.rule) == (len(crowd), EVERYBODY)
    assert queued(session, "crm.campaign_batch") == [
        {"campaign_id": campaign.id, "wave_id": wave(session, campaign).id}
    ]
    steps = [(move.from_state, move.to_state) for move in queries.history(session, campaign)]
    assert steps == [
        (None, "draft"),
        ("draft", "approved"),
        ("approved", "scheduled"),
        ("scheduled", "running"),
    ]


def test_the_set_based_answer_is_the_planners(session: Session, now: datetime):
    crowd = make_crowd(session, now)
    campaign = make_campaign(session)
    campaigns.launch(session, campaign, actor="staff:2", now=now)

    plans = planning.plan_channels(
        session,
        merchant_id=campaign.merchant_id,
        person_ids=[member.person_id for member in crowd.values()],
        template="coupon_arrived",
        now=now,
    )

    for name, member in crowd.items():
        if name == "refuser":
            continue
        row, plan = recipient(session, campaign, member), plans[member.person_id]
        assert (row.channel, row.skip_reason or "") == (plan.channel, plan.reason), name


def test_the_forecast_is_what_a_launch_finds(session: Session, now: datetime):
    crowd = make_crowd(session, now)
    campaign = make_campaign(session, holdout_bp=5_000)

    expected = queries.forecast_campaign(session, campaign, now)
    campaigns.launch(session, campaign, actor="staff:2", now=now)

    progress = queries.progress(session, campaign)
    assert (expected.total, expected.reachable, expected.holdout) == (len(crowd), 2, 1)
    assert expected.channels == {Channel.customer_service: 1, Channel.subscribe: 1}
    assert expected.reasons == progress.skipped
    assert (progress.audience, progress.reach + progress.held_out) == (
        expected.total,
        expected.reachable,
    )


def test_the_hold_out_is_drawn_among_the_reachable_only(session: Session, now: datetime):
    talkers = [make_talker(session) for _ in range(40)]
    make_member(session, person=make_person(session))
    campaign = make_campaign(session, holdout_bp=3_000)
    expected = {
        member.id
        for member in talkers
        if holdout.held_out(member.id, seed=campaign.seed, share_bp=3_000)
    }

    campaigns.launch(session, campaign, actor="staff:2", now=now)
    run_to_end(session, campaign, now)

    found = session.scalars(select(Recipient.member_id).where(Recipient.arm == Arm.holdout))
    assert set(found) == expected
    owners = set(session.scalars(select(Coupon.member_id)))
    assert owners == {member.id for member in talkers} - expected
    assert queries.progress(session, campaign).held_out == len(expected)


@settings(deadline=None)
@given(seed=st.integers(0, 2**31 - 1), share_bp=st.sampled_from([500, 1_000, 5_000]))
def test_the_share_held_out_is_close_to_what_was_asked(seed: int, share_bp: int):
    held = sum(holdout.held_out(n, seed=seed, share_bp=share_bp) for n in range(1, 10_001))

    assert abs(held - share_bp) < 300  # six standard deviations


@pytest.mark.parametrize("member_id", [1, 7, 2**31 - 2, 2**31, 2**40 + 3])
def test_sql_and_python_hold_out_the_same(session: Session, member_id: int):
    for seed in range(20):
        clause = holdout.held_out(literal(member_id), seed=seed, share_bp=4_000)
        found = bool(session.scalar(select(clause)))
        assert found == holdout.held_out(member_id, seed=seed, share_bp=4_000)


def test_batches_issue_once_and_plan_one_message_each(session: Session, now: datetime):
    talkers = [make_talker(session) for _ in range(5)]
    granter = make_granter(session)
    campaign = make_campaign(session)
    campaigns.launch(session, campaign, actor="staff:2", now=now)

    assert run_to_end(session, campaign, now, size=2) == [2, 2, 2, 0]

    assert wave(session, campaign).issued_all
    assert campaign.state is CampaignState.running
    owners = session.scalars(select(Coupon.member_id)).all()
    assert sorted(owners) == sorted(member.id for member in (*talkers, granter))
    assert session.scalar(select(func.count(OutboundMessage.id))) == 6
    row = recipient(session, campaign, granter)
    assert (row.state, row.channel) == (RecipientState.issued, Channel.subscribe)
    message = session.get_one(OutboundMessage, row.outbound_id)
    assert message.payload["data"]["thing1"] == "见面礼"
    chat = session.get_one(OutboundMessage, recipient(session, campaign, talkers[0]).outbound_id)
    assert chat.payload["text"].startswith("林小满，给你留了「见面礼」，11 月 29 日前有效。\n")
    assert "pages/coupons/coupons" in chat.payload["text"]
    ranges = queued(session, "crm.campaign_send")
    assert sum(job["last_id"] - job["first_id"] + 1 for job in ranges) == 6


def test_a_campaign_replayed_from_zero_issues_nothing_twice(session: Session, now: datetime):
    for _ in range(4):
        make_talker(session)
    campaign = make_campaign(session)
    campaigns.launch(session, campaign, actor="staff:2", now=now)
    run_to_end(session, campaign, now, size=2)
    template = session.get_one(CouponTemplate, campaign.template_id, populate_existing=True)
    assert template.issued_count == 4

    campaign.cursor, campaign.issued_all = 0, False
    for row in session.scalars(select(Recipient)):
        row.state = RecipientState.planned
        row.coupon_id = row.outbound_id = None
    session.flush()
    run_to_end(session, campaign, now, size=3)

    session.refresh(template)
    assert template.issued_count == 4
    assert session.scalar(select(func.count(Coupon.id))) == 4
    assert session.scalar(select(func.count(OutboundMessage.id))) == 4


def test_a_slice_that_was_taken_is_left_alone(session: Session, now: datetime):
    make_talker(session)
    campaign = make_campaign(session)
    campaigns.launch(session, campaign, actor="staff:2", now=now)
    campaigns.pause(session, campaign, actor="staff:2", now=now)

    assert campaigns.next_batch(session, campaign.id, now=now) is None
    assert session.scalar(select(func.count(Coupon.id))) == 0

    campaigns.resume(session, campaign, actor="staff:2", now=now)
    assert run_to_end(session, campaign, now) == [1, 0]


def test_whoever_cannot_be_reached_any_more_gets_no_coupon(session: Session, now: datetime):
    closed, refused, fine = make_talker(session), make_talker(session), make_talker(session)
    campaign = make_campaign(session)
    campaigns.launch(session, campaign, actor="staff:2", now=now)
    refused.marketing_consent = False
    [identity] = session.scalars(
        select(MessageWindow).where(
            MessageWindow.openid
            == select(planning.Identity.openid)
            .where(planning.Identity.person_id == closed.person_id)
            .scalar_subquery()
        )
    )
    identity.remaining = 0
    session.flush()

    run_to_end(session, campaign, now)

    assert recipient(session, campaign, closed).skip_reason == "no_window"
    assert recipient(session, campaign, refused).skip_reason == "no_consent"
    assert session.scalars(select(Coupon.member_id)).all() == [fine.id]
    assert queries.progress(session, campaign).skipped == {"no_window": 1, "no_consent": 1}


@pytest.mark.parametrize("state", ["issued", "skipped"])
def test_a_slice_is_written_down_whole_or_not_at_all(session: Session, now: datetime, state: str):
    """A row that moved between our reading and our writing: its coupon must not stay."""
    refused = make_talker(session)
    make_talker(session)
    campaign = make_campaign(session)
    campaigns.launch(session, campaign, actor="staff:2", now=now)
    refused.marketing_consent = False
    session.execute(
        text(
            "create trigger unmoved before update on campaign_recipients"
            f" when new.state = '{state}' begin select raise(ignore); end"
        )
    )
    session.commit()

    with pytest.raises(NotMoved):
        campaigns.next_batch(session, campaign.id, now=now)
    session.rollback()

    assert wave(session, campaign).cursor == 0
    assert session.scalar(select(func.count(Coupon.id))) == 0


def test_nobody_beyond_the_upper_bound_slips_in(session: Session, now: datetime):
    make_talker(session)
    campaign = make_campaign(session)
    campaigns.launch(session, campaign, actor="staff:2", now=now)
    make_talker(session)

    run_to_end(session, campaign, now)

    assert session.scalar(select(func.count(Coupon.id))) == 1


def test_coupons_that_run_out_issue_none_of_the_slice(session: Session, now: datetime):
    for _ in range(3):
        make_talker(session)
    campaign = make_campaign(session, template={"total_limit": 2})
    campaigns.launch(session, campaign, actor="staff:2", now=now)
    session.commit()

    with pytest.raises(GoneAlready):
        campaigns.next_batch(session, campaign.id, now=now)
    session.rollback()

    session.refresh(campaign)
    assert wave(session, campaign).cursor == 0
    assert session.scalar(select(func.count(Coupon.id))) == 0


def test_a_kill_stops_what_is_left_and_keeps_what_was_issued(session: Session, now: datetime):
    for _ in range(3):
        make_talker(session)
    campaign = make_campaign(session)
    campaigns.launch(session, campaign, actor="staff:2", now=now)
    campaigns.next_batch(session, campaign.id, now=now, size=1)

    campaigns.kill(session, campaign, actor="staff:2", reason="写错了", now=now)

    assert queries.progress(session, campaign).skipped == {}
    assert queued(session, "crm.campaign_stop") == [{"campaign_id": campaign.id}]
    skipped = [moving.skip_rest(session, campaign.id, now=now, limit=2) for _ in range(3)]
    assert skipped == [2, 1, 0]
    assert campaigns.next_batch(session, campaign.id, now=now) is None
    progress = queries.progress(session, campaign)
    assert (progress.issued, progress.skipped, progress.open) == (1, {"stopped": 3}, 0)
    with pytest.raises(CampaignMoved):
        campaigns.resume(session, campaign, actor="staff:2", now=now)


def test_only_a_killed_campaign_skips_the_rest(session: Session, now: datetime):
    make_talker(session)
    campaign = make_campaign(session)
    campaigns.launch(session, campaign, actor="staff:2", now=now)

    assert moving.skip_rest(session, campaign.id, now=now, limit=2) == 0
    assert queries.progress(session, campaign).states == {RecipientState.planned: 1}


def test_a_launch_by_a_job_is_asked_for_once(session: Session, now: datetime):
    make_talker(session)
    campaign = make_campaign(session)

    campaigns.start(session, campaign, actor="staff:2", now=now)
    with pytest.raises(CampaignMoved):
        campaigns.start(session, campaign, actor="staff:2", now=now)

    assert campaign.state is CampaignState.scheduled
    assert queued(session, "crm.campaign_launch") == [
        {"campaign_id": campaign.id, "actor": "staff:2"}
    ]
    assert session.scalar(select(func.count(Recipient.id))) == 0


def test_moves_off_the_map_are_refused_and_change_nothing(session: Session, now: datetime):
    campaign = make_campaign(session, approved=False)

    for verb in (campaigns.pause, campaigns.resume, campaigns.withdraw):
        with pytest.raises(CampaignMoved):
            verb(session, campaign, actor="staff:2", now=now)
    with pytest.raises(CampaignMoved):
        campaigns.launch(session, campaign, actor="staff:2", now=now)

    session.refresh(campaign)
    assert campaign.state is CampaignState.draft
    assert session.scalar(select(func.count(Recipient.id))) == 0
    assert len(queries.history(session, campaign)) == 1


def test_a_stale_page_cannot_move_a_campaign(session: Session, now: datetime):
    campaign = make_campaign(session)
    session.execute(
        Campaign.__table__.update().values(state="killed").where(Campaign.id == campaign.id)
    )

    with pytest.raises(CampaignMoved):
        campaigns.launch(session, campaign, actor="staff:2", now=now)

    assert campaign.state is CampaignState.killed


def test_a_schedule_can_be_taken_back(session: Session, now: datetime):
    campaign = make_campaign(session)

    with pytest.raises(CampaignInvalid):
        campaigns.schedule(session, campaign, at=now, actor="staff:2", now=now)
    campaigns.schedule(session, campaign, at=now + timedelta(hours=1), actor="staff:2", now=now)
    campaigns.unschedule(session, campaign, actor="staff:2", now=now)
    campaigns.withdraw(session, campaign, actor="staff:2", now=now)

    assert (campaign.state, campaign.scheduled_at) == (CampaignState.draft, None)


def test_a_draft_is_checked_whole(session: Session, now: datetime):
    stranger = make_merchant(session, code="other")
    fine = make_campaign(session)
    draft = Draft(
        name=" ",
        segment_id=fine.segment_id,
        template_id=fine.template_id,
        message="",
        holdout_bp=6_000,
        quiet_hours=(8, 8),
    )

    with pytest.raises(CampaignInvalid) as refused:
        campaigns.create(session, stranger.id, draft, actor="staff:1", now=now)

    assert set(refused.value.errors) == {
        "name",
        "message",
        "segment_id",
        "template_id",
        "holdout_bp",
        "quiet_hours",
    }
    with pytest.raises(CampaignMoved):
        campaigns.change(session, fine, draft, actor="staff:1", now=now)


def test_the_frequency_cap_is_shared_by_all_campaigns(session: Session, now: datetime):
    merchant_id = make_merchant(session).id
    contacts.set_rules(session, merchant_id, most=1, days=7, actor="staff:1", now=now)
    member = make_talker(session)
    first, second = make_campaign(session), make_campaign(session)
    for campaign in (first, second):
        campaigns.launch(session, campaign, actor="staff:2", now=now)
    assert run_to_end(session, first, now) == [1, 0]

    assert run_to_end(session, second, now) == [0, 0]
    third = make_campaign(session)
    campaigns.launch(session, third, actor="staff:2", now=now)

    assert recipient(session, first, member).state is RecipientState.issued
    assert recipient(session, second, member).skip_reason == "frequency"
    assert recipient(session, third, member).skip_reason == "frequency"
    assert session.scalar(select(func.count(Coupon.id))) == 1


def test_a_merge_keeps_one_row_of_a_campaign(session: Session, now: datetime):
    winner, loser, other = make_talker(session), make_talker(session), make_talker(session)
    campaign = make_campaign(session)
    campaigns.launch(session, campaign, actor="staff:2", now=now)
    alone = make_member(session, person=make_person(session))

    merging.merge(session, winner_id=winner.id, loser_id=loser.id, now=now)
    merging.merge(session, winner_id=alone.id, loser_id=other.id, now=now)

    assert recipient(session, campaign, loser).skip_reason == "merged"
    assert recipient(session, campaign, winner).state is RecipientState.planned
    assert recipient(session, campaign, alone).state is RecipientState.planned
