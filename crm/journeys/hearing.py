"""What a fact on a member's timeline means: somebody arrives, goes on, or is done."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from core.database import claim
from crm import members
from crm.journeys import ending, entering
from crm.journeys.entering import Entrant
from crm.journeys.graph import HEARD, Graph
from crm.models import (
    Journey,
    JourneyRun,
    JourneyState,
    JourneyVersion,
    Member,
    MemberEvent,
    RunArm,
    RunState,
)

CATCH_UP_SLICE = 1_000


def heard(
    session: Session,
    member_id: int,
    kind: str,
    *,
    at: datetime,
    data: Mapping[str, Any],
    now: datetime,
) -> int:
    """Act on one event; how many runs it began, moved or ended. Safe to repeat."""
    member = members.living(session, member_id)
    touched = _reach_goal(session, member, kind, at, now) + _wake(session, member, kind, at, now)
    for journey, version in live(session, member.merchant_id):
        if HEARD.get(journey.trigger) == kind and _is_meant(version.graph, member, at, data):
            entrant = Entrant(member.id, cause_of(kind, at), at, data.get("coupon_id"))
            touched += entering.enter(session, journey, version, [entrant], now=now)
    return touched


def catch_up(session: Session, journey_id: int, after_id: int, *, now: datetime) -> int:
    """Let in whom the trigger met since the event `after_id`; the last event seen, or 0: done.

    Other processes learn of a publication some seconds later than they may write such an event.
    """
    journey = session.get_one(Journey, journey_id, populate_existing=True)
    if journey.state is not JourneyState.live or journey.version_id is None:
        return 0
    version = session.get_one(JourneyVersion, journey.version_id)
    found = session.execute(
        select(MemberEvent, Member)
        .join(Member, Member.id == MemberEvent.member_id)
        .where(
            MemberEvent.id > after_id,
            MemberEvent.kind == HEARD.get(journey.trigger, ""),
            Member.merchant_id == journey.merchant_id,
        )
        .order_by(MemberEvent.id)
        .limit(CATCH_UP_SLICE)
    ).all()
    for event, member in found:
        if _is_meant(version.graph, member, event.at, event.data):
            coupon_id = event.data.get("coupon_id")
            entrant = Entrant(member.id, cause_of(event.kind, event.at), event.at, coupon_id)
            entering.enter(session, journey, version, [entrant], now=now)
    return found[-1][0].id if len(found) == CATCH_UP_SLICE else 0


def live(session: Session, merchant_id: int) -> list[tuple[Journey, JourneyVersion]]:
    """The merchant's live journeys with the version that people enter."""
    found = session.execute(
        select(Journey, JourneyVersion)
        .join(JourneyVersion, JourneyVersion.id == Journey.version_id)
        .where(Journey.merchant_id == merchant_id, Journey.state == JourneyState.live)
        .order_by(Journey.id)
        .execution_options(populate_existing=True)
    )
    return [(journey, version) for journey, version in found]


def cause_of(kind: str, at: datetime) -> str:
    return f"{kind}:{int(at.timestamp() * 1_000_000)}"


def _is_meant(graph: Graph, member: Member, at: datetime, data: Mapping[str, Any]) -> bool:
    """Whether this very event is the trigger: the first order only, that tag only."""
    match graph["trigger"]["kind"]:
        case "first_order":
            return member.first_paid_at == at
        case "tier":
            way = graph["trigger"].get("way", "any")
            return way == "any" or data.get("up") is (way == "up")
        case "tagged":
            return bool(data.get("tag_id") == graph["trigger"]["tag_id"])
    return True


def _reach_goal(session: Session, member: Member, kind: str, at: datetime, now: datetime) -> int:
    inside = session.execute(
        select(JourneyRun, JourneyVersion.graph)
        .join(JourneyVersion, JourneyVersion.id == JourneyRun.version_id)
        .where(
            JourneyRun.member_id == member.id,
            JourneyRun.state == RunState.active,
            JourneyRun.arm == RunArm.reach,
            JourneyRun.entered_at < at,
        )
        .execution_options(populate_existing=True)
    ).all()
    there = [run for run, graph in inside if graph["goal"]["kind"] == kind]
    return ending.end(session, there, "goal", now=now)


def _wake(session: Session, member: Member, kind: str, at: datetime, now: datetime) -> int:
    """Whoever waits for this goes on at once; what was missed is found when the wait is over."""
    woken = claim(
        session,
        update(JourneyRun)
        .where(
            JourneyRun.member_id == member.id,
            JourneyRun.state == RunState.active,
            JourneyRun.awaiting == kind,
            JourneyRun.heard.is_(False),
            JourneyRun.node_at < at,
        )
        .values(heard=True, due_at=now),
    )
    if woken:
        entering.wake(session, now)
    return woken
