"""Who works for the merchant is a member too, but no customer: no rule is about them."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from analytics import day
from crm import segments
from crm.campaigns import launching, reach
from crm.journeys import entering
from crm.journeys.entering import Entrant
from crm.models import (
    JourneyRun,
    JourneyVersion,
    Member,
    MemberScore,
    Recipient,
    RunArm,
    Segment,
    SegmentMember,
)
from crm.segments import living, rfm
from merchants import staff
from merchants.models import Merchant, Role, Staff, StaffState
from people import merging
from people.models import MergeReason
from tests.factories.campaigns import make_campaign
from tests.factories.crm import make_member, make_merchant, make_person
from tests.factories.journeys import make_journey, plan, runs_of

EVERYBODY: dict[str, Any] = {"op": "and", "rules": []}


def hire(
    session: Session, merchant: Merchant, now: datetime, **values: Any
) -> tuple[Member, Staff]:
    """A clerk who followed the account by scanning the invitation."""
    person = make_person(session, nickname="小周")
    clerk = Staff(
        merchant_id=merchant.id, name="周店员", role=Role.clerk, person_id=person.id, created_at=now
    )
    session.add(clerk)
    member = make_member(session, merchant=merchant, person=person, **values)
    return member, clerk


def test_counted_shown_written_down_and_forecast_are_the_same_people(
    session: Session, now: datetime
):
    merchant = make_merchant(session)
    guest = make_member(session, joined_at=now, source_scene="store:1")
    hire(session, merchant, now, joined_at=now, source_scene="staff:1")
    campaign = make_campaign(session, rule=EVERYBODY)

    seen = segments.preview(session, EVERYBODY, merchant.id, now)
    segment = session.get_one(Segment, campaign.segment_id)
    assert segments.count(session, EVERYBODY, merchant.id, now) == 1
    assert (seen.members, seen.matched) == (1, 1)
    assert [one.member for one in segments.sample(session, EVERYBODY, merchant.id, now)] == [guest]
    assert living.refresh(session, segment, now) == 1
    assert session.scalars(select(SegmentMember.member_id)).all() == [guest.id]
    forecast = reach.forecast(session, merchant_id=merchant.id, rule=EVERYBODY, now=now)
    assert forecast.total == 1
    assert launching.launch(session, campaign, actor="staff:1", now=now) == 1
    assert session.scalars(select(Recipient.member_id)).all() == [guest.id]
    whole_day = (now - timedelta(hours=1), now + timedelta(hours=1))
    assert day.new_members(session, merchant.id, *whole_day) == (1, 1)


def test_hired_one_goes_out_of_segments_and_comes_back_when_they_leave(
    session: Session, now: datetime
):
    merchant = make_merchant(session)
    make_member(session)
    segment = segments.create(
        session, merchant.id, name="所有人", rule=EVERYBODY, actor="staff:1", now=now
    )
    member, clerk = hire(session, merchant, now)
    clerk.state = StaffState.left
    session.flush()
    assert living.refresh(session, segment, now) == 2

    clerk.state = StaffState.active
    session.flush()
    assert living.refresh(session, segment, now + timedelta(hours=1)) == 1
    assert segments.count(session, EVERYBODY, merchant.id, now) == 1

    assert staff.leave(session, clerk, now + timedelta(hours=2))
    assert living.refresh(session, segment, now + timedelta(hours=3)) == 2
    kept = session.get_one(SegmentMember, (segment.id, member.id))
    assert (kept.entered_at, kept.left_at) == (now + timedelta(hours=3), None)


def test_somebody_else_s_clerk_is_a_customer_and_a_merged_person_s_clerk_is_none(
    session: Session, now: datetime
):
    merchant, rival = make_merchant(session), make_merchant(session, code="rival")
    person = make_person(session)
    session.add(
        Staff(
            merchant_id=rival.id, name="老王", role=Role.clerk, person_id=person.id, created_at=now
        )
    )
    guest = make_member(session, merchant=merchant, person=person)
    kept, gone = make_person(session), make_person(session)
    member = make_member(session, merchant=merchant, person=kept)
    session.add(
        Staff(
            merchant_id=merchant.id, name="小周", role=Role.clerk, person_id=gone.id, created_at=now
        )
    )
    session.flush()
    assert segments.count(session, EVERYBODY, merchant.id, now) == 2

    merging.absorb(session, kept, gone, reason=MergeReason.phone, now=now)

    assert list(session.scalars(segments.compile(EVERYBODY, merchant.id, now))) == [guest.id]
    assert member.merged_into_id is None


def test_nobody_who_works_there_is_scored(session: Session, now: datetime):
    merchant = make_merchant(session)
    bought = {"orders_count": 1, "spent_fen": 2_000, "last_paid_at": now}
    guest = make_member(session, **bought)
    member, clerk = hire(session, merchant, now, **bought)
    clerk.state = StaffState.left
    session.flush()
    rfm.score(session, merchant.id, now)
    assert {row.member_id for row in session.scalars(select(MemberScore))} == {guest.id, member.id}

    clerk.state = StaffState.active
    session.flush()
    rfm.score(session, merchant.id, now)
    assert [row.member_id for row in session.scalars(select(MemberScore))] == [guest.id]


def test_a_journey_lets_in_customers_and_staff_may_try_it(session: Session, now: datetime):
    merchant = make_merchant(session)
    guest = make_member(session)
    member, _ = hire(session, merchant, now)
    journey = make_journey(session, plan({"kind": "wait", "amount": 1, "unit": "days"}), now=now)
    version = session.get_one(JourneyVersion, journey.version_id)
    entrants = [Entrant(one.id, "followed:1", now) for one in (guest, member)]

    assert entering.enter(session, journey, version, entrants, now=now) == 1
    assert [run.member_id for run in runs_of(session, journey)] == [guest.id]

    entering.enter_test(session, journey, version, member, actor="staff:1", now=now)
    last = session.scalars(select(JourneyRun).order_by(JourneyRun.id.desc()).limit(1)).one()
    assert (last.member_id, last.arm) == (member.id, RunArm.test)
