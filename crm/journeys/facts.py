"""What is true of the members of some runs: an event since, a goal reached, a rule that holds."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from crm.models import JourneyRun, Member, MemberEvent, Segment
from crm.segments.compiling import matches, tree


def happened(
    session: Session,
    kind: str,
    runs: Sequence[JourneyRun],
    now: datetime,
    *,
    since: str = "entered_at",
) -> set[int]:
    """The runs whose member did `kind` since they came in, or (`node_at`) came to their node."""
    moment = JourneyRun.node_at if since == "node_at" else JourneyRun.entered_at
    found = (
        select(JourneyRun.id)
        .join(MemberEvent, MemberEvent.member_id == JourneyRun.member_id)
        .where(
            JourneyRun.id.in_([run.id for run in runs]),
            MemberEvent.kind == kind,
            MemberEvent.at > moment,
            MemberEvent.at <= now,
        )
    )
    return set(session.scalars(found.distinct())) if runs else set()


def at_goal(
    session: Session, goal: dict[str, Any], runs: Sequence[JourneyRun], now: datetime
) -> set[int]:
    """The runs that have nothing more to do. What brought somebody in is not their goal."""
    if goal["kind"] == "none" or not runs:
        return set()
    if goal["kind"] == "left_segment":
        rule = session.get_one(Segment, goal["segment_id"], populate_existing=True).rule
        return {run.id for run in runs} - _matching(session, rule, runs, now)
    return happened(session, goal["kind"], runs, now)


def holds(
    session: Session, node: dict[str, Any], runs: Sequence[JourneyRun], now: datetime
) -> set[int]:
    """The runs that a branch sends to its `yes`."""
    if node["test"] == "segment":
        return _matching(session, node["rule"], runs, now)
    return happened(session, node["event"], runs, now)


def _matching(
    session: Session, rule: dict[str, Any], runs: Sequence[JourneyRun], now: datetime
) -> set[int]:
    ids = [run.member_id for run in runs]
    inside = set(
        session.scalars(select(Member.id).where(Member.id.in_(ids), matches(tree(rule), now)))
    )
    return {run.id for run in runs if run.member_id in inside}
