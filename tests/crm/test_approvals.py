"""A large campaign needs a second person, and what they agreed to is what is sent."""

from datetime import datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from core import audit
from core.database import reading, transaction
from core.outbox import OutboxJob
from coupons.models import Coupon
from crm import campaigns, contacts
from crm.campaigns import approvals, asking, drafting, queries, testing, thresholds
from crm.campaigns.thresholds import Size
from crm.errors import (
    ApprovalNeeded,
    ApprovalNotFound,
    ApprovalOver,
    ApprovalOwn,
    CampaignMoved,
    NoWayToSend,
)
from crm.models import Approval, ApprovalState, Campaign, CampaignState, Recipient
from merchants.models import Role, Staff
from merchants.staff import add_staff
from messaging.models import OutboundMessage
from tests import racing
from tests.factories.campaigns import make_campaign, make_talker
from tests.factories.crm import make_merchant, make_person

shared, app_on_mariadb = racing.shared, racing.app
SIZE = Size(people=900, cost_fen=450_000)


def make_staff(session: Session, role: Role, now: datetime, **values: object) -> Staff:
    merchant = make_merchant(session)
    staff = add_staff(session, merchant_id=merchant.id, name=role.value, role=role, now=now)
    for name, value in values.items():
        setattr(staff, name, value)
    session.flush()
    return staff


def asked(session: Session, now: datetime, by: str = "staff:77") -> tuple[Campaign, Approval]:
    campaign = make_campaign(session, approved=False)
    return campaign, approvals.request(session, campaign, SIZE, actor=by, now=now)


def test_another_owner_agrees_by_the_code(session: Session, now: datetime):
    campaign, approval = asked(session, now)
    owner = make_staff(session, Role.owner, now)
    assert approvals.request(session, campaign, SIZE, actor="staff:77", now=now) is approval

    found = approvals.find_by_code(session, campaign.merchant_id, f" {approval.code.lower()} ")
    approvals.approve(session, found, staff=owner, now=now)

    assert (found.state, found.decided_by) == (ApprovalState.approved, f"staff:{owner.id}")
    assert campaign.state is CampaignState.approved
    acts = session.scalars(select(audit.AuditEntry.action).order_by(audit.AuditEntry.id)).all()
    assert acts == ["campaign.approval_asked", "campaign.approval_approved", "campaign.approved"]
    with pytest.raises(ApprovalOver):
        approvals.refuse(session, found, staff=owner, now=now)


def test_nobody_agrees_to_their_own_or_without_the_right(session: Session, now: datetime):
    owner = make_staff(session, Role.owner, now)
    manager = make_staff(session, Role.manager, now)
    campaign, approval = asked(session, now, by=f"staff:{owner.id}")

    with pytest.raises(ApprovalOwn):
        approvals.approve(session, approval, staff=owner, now=now)
    with pytest.raises(ApprovalNotFound):
        approvals.approve(session, approval, staff=manager, now=now)
    with pytest.raises(ApprovalNotFound):
        approvals.find_by_code(session, campaign.merchant_id + 1, approval.code)

    assert (approval.state, campaign.state) == (ApprovalState.pending, CampaignState.draft)


def test_whoever_wrote_or_changed_it_does_not_agree_to_it(session: Session, now: datetime):
    author = make_staff(session, Role.owner, now)
    changer = make_staff(session, Role.owner, now)
    other = make_staff(session, Role.owner, now)
    campaign = make_campaign(session, approved=False)
    campaign.created_by = f"staff:{author.id}"
    draft = drafting.read(session, campaign)
    changed = drafting.Draft(**{**draft.__dict__, "message": "别的话"})
    drafting.change(session, campaign, changed, actor=f"staff:{changer.id}", now=now)
    approval = approvals.request(session, campaign, SIZE, actor="staff:77", now=now)

    for own in (author, changer):
        with pytest.raises(ApprovalOwn):
            approvals.approve(session, approval, staff=own, now=now)
        assert approvals.list_open(session, campaign.merchant_id, f"staff:{own.id}") == []

    assert (approval.state, campaign.state) == (ApprovalState.pending, CampaignState.draft)
    waiting = approvals.list_open(session, campaign.merchant_id, f"staff:{other.id}")
    assert waiting == [approval]
    approvals.approve(session, approval, staff=other, now=now)
    assert campaign.state is CampaignState.approved


def test_a_refusal_leaves_the_draft_and_a_change_voids_the_word(session: Session, now: datetime):
    owner = make_staff(session, Role.owner, now)
    campaign, first = asked(session, now)
    approvals.refuse(session, first, staff=owner, reason="太贵", now=now)
    assert (campaign.state, first.reason) == (CampaignState.draft, "太贵")

    second = approvals.request(session, campaign, SIZE, actor="staff:77", now=now)
    assert second.id != first.id
    draft = drafting.read(session, campaign)
    drafting.change(session, campaign, draft, actor="staff:77", now=now)
    session.refresh(second)
    assert second.state is ApprovalState.pending  # nothing was changed
    changed = drafting.Draft(**{**draft.__dict__, "message": "别的话"})
    drafting.change(session, campaign, changed, actor="staff:77", now=now)

    session.refresh(second)
    assert second.state is ApprovalState.withdrawn
    with pytest.raises(ApprovalOver):
        approvals.approve(session, second, staff=owner, now=now)


def test_a_launch_beyond_the_limit_waits_before_anything_is_issued(session: Session, now: datetime):
    merchant_id = make_merchant(session).id
    contacts.set_rules(session, merchant_id, approval_people=2, actor="staff:1", now=now)
    for _ in range(3):
        make_talker(session)
    campaign = make_campaign(session)

    campaigns.launch(session, campaign, actor="staff:2", now=now)

    assert campaign.state is CampaignState.paused
    reason = queries.history(session, campaign)[-1].reason
    assert reason == "要发给 3 人，超过 2 人，要另一个人同意"
    batches = select(OutboxJob).where(OutboxJob.name == "crm.campaign_batch")
    assert session.scalars(batches).all() == []
    with pytest.raises(ApprovalNeeded):
        campaigns.resume(session, campaign, actor="staff:2", now=now)

    size = thresholds.launched_size(session, campaign)
    approval = approvals.request(session, campaign, size, actor="staff:2", now=now)
    approvals.approve(session, approval, staff=make_staff(session, Role.owner, now), now=now)
    campaigns.resume(session, campaign, actor="staff:2", now=now)

    batch = campaigns.next_batch(session, campaign.id, now=now)
    assert batch is not None
    assert batch.issued == 3


def test_a_budget_raised_beyond_the_limit_waits_for_the_other_word(session: Session, now: datetime):
    merchant_id = make_merchant(session).id
    contacts.set_rules(session, merchant_id, approval_fen=2_000, actor="staff:1", now=now)
    for _ in range(5):
        make_talker(session)
    campaign = make_campaign(session, template={"face_fen": 1_000}, budget_fen=1_000)
    campaigns.launch(session, campaign, actor="staff:2", now=now)
    campaigns.raise_caps(session, campaign, budget_fen=2_000, actor="staff:2", now=now)
    assert campaign.state is CampaignState.running  # as much as one person decides over

    campaigns.raise_caps(session, campaign, budget_fen=9_000, actor="staff:2", now=now)

    assert (campaign.state, campaign.budget_fen) == (CampaignState.paused, 9_000)
    reason = queries.history(session, campaign)[-1].reason
    assert reason == "预计花费 ¥50.00，超过 ¥20.00，要另一个人同意"
    assert campaigns.next_batch(session, campaign.id, now=now) is None
    with pytest.raises(ApprovalNeeded):
        campaigns.resume(session, campaign, actor="staff:2", now=now)
    assert session.scalar(select(func.count(Coupon.id))) == 0
    size = thresholds.launched_size(session, campaign)
    approval = approvals.request(session, campaign, size, actor="staff:2", now=now)
    approvals.approve(session, approval, staff=make_staff(session, Role.owner, now), now=now)
    campaigns.resume(session, campaign, actor="staff:2", now=now)
    assert campaign.state is CampaignState.running


@pytest.mark.parametrize(("people", "needed"), [(10, ""), (12, ""), (13, "要发给 13 人")])
def test_a_word_covers_a_fifth_more(session: Session, now: datetime, people: int, needed: str):
    merchant_id = make_merchant(session).id
    contacts.set_rules(session, merchant_id, approval_people=2, actor="staff:1", now=now)
    campaign = make_campaign(session, approved=False)
    size = thresholds.size_of(session, campaign, 10)
    approval = approvals.request(session, campaign, size, actor="staff:2", now=now)
    approvals.approve(session, approval, staff=make_staff(session, Role.owner, now), now=now)

    why = thresholds.why_needed(
        session, campaign, thresholds.size_of(session, campaign, people), now=now
    )

    assert why.startswith(needed)
    assert bool(why) == bool(needed)


def test_what_it_may_cost_is_a_limit_of_its_own(session: Session, now: datetime):
    merchant_id = make_merchant(session).id
    contacts.set_rules(session, merchant_id, approval_fen=50_000, actor="staff:1", now=now)
    campaign = make_campaign(session, template={"face_fen": 1_000}, expected_use_bp=5_000)

    just = thresholds.size_of(session, campaign, 100)
    assert thresholds.why_needed(session, campaign, just, now=now) == ""
    why = thresholds.why_needed(
        session, campaign, thresholds.size_of(session, campaign, 101), now=now
    )
    assert why == "预计花费 ¥505.00，超过 ¥500.00，要另一个人同意"


def test_a_running_campaign_is_not_asked_for(session: Session, now: datetime):
    campaign = make_campaign(session)
    campaigns.launch(session, campaign, actor="staff:2", now=now)

    with pytest.raises(CampaignMoved):
        approvals.request(session, campaign, SIZE, actor="staff:2", now=now)


def test_whoever_may_agree_hears_of_it_in_the_chat(session: Session, now: datetime):
    talker = make_talker(session)
    owner = make_staff(session, Role.owner, now, person_id=talker.person_id)
    make_staff(session, Role.manager, now, person_id=make_talker(session).person_id)
    campaign, approval = asked(session, now)

    assert asking.tell_approvers(session, approval.id, now=now) == 1
    assert asking.tell_approvers(session, approval.id, now=now) == 0  # once

    [message] = session.scalars(select(OutboundMessage)).all()
    assert f"同意 {approval.code}" in message.payload["text"]
    assert "900 人" in message.payload["text"]
    assert message.key == f"approval:{approval.id}:{owner.id}"
    assert campaign.name in message.payload["text"]


def test_a_trial_goes_to_oneself_marked_and_is_counted_nowhere(session: Session, now: datetime):
    talker = make_talker(session)
    owner = make_staff(session, Role.owner, now, person_id=talker.person_id)
    campaign = make_campaign(session, approved=False)

    testing.send(session, campaign, owner, now=now)
    testing.send(session, campaign, owner, now=now)  # the same second

    [message] = session.scalars(select(OutboundMessage)).all()
    assert message.payload["text"].startswith("【试发】")
    for table in (Recipient, Coupon):
        assert session.scalar(select(func.count()).select_from(table)) == 0
    assert queries.progress(session, campaign).audience == 0


def test_a_trial_says_what_to_do_first(session: Session, now: datetime):
    campaign = make_campaign(session, approved=False)
    person = make_person(session)
    for staff, words in (
        (make_staff(session, Role.owner, now), "登录"),
        (make_staff(session, Role.owner, now, person_id=person.id), "发一句话"),
    ):
        with pytest.raises(NoWayToSend) as refused:
            testing.send(session, campaign, staff, now=now)
        assert words in refused.value.detail
    assert session.scalars(select(OutboundMessage)).all() == []


@pytest.mark.mariadb
def test_two_who_decide_at_once_decide_once(app_on_mariadb: Flask, now: datetime):
    with transaction() as session:
        _, approval = asked(session, now)
        owners = [make_staff(session, Role.owner, now).id for _ in range(4)]

    def decide(number: int) -> bool:
        with transaction() as session:
            verb = approvals.approve if number % 2 else approvals.refuse
            staff = session.get_one(Staff, owners[number])
            verb(session, session.get_one(Approval, approval.id), staff=staff, now=now)
            return True

    done = racing.race(app_on_mariadb, 4, decide)

    assert sum(answer is True for answer in done) == 1
    assert racing.refusals(done) == ["approval_over"] * 3
    with reading() as session:
        stands = session.scalars(select(Approval.state)).one()
        campaign = session.scalars(select(Campaign.state)).one()
        assert (stands is ApprovalState.approved) == (campaign is CampaignState.approved)


def small(session: Session, now: datetime, **values: object) -> Campaign:
    campaign = make_campaign(session, now=now, **values)
    campaigns.launch(session, campaign, actor="staff:2", now=now)
    return campaign


def test_small_campaigns_of_a_day_count_together(session: Session, now: datetime):
    contacts.set_rules(
        session, make_merchant(session).id, approval_people=5, actor="staff:1", now=now
    )
    for _ in range(3):
        make_talker(session)

    first = small(session, now)
    second = small(session, now + timedelta(hours=23))
    third = small(session, now + timedelta(hours=47, minutes=1))

    states = [each.state for each in (first, second, third)]
    assert states == [CampaignState.running, CampaignState.paused, CampaignState.running]
    reason = queries.history(session, second)[-1].reason
    assert reason == (
        "要发给 3 人，24 小时里没有第二个人点头的加起来 6 人，超过 5 人，要另一个人同意"
    )
    with pytest.raises(ApprovalNeeded):
        campaigns.resume(session, second, actor="staff:2", now=now + timedelta(hours=23))
    campaigns.resume(session, second, actor="staff:2", now=now + timedelta(hours=72))


def test_what_was_laid_up_counts_on_the_day_that_lets_it_go(session: Session, now: datetime):
    contacts.set_rules(
        session, make_merchant(session).id, approval_people=5, actor="staff:1", now=now
    )
    for _ in range(3):
        make_talker(session)
    laid_up = []
    for _ in range(3):
        laid_up.append(small(session, now))
        campaigns.pause(session, laid_up[-1], actor="staff:2", now=now)
    assert [each.state for each in laid_up] == [CampaignState.paused] * 3
    later = now + timedelta(hours=25)

    campaigns.resume(session, laid_up[0], actor="staff:2", now=later)
    for each in laid_up[1:]:
        with pytest.raises(ApprovalNeeded):
            campaigns.resume(session, each, actor="staff:2", now=later + timedelta(hours=23))
    campaigns.resume(session, laid_up[1], actor="staff:2", now=later + timedelta(hours=25))

    assert [each.state for each in laid_up] == [
        CampaignState.running,
        CampaignState.running,
        CampaignState.paused,
    ]
    assert [each.allowed_at for each in laid_up] == [later, later + timedelta(hours=25), now]
    assert {each.launched_at for each in laid_up} == {now}


def test_a_wider_cap_counts_on_its_day(session: Session, now: datetime):
    for _ in range(3):
        make_talker(session)
    slow = [small(session, now, daily_people=1) for _ in range(3)]
    contacts.set_rules(
        session, make_merchant(session).id, approval_people=5, actor="staff:1", now=now
    )
    later = now + timedelta(hours=25)

    campaigns.raise_caps(session, slow[2], daily_people=1, actor="staff:2", now=later)
    assert slow[2].allowed_at == now  # no wider than it was
    for each in slow[:2]:
        campaigns.raise_caps(session, each, actor="staff:2", now=later)

    states = [each.state for each in slow]
    assert states == [CampaignState.running, CampaignState.paused, CampaignState.running]
    assert [each.allowed_at for each in slow] == [later, now, now]


def test_what_a_second_person_agreed_to_is_not_counted(session: Session, now: datetime):
    merchant_id = make_merchant(session).id
    owner = make_staff(session, Role.owner, now)
    for _ in range(3):
        make_talker(session)
    agreed = make_campaign(session, approved=False)
    word = approvals.request(session, agreed, Size(3, 9_999_999), actor="staff:77", now=now)
    approvals.approve(session, word, staff=owner, now=now)
    contacts.set_rules(session, merchant_id, approval_people=3, actor="staff:1", now=now)
    campaigns.launch(session, agreed, actor="staff:2", now=now)

    alone = small(session, now)

    assert (agreed.state, alone.state) == (CampaignState.running, CampaignState.running)


def test_a_batch_counts_with_the_campaigns_of_the_day(session: Session, now: datetime):
    merchant_id = make_merchant(session).id
    for _ in range(3):
        make_talker(session)
    small(session, now)
    contacts.set_rules(session, merchant_id, approval_people=5, actor="staff:1", now=now)

    why = thresholds.why_large(session, merchant_id, Size(3, 0), now=now)

    assert why == "要发给 3 人，24 小时里没有第二个人点头的加起来 6 人，超过 5 人"
    assert thresholds.why_large(session, merchant_id, Size(2, 0), now=now) == ""
    assert thresholds.why_large(session, merchant_id, Size(3, 0), now=now + thresholds.DAY) == ""
