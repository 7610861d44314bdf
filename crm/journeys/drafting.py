"""Writing a journey down, publishing it, and turning it on and off.

A version that was published never changes: changing it begins a new one. Whoever is inside stays
on theirs, unless the publication moves them.
"""

import secrets
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from core import audit, rows
from core.database import claim
from core.outbox import enqueue
from coupons.models import CouponTemplate, TemplateState
from crm import listening
from crm.errors import JourneyInvalid, JourneyMoved
from crm.journeys.graph import HEARD, Graph, faults, listens, walk
from crm.models import (
    Journey,
    JourneyRun,
    JourneyState,
    JourneyVersion,
    MemberEvent,
    RunArm,
    RunState,
    Segment,
    Tag,
)
from crm.models.journeys import NEXT

MAX_NAME = 32
CATCH_UP = timedelta(seconds=8)


def create(
    session: Session, merchant_id: int, *, name: str, graph: Graph, actor: str, now: datetime
) -> Journey:
    """A new draft with its first version. Raises JourneyInvalid for its name."""
    journey = Journey(
        merchant_id=merchant_id,
        name=_named(name),
        seed=secrets.randbelow(2**31),
        created_by=actor,
        created_at=now,
    )
    session.add(journey)
    session.flush()
    version = JourneyVersion(journey_id=journey.id, number=1, graph=graph, created_at=now)
    session.add(version)
    session.flush()
    _audit(session, journey, "create", actor, now, after={"name": journey.name})
    return journey


def rename(session: Session, journey: Journey, name: str) -> None:
    journey.name = _named(name)
    session.flush()


def draft_of(session: Session, journey: Journey) -> JourneyVersion | None:
    """The version that is being written, if there is one."""
    return session.scalars(
        select(JourneyVersion)
        .where(JourneyVersion.journey_id == journey.id, JourneyVersion.published_at.is_(None))
        .execution_options(populate_existing=True)
    ).one_or_none()


def write(session: Session, journey: Journey, graph: Graph, *, now: datetime) -> JourneyVersion:
    """Keep `graph` as the draft, begun now if there was none. Raises JourneyMoved when ended.

    The journey's row is locked: two who begin a draft at once write the same one.
    """
    held = select(Journey).where(Journey.id == journey.id).with_for_update()
    session.scalars(held.execution_options(populate_existing=True)).one()
    if journey.state is JourneyState.ended:
        raise JourneyMoved("旅程已经结束，不能再改")
    draft = draft_of(session, journey)
    if draft is None:
        last = select(func.max(JourneyVersion.number)).where(
            JourneyVersion.journey_id == journey.id
        )
        number = (session.scalar(last) or 0) + 1
        draft = JourneyVersion(journey_id=journey.id, number=number, graph=graph, created_at=now)
        session.add(draft)
    else:
        draft.graph = graph
    session.flush()
    return draft


def discard(session: Session, journey: Journey) -> bool:
    """Throw the draft away; the published version stays. False: there is nothing else, or none."""
    draft = draft_of(session, journey)
    if draft is None or journey.version_id is None:
        return False
    trying = select(JourneyRun.id).where(JourneyRun.version_id == draft.id)
    if session.scalars(trying.limit(1)).first() is not None:
        published = session.get_one(JourneyVersion, journey.version_id)
        draft.graph = published.graph  # a test walked it: its row must stay, what it says goes
    else:
        session.delete(draft)
    session.flush()
    return True


def check(session: Session, merchant_id: int, graph: Graph) -> dict[str, str]:
    """Every fault, coupons, tags and segments that are not the merchant's among them."""
    errors = faults(graph)
    trigger = graph["trigger"]
    lent = [("trigger", trigger), ("goal", graph["goal"]), *walk(graph)]
    for key, part in lent:
        if (segment_id := part.get("segment_id")) is not None:
            segment = session.get(Segment, segment_id)
            if segment is None or segment.merchant_id != merchant_id:
                errors.setdefault(f"{key}.segment_id", "没有这个人群")
        if (tag_id := part.get("tag_id")) is not None and f"{key}.tag_id" not in errors:
            tag = session.get(Tag, tag_id)
            if tag is None or tag.merchant_id != merchant_id:
                errors[f"{key}.tag_id"] = "没有这个标签"
        if (template_id := part.get("template_id")) is not None:
            template = session.get(CouponTemplate, template_id)
            if template is None or template.merchant_id != merchant_id:
                errors.setdefault(f"{key}.template_id", "没有这张券")
            elif key != "trigger" and template.state is not TemplateState.active:
                errors.setdefault(f"{key}.template_id", "这张券已经停发")
    return errors


def publish(
    session: Session, journey: Journey, *, actor: str, move: bool = False, now: datetime
) -> JourneyVersion:
    """Make the draft the version that people enter, and turn a new journey on.

    `move`: who is inside goes on by the new version, where it still has their step. Raises
    JourneyInvalid with every fault, JourneyMoved when there is nothing to publish any more.
    """
    draft = draft_of(session, journey)
    if draft is None:
        raise JourneyMoved("没有要发布的改动")
    errors = check(session, journey.merchant_id, draft.graph)
    if errors:
        raise JourneyInvalid(errors=errors)
    values = {"published_at": now, "published_by": actor}
    if _publish(session, draft.id, values) == 0:
        raise JourneyMoved
    session.refresh(draft)
    state = journey.state if journey.state is JourneyState.paused else JourneyState.live
    meant = {"id": journey.id, "state": journey.state}
    moved = rows.compare_and_set(
        session,
        Journey,
        meant,
        {
            "version_id": draft.id,
            "state": state,
            "trigger": draft.graph["trigger"]["kind"],
            "listens": listens(draft.graph),
            "published_at": now,
        },
    )
    if moved == 0:
        raise JourneyMoved
    session.refresh(journey)
    if move:
        _move_people(session, journey, draft)
    _begin_hearing(session, journey, now)
    _audit(session, journey, "publish", actor, now, after={"version": draft.number, "moved": move})
    return draft


def pause(session: Session, journey: Journey, *, actor: str, now: datetime) -> None:
    """Nobody comes in and nobody goes on until it is resumed. Raises JourneyMoved."""
    _turn(session, journey, JourneyState.paused, actor, now)


def resume(session: Session, journey: Journey, *, actor: str, now: datetime) -> None:
    """Whoever became due meanwhile goes on at once. Raises JourneyMoved."""
    _turn(session, journey, JourneyState.live, actor, now)
    _begin_hearing(session, journey, now)


def end(session: Session, journey: Journey, *, actor: str, now: datetime) -> None:
    """For good: who is inside stays where they are and gets nothing more. Raises JourneyMoved."""
    _turn(session, journey, JourneyState.ended, actor, now)
    enqueue(session, "crm.journey_end", key=f"crm.journey_end:{journey.id}", journey_id=journey.id)


def _publish(session: Session, version_id: int, values: dict[str, Any]) -> int:
    return claim(
        session,
        update(JourneyVersion)
        .where(JourneyVersion.id == version_id, JourneyVersion.published_at.is_(None))
        .values(**values),
    )


def _begin_hearing(session: Session, journey: Journey, now: datetime) -> None:
    """Every process listens within some seconds; what the trigger meets until then is caught up."""
    listening.forget(session)
    if journey.trigger in HEARD and journey.state is JourneyState.live:
        enqueue(
            session,
            "crm.journey_catch_up",
            run_at=now + CATCH_UP,
            journey_id=journey.id,
            after_id=session.scalar(select(func.max(MemberEvent.id))) or 0,
        )


def _move_people(session: Session, journey: Journey, version: JourneyVersion) -> int:
    keys = [key for key, _ in walk(version.graph)]
    return claim(
        session,
        update(JourneyRun)
        .where(
            JourneyRun.journey_id == journey.id,
            JourneyRun.state == RunState.active,
            JourneyRun.arm == RunArm.reach,
            JourneyRun.node.in_(keys),
        )
        .values(version_id=version.id),
    )


def _turn(session: Session, journey: Journey, to: JourneyState, actor: str, now: datetime) -> None:
    sources = [state for state, targets in NEXT.items() if to in targets]
    before = journey.state
    moved = claim(
        session,
        update(Journey)
        .where(Journey.id == journey.id, Journey.state.in_(sources))
        .values(state=to, reason=""),
    )
    session.refresh(journey)
    if moved == 0 or (to is JourneyState.live and journey.version_id is None):
        raise JourneyMoved
    listening.forget(session)
    _audit(session, journey, to.value, actor, now, before={"state": before.value})


def _named(name: str) -> str:
    name = name.strip()
    if not 1 <= len(name) <= MAX_NAME:
        raise JourneyInvalid(errors={"name": f"名字要 1 到 {MAX_NAME} 个字"})
    return name


def _audit(
    session: Session,
    journey: Journey,
    verb: str,
    actor: str,
    now: datetime,
    *,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
) -> None:
    audit.record(
        session,
        actor=actor,
        action=f"journey.{verb}",
        subject=f"journey:{journey.id}",
        before=before,
        after=after,
        merchant_id=journey.merchant_id,
        now=now,
    )
