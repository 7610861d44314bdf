"""Journeys for tests: a graph from a short list of steps, published and live."""

import itertools
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from crm import segments
from crm.journeys import advancing, drafting, editing, graph
from crm.models import Journey, JourneyRun, Member, Segment
from tests.factories.crm import NOW, make_merchant

_numbers = itertools.count(1)


def plan(
    *steps: dict[str, Any],
    trigger: dict[str, Any] | None = None,
    entry: dict[str, Any] | None = None,
    goal: dict[str, Any] | None = None,
    holdout_bp: int = 0,
) -> graph.Graph:
    """Steps below one another; the first is n1. A step is {"kind": …} and what differs."""
    made = graph.empty()
    made["trigger"] = trigger or {"kind": "followed"}
    made["entry"] = entry or {"rule": "once"}
    made["goal"] = goal or {"kind": "none"}
    made["holdout_bp"] = holdout_bp
    under, slot = editing.START, "first"
    for step in steps:
        made, key = editing.insert(made, under, slot, step["kind"])
        fresh = made["nodes"][key]
        made = editing.change(made, key, {**fresh, **step})
        under, slot = key, graph.slots(made["nodes"][key])[0]
    return made


def make_journey(session: Session, made: graph.Graph, *, now: datetime = NOW) -> Journey:
    merchant = make_merchant(session)
    journey = drafting.create(
        session, merchant.id, name=f"旅程 {next(_numbers)}", graph=made, actor="staff:1", now=now
    )
    drafting.publish(session, journey, actor="staff:1", now=now)
    return journey


def make_segment(session: Session, rule: dict[str, Any], *, now: datetime = NOW) -> Segment:
    return segments.create(
        session,
        make_merchant(session).id,
        name=f"人群 {next(_numbers)}",
        rule=rule,
        actor="staff:1",
        now=now,
    )


def run_on(session: Session, journey: Journey, now: datetime) -> None:
    """Move everybody until nobody is due."""
    for _ in range(200):
        if advancing.advance(session, journey.id, now=now) == 0:
            return
    raise AssertionError("somebody walks in circles")


def runs_of(session: Session, journey: Journey, member: Member | None = None) -> list[JourneyRun]:
    found = select(JourneyRun).where(JourneyRun.journey_id == journey.id)
    if member is not None:
        found = found.where(JourneyRun.member_id == member.id)
    ordered = found.order_by(JourneyRun.id).execution_options(populate_existing=True)
    return list(session.scalars(ordered))
