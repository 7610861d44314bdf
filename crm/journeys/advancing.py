"""Moving runs on, slice by slice. All that a slice does is one transaction.

The slice's rows are locked first, passing over those that another worker holds, so nobody acts for
a run twice; what a run is given carries a key of run and node besides. A goal is asked of the facts
before anything is done, so that nothing follows it even when its event is still on its way here.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, select, update
from sqlalchemy.orm import Session

from core import rows
from crm.journeys import acting, counting, ending, facts
from crm.journeys.acting import Closed, Postponed
from crm.journeys.graph import ACTS, Graph, arrival, slots
from crm.models import (
    Journey,
    JourneyRun,
    JourneyState,
    JourneyStep,
    JourneyVersion,
    Member,
    RunArm,
    RunState,
)

SLICE = 200
ORDER = {"message": 0, "coupon": 1}
"""Rows are locked in one order: the marketing rules, then coupon templates, then the rest."""


@dataclass(frozen=True)
class _Done:
    """What a run did at its node and where it goes from there."""

    outcome: str
    slot: str = "next"
    coupon_id: int | None = None


def due_journeys(session: Session, *, now: datetime) -> list[int]:
    """Journeys with a run to move: live ones, and any in which somebody tries it out."""
    due = (JourneyRun.state == RunState.active, JourneyRun.due_at <= now)
    walking = (
        select(JourneyRun.journey_id)
        .join(Journey, Journey.id == JourneyRun.journey_id)
        .where(*due, Journey.state == JourneyState.live)
    )
    trying = select(JourneyRun.journey_id).where(*due, JourneyRun.arm == RunArm.test)
    return sorted(set(session.scalars(walking.distinct())) | set(session.scalars(trying)))


def advance(session: Session, journey_id: int, *, now: datetime, limit: int = SLICE) -> int:
    """Move the next due runs of a journey by one step each; how many were looked at.

    0: nobody is due, or the journey does not run. A step that cannot be done for anybody, since its
    coupon is used up, pauses the journey and leaves everybody where they are.
    """
    journey = session.get_one(Journey, journey_id, populate_existing=True)
    due = _due(session, journey, now, limit)
    walking = _without_ended(session, due, now)
    for (version_id, key), group in _by_node(session, walking):
        graph = session.get_one(JourneyVersion, version_id).graph
        try:
            _step(session, journey, graph, key, group, now)
        except Closed as closed:
            _pause(session, journey, closed.reason)
            return 0
    return len(due)


def _due(session: Session, journey: Journey, now: datetime, limit: int) -> list[JourneyRun]:
    found = select(JourneyRun).where(
        JourneyRun.journey_id == journey.id,
        JourneyRun.state == RunState.active,
        JourneyRun.due_at <= now,
    )
    if journey.state is not JourneyState.live:
        found = found.where(JourneyRun.arm == RunArm.test)
    return list(
        session.scalars(
            found.order_by(JourneyRun.due_at, JourneyRun.id)
            .limit(limit)
            .with_for_update(skip_locked=True)
            .execution_options(populate_existing=True)
        )
    )


def _without_ended(session: Session, due: Sequence[JourneyRun], now: datetime) -> list[JourneyRun]:
    """Those who still walk: not merged into another, and not at their goal."""
    merged = set(
        session.scalars(
            select(Member.id).where(
                Member.id.in_([run.member_id for run in due]), Member.merged_into_id.is_not(None)
            )
        )
    )
    ending.end(session, [run for run in due if run.member_id in merged], "merged", now=now)
    walking = [run for run in due if run.member_id not in merged]
    there: set[int] = set()
    for version_id in sorted({run.version_id for run in walking}):
        goal = session.get_one(JourneyVersion, version_id).graph["goal"]
        mine = [
            run for run in walking if run.version_id == version_id and run.arm is not RunArm.test
        ]
        there |= facts.at_goal(session, goal, mine, now)
    ending.end(session, [run for run in walking if run.id in there], "goal", now=now)
    return [run for run in walking if run.id not in there]


def _by_node(
    session: Session, walking: Sequence[JourneyRun]
) -> Iterator[tuple[tuple[int, str], list[JourneyRun]]]:
    groups: dict[tuple[int, str], list[JourneyRun]] = defaultdict(list)
    for run in walking:
        groups[run.version_id, run.node].append(run)

    def rank(place: tuple[int, str]) -> tuple[int, int, str]:
        node = session.get_one(JourneyVersion, place[0]).graph["nodes"].get(place[1], {})
        return ORDER.get(node.get("kind", ""), 2), *place

    yield from ((place, groups[place]) for place in sorted(groups, key=rank))


def _step(
    session: Session,
    journey: Journey,
    graph: Graph,
    key: str,
    group: list[JourneyRun],
    now: datetime,
) -> None:
    node = graph["nodes"].get(key)
    if node is None:  # a draft that was being tried out lost this step
        ending.end(session, group, "completed", now=now)
        return
    done: dict[int, _Done] = {}
    later: dict[int, datetime] = {}
    match node["kind"]:
        case "wait":
            done = {run.id: _Done("waited") for run in group}
        case "listen":
            heard = {run.id for run in group if run.heard}
            silent = [run for run in group if not run.heard]
            heard |= facts.happened(session, node["event"], silent, now, since="node_at")
            done = {run.id: _told(run.id in heard, "heard", "timeout") for run in group}
        case "branch":
            yes = facts.holds(session, node, group, now)
            done = {
                run.id: _Done("yes", "yes") if run.id in yes else _Done("no", "no") for run in group
            }
        case kind if kind in ACTS:
            results = acting.act(session, journey, key, node, group, now)
            for run_id, result in results.items():
                if isinstance(result, Postponed):
                    later[run_id] = result.until
                else:
                    done[run_id] = _Done(result.outcome, coupon_id=result.coupon_id)
    _postpone(session, later)
    _move(session, journey, graph, key, [run for run in group if run.id in done], done, now)


def _told(yes: bool, outcome: str, otherwise: str) -> _Done:
    return _Done(outcome) if yes else _Done(otherwise, "timeout")


def _postpone(session: Session, later: dict[int, datetime]) -> None:
    for run_id, until in later.items():
        rows.must_move(
            session, JourneyRun, {"id": run_id, "state": RunState.active}, {"due_at": until}
        )


def _move(
    session: Session,
    journey: Journey,
    graph: Graph,
    key: str,
    runs: Sequence[JourneyRun],
    done: dict[int, _Done],
    now: datetime,
) -> None:
    """Every run leaves `key` for what hangs in its slot; the rows answer for standing there."""
    if not runs:
        return
    node = graph["nodes"][key]
    moves: list[dict[str, Any]] = []
    counted: list[tuple[str, str]] = []
    for run in runs:
        what, test = done[run.id], run.arm is RunArm.test
        slot = what.slot if what.slot in slots(node) else "next"
        to = arrival(graph, node.get(slot), now, test=test)
        moves.append(
            {
                "run_id": run.id,
                "to_state": RunState(to["state"]),
                "to_outcome": to["outcome"],
                "to_node": to.get("node", ""),
                "to_due_at": to["due_at"],
                "to_awaiting": to["awaiting"],
                "to_ended_at": now if to["state"] == "done" else None,
                "to_coupon_id": what.coupon_id or run.coupon_id,
            }
        )
        if not test:
            counted.append((key, what.outcome))
            counted += [("", "end:completed")] if to["state"] == "done" else []
    result = session.connection().execute(
        update(rows.table_of(JourneyRun))
        .where(
            JourneyRun.id == bindparam("run_id"),
            JourneyRun.state == RunState.active,
            JourneyRun.node == key,
        )
        .values(
            state=bindparam("to_state"),
            outcome=bindparam("to_outcome"),
            node=bindparam("to_node"),
            node_at=now,
            due_at=bindparam("to_due_at"),
            awaiting=bindparam("to_awaiting"),
            heard=False,
            ended_at=bindparam("to_ended_at"),
            coupon_id=bindparam("to_coupon_id"),
        ),
        moves,
    )
    rows.all_moved(JourneyRun, result.rowcount, len(moves))
    steps = [
        {"run_id": run.id, "node": key, "outcome": done[run.id].outcome, "at": now} for run in runs
    ]
    rows.add_all(session, JourneyStep, steps)
    counting.add(session, journey.id, counted)


def _pause(session: Session, journey: Journey, reason: str) -> None:
    live = {"id": journey.id, "state": JourneyState.live}
    rows.compare_and_set(session, Journey, live, {"state": JourneyState.paused, "reason": reason})
