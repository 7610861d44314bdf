"""Budget, day and unused coupons: each stops a campaign by itself, to the person."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from core.database import reading, transaction
from core.outbox import OutboxJob
from coupons.models import Coupon, CouponState
from crm import campaigns, contacts
from crm.campaigns import queries
from crm.campaigns.batching import Batch
from crm.models import Campaign, CampaignState, Recipient, RecipientState
from messaging.models import MessageWindow
from tests import racing
from tests.crm.conftest import ACCOUNTS
from tests.factories.campaigns import keep_awake, make_campaign, make_talker
from tests.factories.crm import make_merchant
from tests.servers import MariaDB

FACE = 1_200
WORKERS = 6


def launched(session: Session, now: datetime, people: int, **values: Any) -> Campaign:
    for _ in range(people):
        make_talker(session)
    session.execute(update(MessageWindow).values(expires_at=now + timedelta(days=9)))
    campaign = make_campaign(session, now=now, template={"face_fen": FACE}, **values)
    campaigns.launch(session, campaign, actor="staff:2", now=now)
    return campaign


def run(session: Session, campaign: Campaign, now: datetime, size: int = 4) -> list[Batch]:
    done = []
    while (batch := campaigns.next_batch(session, campaign.id, now=now, size=size)) is not None:
        done.append(batch)
        if batch.wait_until is not None:
            break
    session.refresh(campaign)
    return done


def issued(session: Session) -> int:
    return session.scalar(select(func.count(Coupon.id))) or 0


def test_a_budget_counts_what_is_expected_to_be_used(session: Session, now: datetime):
    campaign = launched(session, now, 20, budget_fen=FACE * 3, expected_use_bp=2_500)

    run(session, campaign, now)

    assert issued(session) == 12  # a quarter of twelve
    assert (campaign.expected_fen, campaign.face_fen) == (FACE * 3, FACE * 12)
    assert campaign.state is CampaignState.paused
    assert queries.history(session, campaign)[-1].reason == "预算 ¥36.00 用完了"
    left = select(func.count()).where(Recipient.state == RecipientState.planned)
    assert session.scalar(left) == 8


def test_a_raised_budget_goes_on_where_it_stopped(session: Session, now: datetime):
    campaign = launched(session, now, 9, budget_fen=FACE * 5)
    run(session, campaign, now)
    assert issued(session) == 5

    campaigns.raise_caps(session, campaign, budget_fen=FACE * 9, actor="staff:2", now=now)
    campaigns.resume(session, campaign, actor="staff:2", now=now)
    run(session, campaign, now)

    assert issued(session) == 9
    assert len(set(session.scalars(select(Coupon.member_id)))) == 9


def test_what_all_campaigns_have_lying_about_is_capped_together(session: Session, now: datetime):
    merchant_id = make_merchant(session).id
    keep_awake(session, merchant_id)
    cap = FACE * 10
    contacts.set_rules(session, merchant_id, most=0, liability_fen=cap, actor="staff:1", now=now)
    first = launched(session, now, 6)
    run(session, first, now)
    second = launched(session, now, 0)

    run(session, second, now)

    assert (first.state, second.state) == (CampaignState.running, CampaignState.paused)
    assert issued(session) == 10
    reason = "所有活动没用掉的券和积分到了上限 ¥120.00，见营销规则"
    assert queries.history(session, second)[-1].reason == reason

    used = select(Coupon.id).where(Coupon.campaign_id == first.id).limit(2)
    ids = session.scalars(used).all()
    values = {"state": CouponState.redeemed, "uses_left": 0}
    session.execute(update(Coupon).where(Coupon.id.in_(ids)).values(**values))
    campaigns.resume(session, second, actor="staff:2", now=now)
    run(session, second, now)

    assert issued(session) == 12


def test_a_day_has_so_many_people_and_the_next_day_goes_on(session: Session, now: datetime):
    campaign = launched(session, now, 12, daily_people=5)

    [*_, last] = run(session, campaign, now)

    assert issued(session) == 5
    assert campaign.state is CampaignState.running
    midnight = now + timedelta(hours=12)  # noon now
    assert last.wait_until == midnight
    waiting = select(OutboxJob.run_at).where(OutboxJob.name == "crm.campaign_batch")
    assert midnight in session.scalars(waiting).all()

    run(session, campaign, midnight - timedelta(seconds=1))
    assert issued(session) == 5
    run(session, campaign, midnight)
    assert issued(session) == 10
    run(session, campaign, midnight + timedelta(days=1))
    assert issued(session) == 12


def test_unused_coupons_are_capped_and_used_ones_make_room(session: Session, now: datetime):
    campaign = launched(session, now, 12, liability_fen=FACE * 5)
    run(session, campaign, now)
    assert issued(session) == 5
    assert queries.history(session, campaign)[-1].reason == "没用掉的券和积分到了上限 ¥60.00"

    two = session.scalars(select(Coupon.id).limit(2)).all()
    session.execute(update(Coupon).where(Coupon.id.in_(two)).values(state=CouponState.redeemed))
    campaigns.resume(session, campaign, actor="staff:2", now=now)
    run(session, campaign, now)

    assert issued(session) == 7


def test_whoever_cannot_be_reached_costs_nothing(session: Session, now: datetime):
    campaign = launched(session, now, 6, budget_fen=FACE * 4)
    first = session.scalars(select(MessageWindow.id).order_by(MessageWindow.id)).first()
    session.execute(update(MessageWindow).where(MessageWindow.id == first).values(remaining=0))

    run(session, campaign, now, size=3)

    assert issued(session) == 4
    reasons = session.scalars(select(Recipient.skip_reason).order_by(Recipient.id)).all()
    assert reasons == ["no_window", None, None, None, None, None]


@pytest.fixture(scope="module")
def shared(mariadb: MariaDB, tmp_path_factory: pytest.TempPathFactory):  # type: ignore[no-untyped-def]
    with racing.arena(mariadb, tmp_path_factory.mktemp("caps"), wechat=ACCOUNTS) as app:
        yield app


app_on_mariadb = racing.app


@pytest.mark.mariadb
@pytest.mark.parametrize(
    ("cap", "most"),
    [({"budget_fen": FACE * 7}, 7), ({"daily_people": 7}, 7), ({"liability_fen": FACE * 7}, 7)],
)
def test_caps_are_exact_under_many_workers(
    app_on_mariadb: Flask, now: datetime, cap: dict[str, int], most: int
):
    with transaction() as session:
        campaign_id = launched(session, now, 20, **cap).id

    def work(_: int) -> None:
        for _ in range(6):
            with transaction() as session:
                campaigns.next_batch(session, campaign_id, now=now, size=2)

    racing.race(app_on_mariadb, WORKERS, work)

    with reading() as session:
        assert issued(session) == most
