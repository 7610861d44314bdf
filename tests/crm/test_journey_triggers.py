"""Each trigger begins with the business's own verb, never with its event written down by hand."""

from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from core.outbox import OutboxJob
from coupons import issuing, locking
from crm import balance, events, points, profiles, tags, tiers
from crm.events import Event
from crm.journeys import ending, hearing, scanning
from crm.models import Journey, Member, RunState, Segment, TierMove
from crm.points.lots import grant
from crm.segments import living
from orders import paying
from tests.factories.catalogue import make_sku
from tests.factories.coupons import make_coupon, make_template
from tests.factories.crm import make_member, make_merchant, make_order_id, make_store, make_tag
from tests.factories.journeys import make_journey, make_segment, plan, run_on, runs_of
from tests.factories.merchants import make_store as open_store
from tests.orders.shop import Shop

DAY = timedelta(days=1)
STAY: dict[str, Any] = {"kind": "wait", "amount": 30, "unit": "days", "until_hour": None}
RICH = {"field": "spent", "op": ">=", "value": 10_000}


def tell(session: Session, now: datetime) -> None:
    """What the jobs that the verbs queued do."""
    jobs = session.scalars(select(OutboxJob).where(OutboxJob.name == "crm.journey_heard")).all()
    for job in jobs:
        told = {**job.args, "at": datetime.fromisoformat(job.args["at"])}
        hearing.heard(session, **told, now=now)


def scan(session: Session, journey: Journey, now: datetime) -> None:
    after = 0
    while after := scanning.scan(session, journey.id, after, now=now, limit=2):
        pass


def walkers(session: Session, journey: Journey) -> list[int]:
    return [run.member_id for run in runs_of(session, journey)]


def waiting_for(session: Session, kind: str, **more: Any) -> Journey:
    return make_journey(session, plan(STAY, trigger={"kind": kind, **more}))


def shop_of(session: Session, member: Member, fen: int = 2_200) -> Shop:
    merchant = make_merchant(session)
    store = open_store(session, merchant)
    tea = make_sku(session, store, price_fen=fen, available=10)
    return Shop(session, merchant, store, member, tea)


def buy(session: Session, member: Member, fen: int, now: datetime) -> None:
    order = shop_of(session, member, fen).place(now, key=f"k{now.timestamp()}")
    assert paying.mark_paid(session, order, amount_fen=fen, now=now)


def test_the_first_order_and_no_other(session: Session, now: datetime) -> None:
    journey, member = waiting_for(session, "first_order"), make_member(session)

    buy(session, member, 2_200, now)
    buy(session, member, 2_200, now + timedelta(minutes=1))
    tell(session, now)

    assert [run.entered_at for run in runs_of(session, journey)] == [now]


def test_a_tier_that_is_reached(session: Session, now: datetime) -> None:
    journey, member = waiting_for(session, "tier", way="up"), make_member(session)
    falling = waiting_for(session, "tier", way="down")
    bar = min(step.threshold for step in tiers.load(session, member.merchant_id).steps[:-1])

    buy(session, member, bar - 1, now)
    tell(session, now)
    assert walkers(session, journey) == []
    buy(session, member, 100, now + timedelta(minutes=1))
    tell(session, now)

    assert session.scalars(select(TierMove.member_id)).one() == member.id
    assert walkers(session, journey) == [member.id]
    assert walkers(session, falling) == []


def test_a_balance_that_falls_low(session: Session, now: datetime) -> None:
    journey, member = waiting_for(session, "low_balance"), make_member(session)
    order_id = make_order_id(session, member, make_store(session))
    balance.credit(session, member.id, order_id, paid_fen=5_000, bonus_fen=0, now=now)
    tell(session, now)
    assert walkers(session, journey) == []

    balance.freeze(session, member.id, "order:1", 4_000, now=now)
    tell(session, now)
    assert walkers(session, journey) == []

    balance.capture(session, "order:1", now=now)
    tell(session, now)

    assert walkers(session, journey) == [member.id]


def test_points_that_lapse_soon(session: Session, now: datetime) -> None:
    journey, member = waiting_for(session, "points_expiring"), make_member(session)
    ends = now + timedelta(days=5)
    grant(session, member.id, 30, cause="gift:1", expires_at=ends, now=now)
    assert points.remind_due(session, member.merchant_id, days=3, now=now) == 0
    tell(session, now)
    assert walkers(session, journey) == []

    for _ in range(2):
        points.remind_due(session, member.merchant_id, days=7, now=now)
        tell(session, now)

    assert walkers(session, journey) == [member.id]


def test_what_was_put_into_the_bag(session: Session, now: datetime) -> None:
    journey, member = waiting_for(session, "carted"), make_member(session)

    batch = {"a": Event("viewed", now), "b": Event("carted", now, data={"product_id": "7"})}
    for _ in range(2):  # the phone did not hear the answer
        events.record_batch(session, member.id, batch, now=now)
    tell(session, now)

    assert walkers(session, journey) == [member.id]


@pytest.mark.parametrize("worn", [False, True], ids=["by staff", "by a segment"])
def test_a_tag_by_hand_or_by_a_rule(session: Session, now: datetime, worn: bool) -> None:
    tag, member = make_tag(session, name="大客"), make_member(session, spent_fen=20_000)
    other = make_member(session)
    journey = waiting_for(session, "tagged", tag_id=tag.id)

    if worn:
        segment = make_segment(session, RICH)
        segment.tag_id = tag.id
        living.refresh(session, segment, now)
    else:
        tags.put(session, tag, [member.id], actor="staff:1", now=now)
    tell(session, now)

    assert walkers(session, journey) == [member.id]
    assert [event.data for event in events.timeline(session, member.id)] == [
        {"tag_id": tag.id, "name": "大客"}
    ]
    assert events.timeline(session, other.id) == []


def born(session: Session, member: Member, now: datetime) -> None:
    profiles.change(
        session, member, birthday=date(1990, 11, 25), actor=f"member:{member.id}", now=now
    )


def hold_a_coupon(session: Session, member: Member, now: datetime) -> None:
    template = make_template(session, make_merchant(session), valid_days=2)
    issuing.issue_many(session, template, [member.id], source="staff", now=now)


def stay_away(session: Session, member: Member, now: datetime) -> None:
    buy(session, member, 2_200, now - 30 * DAY - timedelta(hours=1))


@pytest.mark.parametrize(
    ("kind", "days", "verb"),
    [("birthday", 3, born), ("expiring", 3, hold_a_coupon), ("inactive", 30, stay_away)],
)
def test_what_the_clock_looks_for(
    session: Session,
    now: datetime,
    kind: str,
    days: int,
    verb: Callable[[Session, Member, datetime], None],
) -> None:
    member = make_member(session)
    make_member(session)
    verb(session, member, now)
    journey = waiting_for(session, kind, days=days)

    for _ in range(2):
        scan(session, journey, now)

    assert walkers(session, journey) == [member.id]


def test_a_coupon_used_in_an_order_is_a_goal_like_one_used_at_the_counter(
    session: Session, now: datetime
) -> None:
    member = make_member(session)
    journey = make_journey(session, plan(STAY, goal={"kind": "redeemed"}))
    hearing.heard(session, member.id, "followed", at=now - DAY, data={}, now=now)
    shop = shop_of(session, member)
    coupon = make_coupon(session, member, make_template(session, shop.merchant))
    order = shop.place(now)
    locking.lock(session, coupon, order.id, now, discount_fen=800)
    order.coupon_id = coupon.id

    paying.mark_paid(session, order, amount_fen=order.payable_fen, now=now)
    tell(session, now)

    assert [run.outcome for run in runs_of(session, journey)] == ["goal"]
    redeemed = events.timeline(session, member.id)[0]
    assert (redeemed.kind, redeemed.data) == (
        "redeemed",
        {
            "coupon_id": coupon.id,
            "template_id": coupon.template_id,
            "channel": "online",
            "order_id": order.id,
        },
    )


def spend(session: Session, member: Member, fen: int) -> None:
    member.spent_fen = fen
    session.flush()


@pytest.fixture
def rich(session: Session, now: datetime) -> Segment:
    """Looked at once already, so that who is found from now on has come."""
    segment = make_segment(session, RICH)
    make_member(session, spent_fen=50_000)
    living.refresh(session, segment, now)
    return segment


def test_who_comes_into_a_segment_and_who_was_there(
    session: Session, now: datetime, rich: Segment
) -> None:
    old = session.scalars(select(Member.id)).one()
    new = make_member(session, spent_fen=20_000)
    segment_id = {"segment_id": rich.id}
    coming = waiting_for(session, "segment", **segment_id, already=False)
    everybody = waiting_for(session, "segment", **segment_id, already=True)
    later = now + timedelta(minutes=10)
    living.refresh(session, rich, later)

    for journey in (coming, everybody):
        scan(session, journey, later)
        scan(session, journey, later)

    assert walkers(session, coming) == [new.id]
    assert [(run.member_id, run.entered_at) for run in runs_of(session, everybody)] == [
        (old, later),
        (new.id, later),
    ]


def test_whoever_comes_again_may_walk_again_and_a_redrawn_rule_brings_nobody(
    session: Session, now: datetime, rich: Segment
) -> None:
    trigger = {"kind": "segment", "segment_id": rich.id, "already": False}
    journey = make_journey(
        session,
        plan({"kind": "points", "points": 5}, trigger=trigger, entry={"rule": "every"}),
    )
    member = make_member(session)
    for hour, fen in enumerate((20_000, 0, 20_000), 1):
        at = now + timedelta(hours=hour)
        spend(session, member, fen)
        living.refresh(session, rich, at)
        for _ in range(2):
            scan(session, journey, at)
            run_on(session, journey, at)
    make_member(session, spent_fen=6_000)
    rich.rule, rich.refreshed_at = {**RICH, "value": 5_000}, None
    later = now + timedelta(hours=5)
    living.refresh(session, rich, later)
    scan(session, journey, later)

    assert [(run.member_id, run.round) for run in runs_of(session, journey)] == [
        (member.id, 1),
        (member.id, 2),
    ]


def test_who_leaves_the_segment_is_done_in_the_middle_of_a_wait(
    session: Session, now: datetime, rich: Segment
) -> None:
    leaves, stays, never = (make_member(session, spent_fen=fen) for fen in (20_000, 20_000, 0))
    later = now + timedelta(minutes=10)
    living.refresh(session, rich, later)
    goal = {"kind": "left_segment", "segment_id": rich.id}
    journey = make_journey(session, plan(STAY, goal=goal))
    for member in (leaves, stays, never):
        hearing.heard(session, member.id, "followed", at=later, data={}, now=later)
    spend(session, leaves, 0)
    at = now + timedelta(hours=1)
    living.refresh(session, rich, at)

    assert ending.end_left(session, journey.id, now=at) == 1
    assert ending.end_left(session, journey.id, now=at) == 0

    assert [(run.state, run.outcome) for run in runs_of(session, journey)] == [
        (RunState.done, "goal"),
        (RunState.active, ""),
        (RunState.active, ""),
    ]
