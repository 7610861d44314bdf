"""Coming in: many members at once, each as often as the entry rule allows."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, exists, func, or_, select
from sqlalchemy.orm import Session

from core import audit, rows
from core.outbox import enqueue
from crm.campaigns.holdout import held_out
from crm.journeys import counting
from crm.journeys.graph import Graph, arrival
from crm.models import Journey, JourneyRun, JourneyVersion, Member, RunArm, RunState
from crm.segments.compiling import customers, matches, tree

MOST_AT_ONCE = 500


@dataclass(frozen=True)
class Entrant:
    """A member, what brought them and when, and the coupon it is about, if it is about one."""

    member_id: int
    cause: str
    at: datetime
    coupon_id: int | None = None


def enter(
    session: Session,
    journey: Journey,
    version: JourneyVersion,
    entrants: Sequence[Entrant],
    *,
    now: datetime,
) -> int:
    """Let in whom the entry rule and the trigger's segment let in; how many walk or are held out.
    Who works there walks only to try it out.

    Two entries of a member at once name the same run before them, so a unique key refuses one. The
    run before is read before the rule is asked: a run that is added between the two bars the door
    or takes the place, and never becomes the run before of a second one.
    """
    if len(entrants) > MOST_AT_ONCE:
        raise ValueError(f"at most {MOST_AT_ONCE} a call")
    graph = version.graph
    by_member = {each.member_id: each for each in reversed(entrants)}
    before = _before(session, journey.id, by_member)
    let_in = session.scalars(
        select(Member.id).where(
            Member.id.in_(by_member),
            customers(journey.merchant_id),
            admitted(journey.id, graph, now),
        )
    ).all()
    made = [
        _row(journey, version, by_member[member_id], *before.get(member_id, (0, 0)), now)
        for member_id in sorted(let_in)
    ]
    if rows.add_all_new(session, JourneyRun, made) == 0:
        return 0
    fresh = _fresh(session, journey.id, made)
    counting.add(session, journey.id, [("", _how(arm)) for arm in fresh])
    if fresh:
        wake(session, now)
    return len(fresh)


def enter_test(
    session: Session,
    journey: Journey,
    version: JourneyVersion,
    member: Member,
    *,
    actor: str,
    now: datetime,
) -> int:
    """Somebody of the staff walks a version, a draft too, without its waits; the run's id."""
    stamp = int(now.timestamp() * 1_000)
    entrant = Entrant(member.id, f"test:{stamp}", now)
    row = _row(journey, version, entrant, -stamp, 0, now, test=True)
    run_id = rows.add(session, JourneyRun, row)
    audit.record(
        session,
        actor=actor,
        action="journey.tested",
        subject=f"journey:{journey.id}",
        after={"version": version.number, "run": run_id},
        merchant_id=journey.merchant_id,
        now=now,
    )
    wake(session, now)
    return run_id


def admitted(journey_id: int, graph: Graph, now: datetime) -> ColumnElement[bool]:
    """For a row of `members`: the entry rule and the trigger's own condition let them in now."""
    mine = and_(
        JourneyRun.journey_id == journey_id,
        JourneyRun.member_id == Member.id,
        JourneyRun.arm != RunArm.test,
    )
    inside = JourneyRun.state == RunState.active
    entry = graph["entry"]
    if entry["rule"] == "days":
        inside = or_(inside, JourneyRun.entered_at > now - timedelta(days=entry["days"]))
    barred = mine if entry["rule"] == "once" else and_(mine, inside)
    free = ~exists(select(JourneyRun.id).where(barred).correlate(Member))
    trigger = graph["trigger"]
    rule = None if trigger["kind"] == "segment" else trigger.get("rule")
    return free if rule is None else and_(free, matches(tree(rule), now))


def wake(session: Session, now: datetime) -> None:
    """Let the runs that are due be moved soon; once a second is enough."""
    enqueue(session, "crm.journey_advance", key=f"crm.journey_advance:{int(now.timestamp())}")


def _before(
    session: Session, journey_id: int, member_ids: Collection[int]
) -> dict[int, tuple[int, int]]:
    """Each member's last run in this journey and how many there were."""
    found = session.execute(
        select(JourneyRun.member_id, func.max(JourneyRun.id), func.max(JourneyRun.round))
        .where(
            JourneyRun.journey_id == journey_id,
            JourneyRun.member_id.in_(member_ids),
            JourneyRun.arm != RunArm.test,
        )
        .group_by(JourneyRun.member_id)
    )
    return {member_id: (last, number) for member_id, last, number in found}


def _row(
    journey: Journey,
    version: JourneyVersion,
    entrant: Entrant,
    after_id: int,
    rounds: int,
    now: datetime,
    *,
    test: bool = False,
) -> dict[str, Any]:
    graph = version.graph
    share = 0 if test else graph["holdout_bp"]
    held = share > 0 and bool(held_out(entrant.member_id, seed=journey.seed, share_bp=share))
    arm = RunArm.test if test else RunArm.holdout if held else RunArm.reach
    row = {
        "journey_id": journey.id,
        "version_id": version.id,
        "member_id": entrant.member_id,
        "after_id": after_id,
        "cause": entrant.cause,
        "round": rounds + 1,
        "arm": arm,
        "node": "",
        "node_at": now,
        "heard": False,
        "coupon_id": entrant.coupon_id,
        "entered_at": entrant.at,
        "ended_at": now if held else None,
        **arrival(graph, graph["first"], now, test=test),
    }
    if held:
        row |= {"state": RunState.done, "outcome": "held_out", "awaiting": "", "node": ""}
    return row


def _fresh(session: Session, journey_id: int, made: list[dict[str, Any]]) -> list[RunArm]:
    """The arms of the runs that were really added; another entry may have taken a place."""
    wanted = {(row["member_id"], row["cause"], row["after_id"]) for row in made}
    found = session.execute(
        select(JourneyRun.member_id, JourneyRun.cause, JourneyRun.after_id, JourneyRun.arm).where(
            JourneyRun.journey_id == journey_id,
            JourneyRun.member_id.in_([row["member_id"] for row in made]),
            JourneyRun.entered_at.in_({row["entered_at"] for row in made}),
        )
    )
    return [arm for *key, arm in found if tuple(key) in wanted]


def _how(arm: RunArm) -> str:
    return "held_out" if arm is RunArm.holdout else "entered"
