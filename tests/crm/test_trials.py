"""Variants, waves and a winner: who gets what, and when."""

from collections import Counter
from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from core.clock import local
from coupons.models import Coupon, CouponState
from crm import campaigns
from crm.campaigns import drafting, variants, waves
from crm.campaigns.drafting import Other
from crm.campaigns.variants import FEWEST, Score, clear_winner, difference
from crm.errors import CampaignInvalid
from crm.models import Campaign, CampaignState, CampaignWave, Member, Recipient
from messaging.models import MessageWindow, OutboundMessage
from tests.factories.campaigns import issue_all as run
from tests.factories.campaigns import make_campaign, make_talker
from tests.factories.coupons import make_template
from tests.factories.crm import make_merchant, make_purchase, make_store

LATER = "下午见"


def trial(session: Session, now: datetime, people: int, **values: object) -> Campaign:
    """A campaign with a second offer and other words, launched."""
    for _ in range(people):
        make_talker(session)
    other = make_template(session, make_merchant(session), name="第二杯半价")
    others = (Other(other.id, LATER, values.pop("hour", None)),)
    campaign = make_campaign(session, message="上午好", others=others, **values)
    campaign.seed = 7
    campaigns.launch(session, campaign, actor="staff:2", now=now)
    return campaign


def by_variant(session: Session) -> Counter[int]:
    return Counter(session.scalars(select(Recipient.variant)))


def test_each_gets_the_offer_and_the_words_of_one_variant(session: Session, now: datetime):
    campaign = trial(session, now, 40)

    assert run(session, campaign, now) == 40

    rows = session.execute(
        select(Recipient.variant, Coupon.template_id, OutboundMessage.payload)
        .join(Coupon, Coupon.id == Recipient.coupon_id)
        .join(OutboundMessage, OutboundMessage.id == Recipient.outbound_id)
    ).all()
    first, second = variants.list_variants(session, campaign)
    wanted = {v.no: (v.template_id, v.message) for v in (first, second)}
    assert {(row[0], (row[1], row[2]["text"].split("\n")[0])) for row in rows} == set(
        wanted.items()
    )
    assert min(by_variant(session).values()) >= 10


@given(number=st.integers(1, 4), seed=st.integers(0, 2**31 - 1))
@settings(max_examples=20)
def test_variants_are_drawn_in_equal_parts(number: int, seed: int):
    shares: Counter[int] = Counter()
    for member_id in range(1, 2_001):
        hashed = variants.hash_of(member_id, f"variant:{seed}")
        shares[next(n for n in range(number) if hashed < variants.PRIME * (n + 1) // number)] += 1

    assert set(shares) == set(range(number))
    for people in shares.values():
        assert abs(people - 2_000 / number) < 160  # four standard deviations at most


def test_an_hour_of_its_own_is_a_wave_of_its_own(session: Session, now: datetime):
    campaign = trial(session, now, 30, hour=18)  # noon now
    assert run(session, campaign, now) == by_variant(session)[0]
    assert campaign.state is CampaignState.running

    at_six = now + timedelta(hours=6)
    assert local(at_six).hour == 18
    assert run(session, campaign, at_six - timedelta(seconds=1)) == 0
    assert run(session, campaign, at_six) == by_variant(session)[1]

    dues = session.scalars(select(CampaignWave.due_at).order_by(CampaignWave.id)).all()
    assert dues == [now, at_six]


@pytest.mark.parametrize(("hour", "hours"), [(12, 0), (13, 1), (11, 23), (0, 12)])
def test_the_next_time_of_an_hour(now: datetime, hour: int, hours: int):
    assert waves.next_at(hour, now) == now + timedelta(hours=hours)


def test_everybody_at_their_own_hour(session: Session, now: datetime):
    store = make_store(session)
    morning, evening, unknown = (make_talker(session) for _ in range(3))
    for member, hours in ((morning, (-3, -27, 2)), (evening, (-17, -41))):
        for ago in hours:  # nine o'clock twice and two once; seven in the evening
            at = now + timedelta(hours=ago - 48)
            make_purchase(session, member, store, amount_fen=1_000, at=at)
    campaign = make_campaign(session, best_hour=True)
    campaigns.launch(session, campaign, actor="staff:2", now=now)

    def due(member: Member) -> int:
        found = (
            select(CampaignWave.due_at)
            .join(Recipient, Recipient.wave_id == CampaignWave.id)
            .where(Recipient.member_id == member.id)
        )
        return local(session.scalars(found).one()).hour

    assert (due(morning), due(evening), due(unknown)) == (9, 19, 12)


def test_the_others_get_what_clearly_won_and_only_that(session: Session, now: datetime):
    campaign = trial(session, now, 300, pilot_bp=5_000, winner_hours=4)
    pilot = run(session, campaign, now)
    assert 100 < pilot < 200
    _, second = variants.list_variants(session, campaign)
    session.execute(
        update(Coupon)
        .where(Coupon.template_id == second.template_id)
        .values(state=CouponState.redeemed)
    )

    assert run(session, campaign, now + timedelta(hours=4) - timedelta(seconds=1)) == 0
    rest = run(session, campaign, now + timedelta(hours=4))

    assert pilot + rest == 300
    assert (campaign.winner, campaign.judged_at) == (1, now + timedelta(hours=4))
    late = select(Recipient.variant).join(CampaignWave).where(CampaignWave.is_rest.is_(True))
    assert set(session.scalars(late)) == {1}


def test_without_a_clear_winner_it_stays_even(session: Session, now: datetime):
    campaign = trial(session, now, 120, pilot_bp=5_000, winner_hours=4)
    run(session, campaign, now)
    session.execute(update(MessageWindow).values(expires_at=now + timedelta(days=2)))

    rest = run(session, campaign, now + timedelta(hours=4))

    assert rest > 0
    assert campaign.winner is None
    assert campaign.judged_at == now + timedelta(hours=4)
    late = select(Recipient.variant).join(CampaignWave).where(CampaignWave.is_rest.is_(True))
    assert set(session.scalars(late)) == {0, 1}


@given(people=st.integers(FEWEST, 400), one=st.floats(0, 1), other=st.floats(0, 1))
@settings(max_examples=60)
def test_an_interval_holds_its_difference_and_names_no_winner_of_equals(
    people: int, one: float, other: float
):
    a, b = Score(people, round(people * one)), Score(people, round(people * other))

    low, high = difference(a, b)

    assert low <= (a.used - b.used) / people <= high
    back = difference(b, a)
    assert (round(-back[1], 9), round(-back[0], 9)) == (round(low, 9), round(high, 9))
    assert clear_winner({0: a, 1: a}) is None
    assert clear_winner({0: a, 1: b}) == (0 if low > 0 else 1 if high < 0 else None)


def test_newcombes_own_example():
    low, high = difference(Score(70, 56), Score(80, 48))

    assert (round(low, 4), round(high, 4)) == (0.0524, 0.3339)


def test_too_few_are_never_compared():
    assert clear_winner({0: Score(FEWEST - 1, FEWEST - 1), 1: Score(400, 0)}) is None
    assert clear_winner({0: Score(400, 400)}) is None
    assert clear_winner({0: Score(400, 300), 1: Score(400, 100), 2: Score(400, 298)}) is None


def test_a_trial_is_refused_whole(session: Session):
    campaign = make_campaign(session, approved=False)
    draft = drafting.read(session, campaign)
    wrong = drafting.Draft(
        **{
            **draft.__dict__,
            "others": tuple(Other(0, "") for _ in range(4)),
            "send_hour": 24,
            "winner_hours": 99,
            "pilot_bp": 1,
            "budget_fen": 0,
            "liability_fen": -1,
            "daily_people": 0,
            "expected_use_bp": 0,
        }
    )

    with pytest.raises(CampaignInvalid) as refused:
        drafting.change(session, campaign, wrong, actor="staff:1", now=campaign.created_at)

    assert {"others", "template_1", "message_3", "send_hour", "winner_hours", "pilot_bp"} <= set(
        refused.value.errors
    )
    assert {"budget_fen", "liability_fen", "daily_people", "expected_use_bp"} <= set(
        refused.value.errors
    )
    assert drafting.read(session, campaign) == draft


def test_what_is_written_down_is_read_as_the_same_draft(session: Session, now: datetime):
    campaign = make_campaign(session, approved=False)
    template = make_template(session, make_merchant(session))
    draft = drafting.Draft(
        **{
            **drafting.read(session, campaign).__dict__,
            "others": (Other(template.id, LATER, 18), Other(template.id, "早", None)),
            "send_hour": 9,
            "winner_hours": 6,
            "pilot_bp": 3_000,
            "budget_fen": 100_000,
            "liability_fen": 50_000,
            "daily_people": 500,
            "expected_use_bp": 2_500,
        }
    )

    drafting.change(session, campaign, draft, actor="staff:1", now=now)

    assert drafting.read(session, campaign) == draft
