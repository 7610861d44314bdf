"""A job that died for good leaves nothing in the middle."""

from datetime import datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from core import clock
from core.database import reading, transaction
from core.outbox import JobState, OutboxJob, enqueue
from crm import campaigns, standing
from crm.campaigns import moving
from crm.models import (
    BASE_TIER,
    BatchKind,
    BatchState,
    Campaign,
    CampaignState,
    CouponBatch,
    Loyalty,
    Member,
    Recipient,
)
from crm.tiers import Programme, Step, editing
from tests.factories.campaigns import make_campaign, make_talker
from tests.factories.coupons import make_template
from tests.factories.crm import make_member, make_merchant
from tests.factories.merchants import make_staff
from tests.working import run_inline


def asked(session: Session) -> list[tuple[str, dict[str, object]]]:
    found = select(OutboxJob.name, OutboxJob.args).where(OutboxJob.key.like("standing:%"))
    return [tuple(row) for row in session.execute(found.order_by(OutboxJob.id))]


def test_batches_without_a_job_are_gone_on_with(session: Session, now: datetime) -> None:
    merchant = make_merchant(session)
    template, staff = make_template(session, merchant), make_staff(session, merchant)

    def batch(state: BatchState) -> int:
        row = CouponBatch(
            merchant_id=merchant.id,
            template_id=template.id,
            kind=BatchKind.members,
            name="名单",
            state=state,
            created_by_id=staff.id,
            created_at=now,
            allowed_at=now,
        )
        session.add(row)
        session.flush()
        return row.id

    running, busy = batch(BatchState.running), batch(BatchState.running)
    preparing, revoking = batch(BatchState.preparing), batch(BatchState.revoking)
    batch(BatchState.done), batch(BatchState.stopped), batch(BatchState.revoked)
    enqueue(session, "crm.coupon_batch", key="batch:1:0", batch_id=busy)
    enqueue(session, "crm.coupon_batch", key="batch:2:0", batch_id=running)
    died = update(OutboxJob).where(OutboxJob.key == "batch:2:0")
    session.execute(died.values(state=JobState.dead))

    assert standing.take_up(session, now=now) == 3
    assert standing.take_up(session, now=now + timedelta(minutes=5)) == 0  # they wait

    assert asked(session) == [
        ("crm.coupon_batch", {"batch_id": running}),
        ("crm.coupon_batch", {"batch_id": preparing}),
        ("crm.void_batch", {"batch_id": revoking, "actor": "system"}),
    ]


def test_members_are_weighed_by_the_new_rules_though_the_job_died(app: Flask) -> None:
    with transaction() as session:
        merchant, member = make_merchant(session), make_member(session, spent_fen=5_000)
        steps = (Step("gold", 1, "金", 4_000), Step(BASE_TIER, 0, "叶", 0))
        by = {"may_fall": True, "actor": "staff:1", "now": clock.now()}
        editing.save(session, merchant.id, Programme(steps), **by)
        session.execute(update(OutboxJob).values(state=JobState.dead))

    run_inline("crm.sweep_standing")
    run_inline("crm.sweep_standing")

    with reading() as session:
        ((name, args),) = asked(session)
    assert (name, args) == ("crm.reweigh_tiers", {"merchant_id": merchant.id, "may_fall": True})
    run_inline(name, **args)
    with transaction() as session:
        assert session.get_one(Member, member.id).tier == "gold"
        assert session.scalars(select(Loyalty.reweigh)).one() == ""
        assert session.execute(delete(OutboxJob))
    run_inline("crm.sweep_standing")
    with reading() as session:
        assert asked(session) == []


def test_a_campaign_that_was_to_start_or_to_stop_does(session: Session, now: datetime) -> None:
    make_merchant(session)
    make_talker(session)
    late, soon, killed = (make_campaign(session, now=now) for _ in range(3))
    campaigns.launch(session, killed, actor="staff:2", now=now)
    campaigns.kill(session, killed, actor="staff:1", now=now)
    for campaign, ago in ((late, 6), (soon, 4)):
        values = {"state": CampaignState.scheduled, "scheduled_at": now - timedelta(minutes=ago)}
        session.execute(update(Campaign).where(Campaign.id == campaign.id).values(**values))
    session.execute(update(OutboxJob).values(state=JobState.dead))

    assert standing.take_up(session, now=now) == 2

    assert asked(session) == [
        ("crm.campaign_launch", {"campaign_id": late.id}),
        ("crm.campaign_stop", {"campaign_id": killed.id}),
    ]


def test_what_is_unsent_is_queued_so_many_at_a_time(
    session: Session, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_merchant(session)
    for _ in range(5):
        make_talker(session)
    campaign = make_campaign(session, now=now)
    campaigns.launch(session, campaign, actor="staff:2", now=now)
    campaigns.next_batch(session, campaign.id, now=now)
    ids = session.scalars(select(Recipient.id).order_by(Recipient.id)).all()
    session.execute(delete(OutboxJob))
    monkeypatch.setattr(moving, "SEND_CHUNK", 2)
    monkeypatch.setattr(moving, "QUEUE_AT_ONCE", 3)

    moving.queue_unsent(session, campaign.id, now=now)
    moving.queue_unsent(session, campaign.id, now=now, after_id=ids[2])

    found = session.execute(select(OutboxJob.name, OutboxJob.args).order_by(OutboxJob.id))
    whose = {"campaign_id": campaign.id}
    assert [tuple(row) for row in found] == [
        ("crm.campaign_send", whose | {"first_id": ids[0], "last_id": ids[1]}),
        ("crm.campaign_send", whose | {"first_id": ids[2], "last_id": ids[2]}),
        ("crm.campaign_resume", whose | {"after_id": ids[2]}),
        ("crm.campaign_send", whose | {"first_id": ids[3], "last_id": ids[4]}),
    ]
