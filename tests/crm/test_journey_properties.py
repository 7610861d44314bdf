"""Any plan, any events: once per entry, nothing after the goal, and the counts add up."""

import itertools
from collections import Counter
from datetime import datetime, timedelta
from typing import Any

from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from core import database
from coupons.models import Coupon
from crm import events
from crm.journeys import counting, editing, graph, hearing, queries
from crm.models import JourneyRun, JourneyStep, Member, MemberEvent, RunArm, RunState
from messaging.models import OutboundMessage
from tests.factories.campaigns import make_talker
from tests.factories.coupons import make_template
from tests.factories.crm import NOW, make_merchant, make_tag
from tests.factories.journeys import make_journey, plan, run_on, runs_of

PEOPLE = 3
KINDS = ("followed", "paid", "redeemed")

steps = st.lists(
    st.tuples(
        st.sampled_from(graph.KINDS),
        st.integers(0, 9),  # under which of the steps there are
        st.booleans(),  # in the first slot or the last
        st.integers(1, 6),  # days of a wait
    ),
    min_size=1,
    max_size=7,
)
happenings = st.lists(
    st.tuples(
        st.integers(1, 60),  # hours later
        st.integers(0, PEOPLE - 1),
        st.sampled_from(KINDS),
        st.booleans(),  # the job that tells is lost
    ),
    max_size=14,
)
entries = st.sampled_from(
    [{"rule": "once"}, {"rule": "every"}, *({"rule": "days", "days": n} for n in (1, 3))]
)


def grow(drawn: list[Any], template_id: int, tag_id: int) -> graph.Graph:
    made = plan()
    for kind, number, first, days in drawn:
        keys = [key for key, _ in graph.walk(made)]
        under = [editing.START, *keys][number % (len(keys) + 1)]
        slots = ("first",) if under == editing.START else graph.slots(made["nodes"][under])
        try:
            made, key = editing.insert(made, under, slots[0 if first else -1], kind)
        except editing.CannotAdd:
            continue
        settings_ = {
            "wait": {"amount": days, "unit": "days", "until_hour": None},
            "listen": {"event": "redeemed", "amount": days, "unit": "days", "until_hour": None},
            "branch": {"test": "event", "event": "paid"},
            "coupon": {"template_id": template_id},
            "message": {"text": "{昵称}，来。"},
            "tag": {"tag_id": tag_id, "put": first},
            "points": {"points": days},
        }[kind]
        made = editing.change(made, key, settings_)
    return made


@settings(
    max_examples=25,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps, happenings, entries, st.sampled_from(("none", "paid")), st.booleans())
def test_whatever_happens(
    app: Flask,
    drawn: list[Any],
    happened: list[Any],
    entry: dict[str, Any],
    goal: str,
    held: bool,
) -> None:
    with database.Session(database.db.engine, expire_on_commit=False) as session:
        template = make_template(session, make_merchant(session))
        made = grow(drawn, template.id, make_tag(session, name="走过").id)
        made |= {"entry": entry, "goal": {"kind": goal}, "holdout_bp": 3_000 if held else 0}
        assert graph.faults(made) == {}
        journey = make_journey(session, made)
        people = [make_talker(session) for _ in range(PEOPLE)]
        now = NOW
        for hours, who, kind, lost in happened:
            now += timedelta(hours=hours)
            member = people[who]
            events.record(session, member.id, kind, now=now)
            if not lost:
                for _ in range(2):  # every job may run twice
                    hearing.heard(session, member.id, kind, at=now, data={}, now=now)
            run_on(session, journey, now)
            check(session, journey, people, made, now)
        # A wait begins when its turn comes, several may follow each other, and at night no message
        # goes out: jumps land at another hour each time.
        for _ in range(24):
            now += timedelta(days=45, hours=11)
            run_on(session, journey, now)
        check(session, journey, people, made, now)
        assert {run.state for run in runs_of(session, journey)} <= {RunState.done}
        session.rollback()


def check(
    session: Any, journey: Any, people: list[Member], made: graph.Graph, now: datetime
) -> None:
    runs = {run.id: run for run in runs_of(session, journey)}
    steps = list(session.scalars(select(JourneyStep).where(JourneyStep.run_id.in_(runs))))
    _entered_as_the_rule_allows(list(runs.values()), made["entry"])
    _nothing_after_the_goal(session, runs, steps, made)
    _given_once(session, runs, steps, made)
    _counts_add_up(session, journey, runs, steps)
    for step in steps:
        assert runs[step.run_id].arm is RunArm.reach
        assert step.at <= now
    for member in people:
        walking = [
            run for run in runs.values() if run.member_id == member.id and run.state == "active"
        ]
        assert len(walking) <= 1


def _entered_as_the_rule_allows(runs: list[JourneyRun], entry: dict[str, Any]) -> None:
    by_member: dict[int, list[JourneyRun]] = {}
    for run in runs:
        by_member.setdefault(run.member_id, []).append(run)
    for mine in by_member.values():
        assert [run.round for run in mine] == list(range(1, len(mine) + 1))
        assert entry["rule"] != "once" or len(mine) == 1
        if entry["rule"] == "days":
            gaps = [b.entered_at - a.entered_at for a, b in itertools.pairwise(mine)]
            assert all(gap >= timedelta(days=entry["days"]) for gap in gaps)


def _nothing_after_the_goal(
    session: Any, runs: dict[int, JourneyRun], steps: list[JourneyStep], made: graph.Graph
) -> None:
    if made["goal"]["kind"] == "none":
        return
    bought = select(MemberEvent.member_id, MemberEvent.at).where(MemberEvent.kind == "paid")
    for member_id, at in session.execute(bought):
        for step in steps:
            run = runs[step.run_id]
            if run.member_id == member_id and run.entered_at < at:
                assert step.at < at


def _given_once(
    session: Any, runs: dict[int, JourneyRun], steps: list[JourneyStep], made: graph.Graph
) -> None:
    given = sum(made["nodes"][step.node]["kind"] == "coupon" for step in steps)
    sent = sum(step.outcome == "sent" for step in steps)
    members = {run.member_id for run in runs.values()}
    coupons = session.scalars(select(Coupon.id).where(Coupon.member_id.in_(members))).all()
    keys = [f"journey:{run}:{node}" for run in runs for node in made["nodes"]]
    letters = session.scalars(select(OutboundMessage.id).where(OutboundMessage.key.in_(keys))).all()
    assert (len(coupons), len(letters)) == (given, sent)
    assert len({(step.run_id, step.node) for step in steps}) == len(steps)


def _counts_add_up(
    session: Any, journey: Any, runs: dict[int, JourneyRun], steps: list[JourneyStep]
) -> None:
    counts = counting.read(session, journey.id)
    nodes = {key: number for key, number in counts.items() if key[0]}
    assert nodes == Counter((step.node, step.outcome) for step in steps)
    totals = queries.totals_of(counts)
    reached = [run for run in runs.values() if run.arm is RunArm.reach]
    assert totals.entered == len(reached)
    assert totals.held_out == len(runs) - len(reached)
    assert totals.inside == sum(run.state is RunState.active for run in reached)
    assert sum(queries.here(session, journey.id).values()) == totals.inside
