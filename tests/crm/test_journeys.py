"""Who comes in, what they are given, and that nothing is given twice or after the goal."""

from datetime import date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from core import rows
from core.audit import AuditEntry
from core.outbox import OutboxJob
from coupons import issuing
from coupons.models import Coupon, CouponState
from crm import contacts, events, merging, tags
from crm.errors import JourneyInvalid, JourneyMoved
from crm.journeys import advancing, counting, drafting, editing, ending, entering, hearing, scanning
from crm.journeys.entering import Entrant
from crm.journeys.graph import Graph, due_at, empty, faults, leaves, walk
from crm.models import (
    Journey,
    JourneyRun,
    JourneyState,
    JourneyStep,
    JourneyVersion,
    Member,
    MemberTag,
    RunArm,
    RunState,
)
from messaging.models import Channel, OutboundMessage
from tests.factories.campaigns import make_granter, make_talker
from tests.factories.coupons import make_coupon, make_template
from tests.factories.crm import make_member, make_merchant, make_person, make_tag, point_balance
from tests.factories.journeys import make_journey, make_segment, plan, run_on, runs_of

DAY = timedelta(days=1)
WAIT: dict[str, Any] = {"kind": "wait", "amount": 3, "unit": "days", "until_hour": None}
HELLO = {"kind": "message", "text": "{昵称}，来坐坐。"}


def bring(session: Session, journey: Journey, member: Member, at: datetime) -> None:
    """The event that the journey's trigger is, and the job that tells of it."""
    kind = {"first_order": "paid", "carted": "carted"}.get(journey.trigger, "followed")
    events.record(session, member.id, kind, now=at)
    hearing.heard(session, member.id, kind, at=at, data={}, now=at)


def coupons_of(session: Session, member: Member) -> list[Coupon]:
    return list(session.scalars(select(Coupon).where(Coupon.member_id == member.id)))


def letters(session: Session) -> list[OutboundMessage]:
    return list(session.scalars(select(OutboundMessage).order_by(OutboundMessage.id)))


def test_a_follower_gets_the_coupon_waits_and_is_written_to(
    session: Session, now: datetime
) -> None:
    template = make_template(session, make_merchant(session))
    give = {"kind": "coupon", "template_id": template.id}
    text = {"kind": "message", "text": "{昵称}，「{券名}」还没用。"}
    journey = make_journey(session, plan(give, WAIT, text))
    member = make_talker(session, name="林小满")

    bring(session, journey, member, now)
    run_on(session, journey, now)

    [run] = runs_of(session, journey)
    assert (run.state, run.node, run.due_at) == (RunState.active, "n2", now + 3 * DAY)
    [coupon] = coupons_of(session, member)
    assert (coupon.source, run.coupon_id) == (f"journey:{journey.id}:n1:1", coupon.id)
    assert letters(session) == []

    window = now + timedelta(days=4)
    session.execute(
        OutboundMessage.metadata.tables["message_windows"].update().values(expires_at=window)
    )
    run_on(session, journey, now + 3 * DAY)

    [run] = runs_of(session, journey)
    assert (run.state, run.outcome) == (RunState.done, "completed")
    [letter] = letters(session)
    assert (letter.key, letter.channel) == (
        f"journey:{run.id}:n3",
        Channel.customer_service,
    )
    assert letter.payload["text"].startswith("林小满，「见面礼」还没用。")
    steps = session.execute(select(JourneyStep.node, JourneyStep.outcome).order_by(JourneyStep.id))
    assert [tuple(step) for step in steps] == [("n1", "given"), ("n2", "waited"), ("n3", "sent")]
    assert counting.read(session, journey.id) == {
        ("", "entered"): 1,
        ("n1", "given"): 1,
        ("n2", "waited"): 1,
        ("n3", "sent"): 1,
        ("", "end:completed"): 1,
    }


def test_whoever_reached_the_goal_is_given_nothing_more_even_before_the_event_is_told(
    session: Session, now: datetime
) -> None:
    template = make_template(session, make_merchant(session))
    give = {"kind": "coupon", "template_id": template.id}
    journey = make_journey(session, plan(WAIT, give, goal={"kind": "paid"}))
    told, untold, other = (make_talker(session) for _ in range(3))
    for member in (told, untold, other):
        bring(session, journey, member, now)
    for member in (told, untold):
        events.record(session, member.id, "paid", now=now + DAY)

    hearing.heard(session, told.id, "paid", at=now + DAY, data={}, now=now + DAY)

    assert [run.outcome for run in runs_of(session, journey)] == ["goal", "", ""]
    run_on(session, journey, now + 3 * DAY)
    assert [run.outcome for run in runs_of(session, journey)] == ["goal", "goal", "completed"]
    assert [len(coupons_of(session, who)) for who in (told, untold, other)] == [0, 0, 1]


@pytest.mark.parametrize(
    ("entry", "days", "rounds"),
    [
        ({"rule": "once"}, (0, 1, 40), 1),
        ({"rule": "days", "days": 30}, (0, 1, 29, 31, 40), 2),
        ({"rule": "every"}, (0, 1, 29), 3),
    ],
)
def test_the_entry_rule_says_how_often(
    session: Session, now: datetime, entry: dict[str, Any], days: tuple[int, ...], rounds: int
) -> None:
    template = make_template(session, make_merchant(session))
    journey = make_journey(
        session, plan({"kind": "coupon", "template_id": template.id}, entry=entry)
    )
    member = make_talker(session)

    for day in days:
        at = now + day * DAY
        bring(session, journey, member, at)
        hearing.heard(session, member.id, "followed", at=at, data={}, now=at)  # told twice
        run_on(session, journey, at)

    assert [run.round for run in runs_of(session, journey)] == list(range(1, rounds + 1))
    assert len(coupons_of(session, member)) == rounds


def test_who_is_inside_does_not_come_in_again(session: Session, now: datetime) -> None:
    journey = make_journey(session, plan(WAIT, HELLO, entry={"rule": "every"}))
    member = make_talker(session)

    for day in range(3):
        bring(session, journey, member, now + day * DAY)

    assert len(runs_of(session, journey)) == 1


def test_two_entries_at_once_name_the_same_run_before_them_and_one_is_refused(
    session: Session, now: datetime
) -> None:
    journey = make_journey(session, plan(WAIT, HELLO, entry={"rule": "every"}))
    member = make_talker(session)
    version = session.get_one(JourneyVersion, journey.version_id)
    row = entering._row(journey, version, Entrant(member.id, "one", now), 0, 0, now)
    other = entering._row(journey, version, Entrant(member.id, "two", now), 0, 0, now)

    assert rows.add_all_new(session, JourneyRun, [row]) == 1
    assert rows.add_all_new(session, JourneyRun, [other]) == 0


def test_a_wait_ends_at_the_hour_of_the_store() -> None:
    noon = datetime.fromisoformat("2026-11-22T04:00:00+00:00")
    days = {"amount": 1, "unit": "days", "until_hour": 10}
    assert due_at(days, noon).isoformat() == "2026-11-24T02:00:00+00:00"  # noon is past ten
    assert due_at({**days, "until_hour": 12}, noon).isoformat() == "2026-11-23T04:00:00+00:00"
    hours = {"amount": 2, "unit": "hours", "until_hour": None}
    assert due_at(hours, noon) == noon + timedelta(hours=2)


def test_waiting_for_an_event_goes_on_at_once_or_by_the_other_line(
    session: Session, now: datetime
) -> None:
    made = plan({"kind": "listen", "event": "redeemed", "amount": 7, "unit": "days"}, HELLO)
    made["nodes"]["n1"]["until_hour"] = None
    made, key = editing.insert(made, "n1", "timeout", "tag")
    tag = make_tag(session, name="没来用券")
    made = editing.change(made, key, {"tag_id": tag.id, "put": True})
    journey = make_journey(session, made)
    came, missed, stayed = (make_talker(session) for _ in range(3))
    for member in (came, missed, stayed):
        bring(session, journey, member, now)
    run_on(session, journey, now)

    at = now + timedelta(hours=5)
    events.record(session, came.id, "redeemed", now=at)
    events.record(session, missed.id, "redeemed", now=at)  # its job is lost
    hearing.heard(session, came.id, "redeemed", at=at, data={}, now=at)
    run_on(session, journey, at)

    assert [run.outcome for run in runs_of(session, journey)] == ["completed", "", ""]
    run_on(session, journey, now + 7 * DAY)
    outcomes = session.scalars(
        select(JourneyStep.outcome).where(JourneyStep.node == "n1").order_by(JourneyStep.run_id)
    )
    assert list(outcomes) == ["heard", "heard", "timeout"]
    tagged = tags.tags_of(session, [came.id, missed.id, stayed.id])
    assert [len(tagged[who.id]) for who in (came, missed, stayed)] == [0, 0, 1]


def test_a_branch_asks_what_happened_since_they_came_in(session: Session, now: datetime) -> None:
    made = plan(WAIT, {"kind": "branch", "test": "event", "event": "paid"}, HELLO)
    journey = make_journey(session, made)
    early, bought, idle = (make_talker(session) for _ in range(3))
    events.record(session, early.id, "paid", now=now - DAY)
    for member in (early, bought, idle):
        bring(session, journey, member, now)
    events.record(session, bought.id, "paid", now=now + DAY)

    run_on(session, journey, now + 3 * DAY)

    outcomes = session.scalars(
        select(JourneyStep.outcome).where(JourneyStep.node == "n2").order_by(JourneyStep.run_id)
    )
    assert list(outcomes) == ["no", "yes", "no"]


def test_a_branch_and_a_goal_by_segment(session: Session, now: datetime) -> None:
    rule = {"op": "and", "rules": [{"field": "orders", "op": ">=", "value": 2}]}
    few = {"op": "and", "rules": [{"field": "orders", "op": "<=", "value": 5}]}
    branch = {"kind": "branch", "test": "segment", "rule": rule}
    goal = {"kind": "left_segment", "segment_id": make_segment(session, few).id}
    journey = make_journey(session, plan(branch, HELLO, goal=goal))
    people = [make_talker(session, orders_count=number) for number in (1, 3, 9)]
    for member in people:
        bring(session, journey, member, now)

    run_on(session, journey, now)

    assert [run.outcome for run in runs_of(session, journey)] == ["completed", "completed", "goal"]
    outcomes = session.scalars(select(JourneyStep.outcome).where(JourneyStep.node == "n1"))
    assert list(outcomes) == ["no", "yes"]


def test_a_message_that_may_not_be_sent_is_passed_over_with_the_reason(
    session: Session, now: datetime
) -> None:
    journey = make_journey(session, plan(HELLO))
    people = {
        "sent": make_talker(session),
        "no_consent": make_talker(session, marketing_consent=False),
        "no_identity": make_member(session, person=make_person(session)),
        "not_following": make_granter(session),  # a grant is for coupons, and there is none
    }
    for member in people.values():
        bring(session, journey, member, now)

    run_on(session, journey, now)

    found = session.scalars(select(JourneyStep.outcome).order_by(JourneyStep.run_id))
    assert list(found) == list(people)
    assert len(letters(session)) == 1


def test_a_grant_about_coupons_carries_the_coupon_of_the_journey(
    session: Session, now: datetime
) -> None:
    template = make_template(session, make_merchant(session))
    journey = make_journey(session, plan({"kind": "coupon", "template_id": template.id}, HELLO))
    bring(session, journey, make_granter(session), now)

    run_on(session, journey, now)

    [letter] = letters(session)
    assert (letter.channel, letter.payload["data"]["thing1"]) == (Channel.subscribe, "见面礼")


def test_points_are_given_once_with_the_journeys_name(session: Session, now: datetime) -> None:
    journey = make_journey(session, plan({"kind": "points", "points": 50}, WAIT))
    member = make_talker(session)
    bring(session, journey, member, now)

    run_on(session, journey, now)
    run_on(session, journey, now)

    session.refresh(member)
    assert (member.points, point_balance(session, member.id)) == (50, (50, 0))


def test_at_night_a_message_waits_for_the_morning(session: Session, now: datetime) -> None:
    journey = make_journey(session, plan(HELLO))
    night = now + timedelta(hours=11)  # 23 o'clock
    bring(session, journey, make_talker(session), night)

    run_on(session, journey, night)

    [run] = runs_of(session, journey)
    assert (run.state, run.node, letters(session)) == (RunState.active, "n1", [])
    assert run.due_at.isoformat() == "2026-11-23T00:00:00+00:00"
    run_on(session, journey, run.due_at)
    assert len(letters(session)) == 1


def test_the_cap_over_all_marketing_holds_for_journeys(session: Session, now: datetime) -> None:
    contacts.set_rules(session, make_merchant(session).id, actor="staff:1", now=now, most=1, days=7)
    member = make_talker(session)
    first, second = (make_journey(session, plan(HELLO)) for _ in range(2))
    for journey in (first, second):
        hearing.heard(session, member.id, "followed", at=now, data={}, now=now)
        run_on(session, journey, now)

    found = session.scalars(select(JourneyStep.outcome).order_by(JourneyStep.run_id))
    assert list(found) == ["sent", "frequency"]


def test_a_coupon_that_is_used_up_pauses_the_journey_and_nobody_moves(
    session: Session, now: datetime
) -> None:
    template = make_template(session, make_merchant(session), total_limit=1)
    journey = make_journey(session, plan({"kind": "coupon", "template_id": template.id}))
    people = [make_talker(session) for _ in range(2)]
    for member in people:
        bring(session, journey, member, now)

    run_on(session, journey, now)

    session.refresh(journey)
    assert (journey.state, journey.reason) == (
        JourneyState.paused,
        "「见面礼」发不出去：「见面礼」已经领完了",
    )
    assert [run.node for run in runs_of(session, journey)] == ["n1", "n1"]
    assert session.scalar(select(func.count()).select_from(Coupon)) == 0
    template.total_limit = None
    drafting.resume(session, journey, actor="staff:1", now=now)
    run_on(session, journey, now)
    assert [len(coupons_of(session, member)) for member in people] == [1, 1]


def test_a_paused_journey_lets_nobody_in_and_moves_nobody(session: Session, now: datetime) -> None:
    journey = make_journey(session, plan(WAIT, HELLO))
    inside, late = make_talker(session), make_talker(session)
    bring(session, journey, inside, now)
    drafting.pause(session, journey, actor="staff:1", now=now)

    bring(session, journey, late, now)
    run_on(session, journey, now + 4 * DAY)

    assert [run.node for run in runs_of(session, journey)] == ["n1"]
    with pytest.raises(JourneyMoved):
        drafting.pause(session, journey, actor="staff:1", now=now)


def test_an_ended_journey_ends_its_runs(session: Session, now: datetime) -> None:
    journey = make_journey(session, plan(WAIT, HELLO))
    bring(session, journey, make_talker(session), now)

    drafting.end(session, journey, actor="staff:1", now=now)
    assert ending.end_all(session, journey.id, "ended", now=now, limit=10) == 1

    [run] = runs_of(session, journey)
    assert (run.state, run.outcome) == (RunState.done, "ended")
    assert ending.end_all(session, journey.id, "ended", now=now, limit=10) == 0
    with pytest.raises(JourneyMoved):
        drafting.write(session, journey, empty(), now=now)


def test_the_hold_out_is_written_down_and_never_walks(session: Session, now: datetime) -> None:
    journey = make_journey(session, plan(HELLO, holdout_bp=5_000))
    journey.seed = 7
    for _ in range(40):
        bring(session, journey, make_talker(session), now)

    run_on(session, journey, now)

    runs = runs_of(session, journey)
    held = [run for run in runs if run.arm is RunArm.holdout]
    assert 8 <= len(held) <= 32
    assert {(run.state, run.outcome) for run in held} == {(RunState.done, "held_out")}
    assert len(letters(session)) == 40 - len(held)
    counts = counting.read(session, journey.id)
    assert (counts["", "held_out"], counts["", "entered"]) == (len(held), 40 - len(held))


def test_a_published_version_stays_and_people_stay_on_theirs_or_are_moved(
    session: Session, now: datetime
) -> None:
    journey = make_journey(session, plan(WAIT, HELLO))
    stays, moves = make_talker(session), make_talker(session)
    bring(session, journey, stays, now)
    first = journey.version_id
    made = plan(WAIT, {"kind": "message", "text": "第二版"})

    draft = drafting.write(session, journey, made, now=now)
    assert journey.version_id == first
    drafting.publish(session, journey, actor="staff:1", now=now)
    assert [run.version_id for run in runs_of(session, journey)] == [first]
    bring(session, journey, moves, now)
    third = drafting.write(session, journey, plan(WAIT, HELLO), now=now)
    drafting.publish(session, journey, actor="staff:1", move=True, now=now)

    assert [run.version_id for run in runs_of(session, journey)] == [third.id, third.id]
    assert [draft.number, third.number] == [2, 3]
    with pytest.raises(JourneyMoved):
        drafting.publish(session, journey, actor="staff:1", now=now)


def test_what_is_not_filled_in_is_not_published(session: Session, now: datetime) -> None:
    merchant = make_merchant(session)
    made = plan({"kind": "coupon"}, {"kind": "message", "text": " "}, {"kind": "tag"})
    journey = drafting.create(
        session, merchant.id, name="没填完", graph=made, actor="staff:1", now=now
    )

    with pytest.raises(JourneyInvalid) as refusal:
        drafting.publish(session, journey, actor="staff:1", now=now)

    assert set(refusal.value.errors) == {"n1.template_id", "n2.text", "n3.tag_id"}
    assert (journey.state, journey.version_id) == (JourneyState.draft, None)


def test_the_scans_find_each_occasion_once(session: Session, now: datetime) -> None:
    merchant = make_merchant(session)
    template = make_template(session, merchant, valid_days=2)
    gone = make_member(session, last_visit_at=now - timedelta(days=30, hours=1))
    make_member(session, last_visit_at=now - timedelta(days=40))
    make_member(session, last_visit_at=now - timedelta(days=29))
    soon = make_member(session, birthday=date(1990, 11, 25))
    make_member(session, birthday=date(1990, 11, 29))
    holder = make_member(session)
    coupon = make_coupon(session, holder, template)
    spent = make_coupon(session, make_member(session), template)
    spent.state = CouponState.redeemed
    session.flush()
    expected: dict[str, tuple[dict[str, Any], list[int]]] = {
        "inactive": ({"days": 30}, [gone.id]),
        "birthday": ({"days": 3}, [soon.id]),
        "expiring": ({"days": 3}, [holder.id]),
    }
    for kind, (more, who) in expected.items():
        journey = make_journey(
            session, plan(HELLO, WAIT, trigger={"kind": kind, **more}, entry={"rule": "once"})
        )
        for _ in range(2):
            after = 0
            while after := scanning.scan(session, journey.id, after, now=now, limit=1):
                pass
        assert [run.member_id for run in runs_of(session, journey)] == who
        if kind == "expiring":
            assert runs_of(session, journey)[0].coupon_id == coupon.id


def test_a_listened_event_is_queued_where_it_is_written_and_others_are_not(
    session: Session, now: datetime
) -> None:
    member = make_talker(session)
    events.record(session, member.id, "followed", now=now)
    make_journey(session, plan(HELLO, goal={"kind": "redeemed"}))

    for kind in ("followed", "redeemed", "visited"):
        events.record(session, member.id, kind, now=now)

    jobs = session.scalars(select(OutboxJob.args).where(OutboxJob.name == "crm.journey_heard"))
    assert [job["kind"] for job in jobs] == ["followed", "redeemed"]


def test_only_the_first_order_and_only_that_tag(session: Session, now: datetime) -> None:
    tag, other = make_tag(session, name="探店"), make_tag(session, name="别的")
    first = make_journey(session, plan(WAIT, HELLO, trigger={"kind": "first_order"}))
    tagged = make_journey(session, plan(WAIT, HELLO, trigger={"kind": "tagged", "tag_id": tag.id}))
    member = make_member(session, first_paid_at=now - DAY)

    hearing.heard(session, member.id, "paid", at=now, data={}, now=now)
    hearing.heard(session, member.id, "tagged", at=now, data={"tag_id": other.id}, now=now)
    assert runs_of(session, first) + runs_of(session, tagged) == []
    hearing.heard(session, member.id, "paid", at=now - DAY, data={}, now=now)
    hearing.heard(session, member.id, "tagged", at=now, data={"tag_id": tag.id}, now=now)
    assert len(runs_of(session, first)) == len(runs_of(session, tagged)) == 1


def test_what_happened_before_every_process_knew_is_caught_up(
    session: Session, now: datetime
) -> None:
    member = make_talker(session)
    journey = make_journey(session, plan(WAIT, HELLO))
    [job] = session.scalars(select(OutboxJob).where(OutboxJob.name == "crm.journey_catch_up"))
    assert job.run_at == now + drafting.CATCH_UP
    events.record(session, member.id, "followed", now=now)

    for _ in range(2):
        assert hearing.catch_up(session, now=now, **job.args) == 0

    assert [run.member_id for run in runs_of(session, journey)] == [member.id]


def test_a_merge_brings_the_runs_along_and_never_doubles_one(
    session: Session, now: datetime
) -> None:
    both = make_journey(session, plan(WAIT, HELLO))
    winner, loser = make_talker(session), make_talker(session)
    bring(session, both, winner, now)
    bring(session, both, loser, now)
    alone = make_journey(session, plan(WAIT, HELLO))
    bring(session, alone, loser, now)
    kept = len(runs_of(session, both, winner))

    merging.merge(session, winner_id=winner.id, loser_id=loser.id, now=now)

    assert len(runs_of(session, both, winner)) == kept
    assert [run.outcome for run in runs_of(session, both, loser)] == ["merged"]
    assert [run.state for run in runs_of(session, alone, winner)] == [RunState.active]
    run_on(session, both, now + 3 * DAY)
    assert [run.outcome for run in runs_of(session, both)] == ["completed", "merged"]


def test_somebody_of_the_staff_tries_a_draft_without_its_waits(
    session: Session, now: datetime
) -> None:
    merchant = make_merchant(session)
    template = make_template(session, merchant)
    tag = make_tag(session, name="试过")
    made = plan(
        {"kind": "coupon", "template_id": template.id},
        {"kind": "points", "points": 10_000},
        {"kind": "tag", "tag_id": tag.id},
        WAIT,
        {"kind": "message", "text": "{昵称}，「{券名}」给你"},
        holdout_bp=5_000,
    )
    journey = drafting.create(session, merchant.id, name="试", graph=made, actor="staff:1", now=now)
    me = make_talker(session)
    draft = drafting.draft_of(session, journey)
    assert draft is not None

    entering.enter_test(session, journey, draft, me, actor="staff:1", now=now)
    run_on(session, journey, now)
    assert advancing.due_journeys(session, now=now + timedelta(seconds=11)) == [journey.id]
    run_on(session, journey, now + timedelta(seconds=11))

    [run] = runs_of(session, journey)
    assert (run.arm, run.outcome, len(letters(session))) == (RunArm.test, "completed", 1)
    assert counting.read(session, journey.id) == {}
    [letter] = letters(session)
    assert "「见面礼」给你" in str(letter.payload)
    # It says what it would give, and gives nothing that is worth anything.
    steps = session.scalars(select(JourneyStep.outcome).order_by(JourneyStep.id)).all()
    assert steps == ["tried", "tried", "tried", "waited", "sent"]
    assert session.scalars(select(Coupon.id)).all() == []
    assert point_balance(session, me.id) == (0, 0)
    assert session.scalars(select(MemberTag.tag_id)).all() == []
    audited = session.execute(select(AuditEntry.action, AuditEntry.actor)).all()
    assert ("journey.tested", "staff:1") in audited


def test_the_plan_is_edited_as_a_tree() -> None:
    made = plan({"kind": "coupon"}, {"kind": "branch"}, {"kind": "message"})
    made, wait = editing.insert(made, "n2", "no", "wait")
    assert [key for key, _ in walk(made)] == ["n1", "n2", "n3", "n4"]
    made, top = editing.insert(made, editing.START, "first", "tag")
    assert (made["first"], made["nodes"][top]["next"], leaves(made)) == ("n5", "n1", 2)

    without = editing.drop(made, "n2")

    assert [key for key, _ in walk(without)] == ["n5", "n1", "n3"]
    assert wait not in without["nodes"]
    assert made["nodes"]["n2"]["no"] == wait  # what was given is left alone
    with pytest.raises(editing.CannotAdd):
        editing.insert(made, "n1", "yes", "wait")


def test_every_fault_is_named_by_its_place() -> None:
    made: Graph = empty("inactive")
    made["trigger"]["days"] = 0
    made["entry"] = {"rule": "days"}
    made["goal"] = {"kind": "left_segment"}
    made["holdout_bp"] = 6_000

    assert set(faults(made)) == {"trigger.days", "entry.days", "goal.segment_id", "holdout_bp", ""}
    assert issuing.MOST_AT_ONCE >= advancing.SLICE
