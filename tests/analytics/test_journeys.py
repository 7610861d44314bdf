"""A journey's effect: its people against those it left alone, in windows of their own."""

from datetime import datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy.orm import Session

from analytics import journeys, measuring, profit
from core import database
from crm.models import Journey, JourneyRun, Purchase, RunArm, RunState
from tests.factories.crm import make_member, make_purchase, make_store
from tests.factories.journeys import make_journey, plan

DAY = timedelta(days=1)
POINTS = {"kind": "points", "points": 5}


@pytest.fixture
def journey(session: Session) -> Journey:
    return make_journey(session, plan(POINTS, holdout_bp=5_000))


def walker(
    session: Session,
    journey: Journey,
    arm: RunArm,
    *spent: tuple[int, float],
    entered: tuple[datetime, ...],
) -> None:
    """Somebody who came in at these moments, with (fen, days after the first)."""
    member, store = make_member(session), make_store(session)
    for number, at in enumerate(entered):
        session.add(
            JourneyRun(
                journey_id=journey.id,
                version_id=journey.version_id,
                member_id=member.id,
                after_id=number,
                cause=f"test{number}",
                round=number + 1,
                arm=arm,
                state=RunState.done,
                node_at=at,
                due_at=at,
                entered_at=at,
            )
        )
    for fen, days in spent:
        make_purchase(session, member, store, amount_fen=fen, at=entered[0] + days * DAY)
    session.flush()


def test_everybody_is_looked_at_for_a_month_and_no_order_counts_twice(
    session: Session, journey: Journey, now: datetime
) -> None:
    twice = (now, now + 10 * DAY)
    walker(session, journey, RunArm.reach, (1_000, 11), (500, 39), (70, 41), entered=twice)
    walker(session, journey, RunArm.reach, (9_000, -1), (300, 29.9), (40, 30.1), entered=(now,))
    walker(session, journey, RunArm.holdout, (700, 0), (2_000, 5), entered=(now,))
    walker(session, journey, RunArm.test, (5_000, 1), entered=(now,))

    parts = journeys.measure(session, journey)
    found = journeys.effect(session, journey, now)

    reached, held = parts["reach"], parts["holdout"]
    assert (reached.people, reached.buyers, reached.revenue.total) == (2, 2, 1_800)
    assert reached.revenue.squares == pytest.approx(1_500**2 + 300**2)
    assert (held.people, held.revenue.total) == (1, 2_000)
    assert found is not None
    assert (found.revenue.enough, found.profit) == (False, None)


def test_it_is_sure_with_people_enough_and_kept_for_very_many(
    session: Session, journey: Journey, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(120):
        arm = RunArm.reach if number % 2 else RunArm.holdout
        fen = (6_000 if number % 2 else 2_000) + number
        spent = [(fen, 1.0)] if number % 4 < 2 else []
        walker(session, journey, arm, *spent, entered=(now,))
    who = {"actor": "staff:1", "now": now}
    profit.say(session, journey.merchant_id, margin_bp=6_000, **who)

    found = journeys.effect(session, journey, now)

    assert found is not None
    assert found.revenue.sure
    assert found.revenue.point == pytest.approx(found.reached.mean - found.held.mean)
    assert found.profit is not None
    assert found.profit.point == pytest.approx(found.revenue.point * 0.6)
    journeys.keep(session, journey, journeys.measure(session, journey), now)
    session.query(Purchase).delete()
    assert journeys.effect(session, journey, now + measuring.FRESH / 2) == found
    late = journeys.effect(session, journey, now + measuring.FRESH)
    assert late is not None
    assert late.reached.total == 0


@pytest.mark.mariadb
def test_mariadb_counts_the_same(mariadb_app: Flask, now: datetime) -> None:
    with database.Session(database.db.engine) as session:
        journey = make_journey(session, plan(POINTS))
        walker(session, journey, RunArm.reach, (300, 29.9), (40, 30.1), entered=(now,))
        walker(session, journey, RunArm.holdout, (2_000, 5), (1_000, 6), entered=(now,))

        parts = journeys.measure(session, journey)

        assert parts["reach"].revenue.total == 300
        assert parts["holdout"].revenue.cubes == pytest.approx(3_000**3)
        session.rollback()


def test_nobody_came_in_nothing_is_said(session: Session, journey: Journey, now: datetime) -> None:
    assert journeys.effect(session, journey, now) is None
    assert journeys.list_due(session, now) == []
