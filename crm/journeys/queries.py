"""What pages ask about journeys."""

from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from crm.errors import JourneyNotFound
from crm.journeys import acting, counting
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
from messaging.models import OutboundMessage


@dataclass(frozen=True)
class Totals:
    """`entered` = `inside` + the ends; the held out are beside them."""

    entered: int
    held_out: int
    ends: dict[str, int]

    @property
    def inside(self) -> int:
        return self.entered - sum(self.ends.values())


def get_journey(session: Session, merchant_id: int, journey_id: int) -> Journey:
    journey = session.get(Journey, journey_id, populate_existing=True)
    if journey is None or journey.merchant_id != merchant_id:
        raise JourneyNotFound
    return journey


def list_journeys(session: Session, merchant_id: int) -> list[Journey]:
    """Those that run first, then drafts, then what has ended; the newest first among them."""
    order = list(JourneyState)
    found = session.scalars(select(Journey).where(Journey.merchant_id == merchant_id)).all()
    ranks = {JourneyState.live: -2, JourneyState.paused: -1}

    def place(journey: Journey) -> tuple[int, int]:
        return ranks.get(journey.state, order.index(journey.state)), -journey.id

    return sorted(found, key=place)


def totals(session: Session, journey_id: int) -> Totals:
    counts = counting.read(session, journey_id)
    return totals_of(counts)


def totals_of(counts: dict[tuple[str, str], int]) -> Totals:
    ends = {
        outcome.removeprefix("end:"): number
        for (node, outcome), number in counts.items()
        if not node and outcome.startswith("end:")
    }
    return Totals(counts.get(("", "entered"), 0), counts.get(("", "held_out"), 0), ends)


def here(session: Session, journey_id: int) -> dict[str, int]:
    """How many stand at each node now, of all versions."""
    found = session.execute(
        select(JourneyRun.node, func.count())
        .where(
            JourneyRun.journey_id == journey_id,
            JourneyRun.state == RunState.active,
            JourneyRun.arm == RunArm.reach,
        )
        .group_by(JourneyRun.node)
    )
    return dict(found.all())


def inside_by_version(session: Session, journey_id: int) -> dict[int, int]:
    """How many walk each version, by its number."""
    found = session.execute(
        select(JourneyVersion.number, func.count())
        .join(JourneyRun, JourneyRun.version_id == JourneyVersion.id)
        .where(
            JourneyRun.journey_id == journey_id,
            JourneyRun.state == RunState.active,
            JourneyRun.arm == RunArm.reach,
        )
        .group_by(JourneyVersion.number)
        .order_by(JourneyVersion.number)
    )
    return dict(found.all())


def list_runs(
    session: Session,
    journey_id: int,
    *,
    node: str = "",
    state: RunState | None = None,
    before_id: int | None = None,
    limit: int = 50,
) -> list[tuple[JourneyRun, Member]]:
    """Who came in, the newest first."""
    found = (
        select(JourneyRun, Member)
        .join(Member, Member.id == JourneyRun.member_id)
        .where(JourneyRun.journey_id == journey_id)
    )
    if node:
        found = found.where(JourneyRun.node == node)
    if state is not None:
        found = found.where(JourneyRun.state == state)
    if before_id is not None:
        found = found.where(JourneyRun.id < before_id)
    rows = session.execute(found.order_by(JourneyRun.id.desc()).limit(limit))
    return [(run, member) for run, member in rows]


def runs_of_member(session: Session, member_id: int) -> list[tuple[JourneyRun, Journey]]:
    """The journeys a member is in or was in, the newest first."""
    found = session.execute(
        select(JourneyRun, Journey)
        .join(Journey, Journey.id == JourneyRun.journey_id)
        .where(JourneyRun.member_id == member_id)
        .order_by(JourneyRun.id.desc())
        .limit(20)
    )
    return [(run, journey) for run, journey in found]


def get_run(session: Session, journey: Journey, run_id: int) -> JourneyRun:
    run = session.get(JourneyRun, run_id, populate_existing=True)
    if run is None or run.journey_id != journey.id:
        raise JourneyNotFound("没有这个人的记录")
    return run


def trace(session: Session, run: JourneyRun) -> list[tuple[JourneyStep, OutboundMessage | None]]:
    """What the run did, in its order; of a message, where it ended."""
    steps = session.scalars(
        select(JourneyStep).where(JourneyStep.run_id == run.id).order_by(JourneyStep.id)
    ).all()
    keys = {acting.message_key(run.id, step.node): step.node for step in steps}
    letters = session.scalars(select(OutboundMessage).where(OutboundMessage.key.in_(keys)))
    sent = {keys[letter.key]: letter for letter in letters}
    return [(step, sent.get(step.node)) for step in steps]
