"""Campaigns that give points, or nothing but words: who hears what, and what it may cost."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from core.database import claim
from coupons.models import Coupon
from crm import campaigns, contacts, merging, points
from crm.campaigns import moving, offers, queries, variants
from crm.campaigns.drafting import Other
from crm.errors import CampaignInvalid
from crm.models import (
    Campaign,
    CampaignState,
    CampaignWave,
    Member,
    PointEntry,
    PointLot,
    Recipient,
    RecipientState,
)
from messaging.models import MessageWindow, OutboundMessage
from tests.counting import statements
from tests.factories.campaigns import issue_all as run
from tests.factories.campaigns import make_campaign, make_granter, make_talker
from tests.factories.coupons import make_template
from tests.factories.crm import make_member, make_merchant, make_purchase, make_store

HELLO = "{昵称}，新茶到了，来尝尝"
GIFT = "{昵称}，送你 {积分} 积分"


def launched(session: Session, now: datetime, **values: Any) -> Campaign:
    campaign = make_campaign(session, now=now, **{"template_id": None, **values})
    campaigns.launch(session, campaign, actor="staff:2", now=now)
    return campaign


def texts(session: Session) -> list[str]:
    return [payload["text"] for payload in session.scalars(select(OutboundMessage.payload))]


def test_words_alone_are_sent_and_nothing_is_given(session: Session, now: datetime) -> None:
    for name in ("阿青", "小满"):
        make_talker(session, name=name)
    campaign = launched(session, now, message=HELLO)

    assert run(session, campaign, now) == 2

    [first, second] = sorted(texts(session))
    assert first.startswith("小满，新茶到了，来尝尝\n")
    assert second.startswith("阿青，新茶到了，来尝尝\n")
    assert "pages/menu/menu" in first
    assert session.scalar(select(func.count(Coupon.id))) == 0
    assert session.scalar(select(func.count(PointEntry.id))) == 0
    assert (campaign.face_fen, campaign.expected_fen, campaign.points_fen) == (0, 0, 0)
    assert queries.progress(session, campaign).issued == 0


def test_no_subscribe_message_speaks_of_a_coupon_that_is_not_there(
    session: Session, now: datetime
) -> None:
    make_talker(session)
    make_granter(session)  # allowed a message about coupons, has not talked

    told = launched(session, now, message=HELLO)
    gave = make_campaign(session, now=now)

    assert queries.forecast_campaign(session, told, now).reachable == 1
    assert queries.progress(session, told).reach == 1
    assert queries.forecast_campaign(session, gave, now).reachable == 2


def test_points_arrive_once_with_the_message_and_weigh_what_they_buy(
    session: Session, now: datetime
) -> None:
    owing = make_talker(session, name="阿青")
    other = make_talker(session, name="小满")
    session.execute(update(Member).where(Member.id == owing.id).values(points=-20))
    campaign = launched(session, now, message=GIFT, points=50)

    assert run(session, campaign, now) == 2

    balances = dict(session.execute(select(Member.id, Member.points)).all())
    assert (balances[owing.id], balances[other.id]) == (30, 50)
    lots = dict(session.execute(select(PointLot.member_id, PointLot.points)).all())
    assert lots == {owing.id: 30, other.id: 50}  # what was owed is paid first
    causes = set(session.scalars(select(PointEntry.cause)))
    assert causes == {f"campaign:{campaign.id}:{id_}" for id_ in (owing.id, other.id)}
    assert sorted(texts(session))[0].startswith("小满，送你 50 积分\n")
    assert "pages/points/points" in texts(session)[0]
    assert (campaign.face_fen, campaign.points_fen, campaign.expected_fen) == (100, 100, 100)
    assert points.list_unbalanced(session, range(owing.id + 1, other.id + 1)) == []


def test_a_slice_that_is_done_again_gives_nobody_points_twice(
    session: Session, now: datetime
) -> None:
    for _ in range(3):
        make_talker(session)
    campaign = launched(session, now, message=GIFT, points=50)
    ids = list(session.scalars(select(Member.id).order_by(Member.id)))
    give = {"cause": f"campaign:{campaign.id}", "now": now}
    assert points.grant_many(session, ids[:2], 50, **give) == 2

    assert run(session, campaign, now) == 3
    assert points.grant_many(session, ids, 50, **give) == 0
    claim(session, update(CampaignWave).values(cursor=0, issued_all=False))
    run(session, campaign, now)

    assert set(session.scalars(select(Member.points))) == {50}
    assert session.scalar(select(func.count(PointEntry.id))) == 3


def test_a_slice_asks_as_often_for_many_as_for_few(session: Session, now: datetime) -> None:
    merchant = make_merchant(session)
    asked = []
    for size in (2, 20):
        ids = [make_member(session, merchant=merchant).id for _ in range(size)]
        with statements(session.connection()) as seen:
            assert points.grant_many(session, ids, 50, cause="campaign:1", now=now) == size
        asked.append(len(seen))

    assert asked == [6, 6]


def test_who_was_merged_while_we_waited_has_the_points_where_they_are_now(
    session: Session, now: datetime
) -> None:
    merchant = make_merchant(session)
    winner, loser = make_member(session, merchant=merchant), make_member(session, merchant=merchant)
    merging.merge(session, winner_id=winner.id, loser_id=loser.id, now=now)

    assert points.grant_many(session, [loser.id], 50, cause="campaign:1", now=now) == 1
    assert points.grant_many(session, [loser.id], 50, cause="campaign:1", now=now) == 0

    assert session.get_one(Member, winner.id, populate_existing=True).points == 50
    assert session.get_one(Member, loser.id, populate_existing=True).points == 0


def test_points_stop_at_the_caps_by_what_they_are_worth(session: Session, now: datetime) -> None:
    for _ in range(5):
        make_talker(session)
    campaign = launched(session, now, message=GIFT, points=50, liability_fen=120)

    assert run(session, campaign, now) == 2

    assert campaign.state is CampaignState.paused
    assert campaign.points_fen == 100
    assert queries.history(session, campaign)[-1].reason == "没用掉的券和积分到了上限 ¥1.20"


def test_points_count_against_the_cap_of_all_campaigns(session: Session, now: datetime) -> None:
    for _ in range(4):
        make_talker(session)
    campaign = launched(session, now, message=GIFT, points=50)
    contacts.set_rules(session, campaign.merchant_id, liability_fen=150, actor="staff:1", now=now)

    assert run(session, campaign, now, size=1) == 3
    assert campaign.state is CampaignState.paused


def test_a_killed_campaign_gives_no_more_points(session: Session, now: datetime) -> None:
    for _ in range(4):
        make_talker(session)
    campaign = launched(session, now, message=GIFT, points=50)
    campaigns.next_batch(session, campaign.id, now=now, size=1)
    session.refresh(campaign)

    moving.kill(session, campaign, actor="staff:2", now=now)

    assert campaigns.next_batch(session, campaign.id, now=now) is None
    assert sorted(session.scalars(select(Member.points))) == [0, 0, 0, 50]


def test_words_against_a_coupon_are_told_apart_by_who_bought(
    session: Session, now: datetime
) -> None:
    for _ in range(40):
        make_talker(session)
    template = make_template(session, make_merchant(session))
    campaign = launched(session, now, message=HELLO, others=(Other(template.id, "送你「{券名}」"),))
    run(session, campaign, now)
    given = session.execute(select(Recipient.variant, Recipient.coupon_id)).all()
    assert {variant for variant, coupon in given if coupon is not None} == {1}
    assert {variant for variant, coupon in given if coupon is None} == {0}

    store = make_store(session)
    for variant, number in ((0, 2), (1, 5)):
        chosen = select(Recipient.member_id).where(Recipient.variant == variant).limit(number)
        for member_id in session.scalars(chosen).all():
            member = session.get_one(Member, member_id)
            make_purchase(session, member, store, amount_fen=2_000, at=now + timedelta(hours=1))

    found = variants.scores(session, campaign)
    assert {no: score.used for no, score in found.items()} == {0: 2, 1: 5}
    assert sum(score.people for score in found.values()) == 40


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"message": "给你「{券名}」"}, "message"),
        ({"message": "{到期日}前来"}, "message"),
        ({"message": "送 {积分} 积分"}, "message"),
        ({"message": GIFT, "points": 10_001}, "points"),
        ({"message": HELLO, "points": -1}, "points"),
    ],
)
def test_a_draft_promises_only_what_it_gives(
    session: Session, values: dict[str, Any], field: str
) -> None:
    with pytest.raises(CampaignInvalid) as refused:
        make_campaign(session, **{"template_id": None, **values})

    assert set(refused.value.errors) == {field}


def test_points_and_a_coupon_together_are_refused(session: Session) -> None:
    with pytest.raises(CampaignInvalid) as refused:
        make_campaign(session, points=50)

    assert set(refused.value.errors) == {"points"}
    assert session.scalar(select(func.count(Campaign.id))) == 0


def test_who_was_told_stands_where_everybody_stands(session: Session, now: datetime) -> None:
    make_talker(session)
    campaign = launched(session, now, message=HELLO)
    run(session, campaign, now)

    [recipient] = session.scalars(select(Recipient))
    assert recipient.state is RecipientState.issued
    assert recipient.coupon_id is None
    assert recipient.outbound_id is not None
    assert offers.moment_of(variants.list_variants(session, campaign)) is None


def test_points_of_long_ago_no_longer_fill_the_cap(session: Session, now: datetime) -> None:
    merchant_id = make_merchant(session).id
    contacts.set_rules(session, merchant_id, liability_fen=120, most=0, actor="staff:1", now=now)
    for _ in range(2):
        make_talker(session)
    first = launched(session, now, message=GIFT, points=50)
    assert run(session, first, now) == 2
    given = []
    for days in (89, 90):
        later = now + timedelta(days=days)
        session.execute(update(MessageWindow).values(expires_at=later + timedelta(hours=40)))
        campaign = launched(session, later, message=GIFT, points=50)
        given.append((run(session, campaign, later), campaign.state))

    assert given == [(0, CampaignState.paused), (2, CampaignState.running)]
