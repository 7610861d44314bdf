"""A run is over: it reached the goal, its journey was ended, or its member was merged."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, select, update
from sqlalchemy.orm import Session

from core.database import claim
from crm.journeys import counting
from crm.models import (
    Journey,
    JourneyRun,
    JourneyState,
    JourneyVersion,
    RunArm,
    RunState,
    SegmentMember,
)

CATCH = timedelta(days=3)
"""So long ago somebody may have left and still be noticed: a system may be off over a week-end."""


def end(session: Session, runs: Sequence[JourneyRun], outcome: str, *, now: datetime) -> int:
    """Those that are still walking end here, each counted once; how many that were."""
    ended = 0
    for run in sorted(runs, key=lambda each: each.id):
        moved = claim(
            session,
            update(JourneyRun)
            .where(JourneyRun.id == run.id, JourneyRun.state == RunState.active)
            .values(state=RunState.done, outcome=outcome, ended_at=now, awaiting=""),
        )
        if moved and run.arm is not RunArm.test:
            counting.add(session, run.journey_id, [("", f"end:{outcome}")])
        ended += moved
    return ended


def end_all(session: Session, journey_id: int, outcome: str, *, now: datetime, limit: int) -> int:
    """The next slice of those who are inside ends; how many, 0: nobody is left."""
    inside = session.scalars(
        select(JourneyRun)
        .where(JourneyRun.journey_id == journey_id, JourneyRun.state == RunState.active)
        .order_by(JourneyRun.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    ).all()
    ids = [run.id for run in inside]
    moved = claim(
        session,
        update(JourneyRun)
        .where(JourneyRun.id.in_(ids), JourneyRun.state == RunState.active)
        .values(state=RunState.done, outcome=outcome, ended_at=now, awaiting=""),
    )
    real = [run for run in inside if run.arm is not RunArm.test]
    counting.add(session, journey_id, [("", f"end:{outcome}") for _ in real])
    return moved


def end_left(session: Session, journey_id: int, *, now: datetime, limit: int = 500) -> int:
    """Runs of a journey whose goal it was that their member leaves a segment, and who left it since
    they came in, end here; how many of the next slice. By the clock: who waits for days is not
    asked before.
    """
    ended = 0
    for version_id, segment_id in _to_leave(session, journey_id):
        gone = (
            select(JourneyRun.id)
            .join(SegmentMember, SegmentMember.member_id == JourneyRun.member_id)
            .where(
                SegmentMember.segment_id == segment_id,
                SegmentMember.left_at > now - CATCH,
                SegmentMember.left_at > JourneyRun.entered_at,
                JourneyRun.version_id == version_id,
                JourneyRun.state == RunState.active,
                JourneyRun.arm != RunArm.test,
            )
            .limit(limit)
        )
        held = (
            select(JourneyRun)
            .where(JourneyRun.id.in_(session.scalars(gone).all()))
            .order_by(JourneyRun.id)
            .with_for_update(skip_locked=True)
        )
        ended += end(session, session.scalars(held).all(), "goal", now=now)
    return ended


def list_left(session: Session) -> list[int]:
    """Journeys that somebody may walk and that end when a segment is left."""
    return sorted({journey_id for journey_id, _, _ in _goals(session)})


def _to_leave(session: Session, journey_id: int) -> list[tuple[int, int]]:
    """The journey's versions, each with the segment."""
    found = _goals(session, Journey.id == journey_id)
    return [(version_id, segment_id) for _, version_id, segment_id in found]


def _goals(session: Session, *only: ColumnElement[bool]) -> list[tuple[int, int, int]]:
    found = session.execute(
        select(Journey.id, JourneyVersion.id, JourneyVersion.graph)
        .join(Journey, Journey.id == JourneyVersion.journey_id)
        .where(
            JourneyVersion.published_at.is_not(None),
            Journey.state.in_((JourneyState.live, JourneyState.paused)),
            *only,
        )
        .order_by(JourneyVersion.id)
    )
    goals = ((journey_id, version_id, graph["goal"]) for journey_id, version_id, graph in found)
    return [
        (journey_id, version_id, goal["segment_id"])
        for journey_id, version_id, goal in goals
        if goal["kind"] == "left_segment"
    ]


def merge(session: Session, *, winner_id: int, loser_id: int, now: datetime) -> None:
    """The loser's runs go to the winner; of a journey that both walked the loser's is ended."""
    both = session.scalars(
        select(JourneyRun).where(JourneyRun.member_id.in_((winner_id, loser_id))).with_for_update()
    ).all()
    theirs = {run.journey_id for run in both if run.member_id == winner_id}
    doubled = [run for run in both if run.member_id == loser_id and run.journey_id in theirs]
    end(session, doubled, "merged", now=now)
    claim(
        session,
        update(JourneyRun)
        .where(JourneyRun.member_id == loser_id, JourneyRun.journey_id.not_in(theirs))
        .values(member_id=winner_id),
    )
