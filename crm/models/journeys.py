"""A journey walks each member along its steps: versions, runs, what happened, and the counts."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base, Code, Id, State


class JourneyState(StrEnum):
    draft = "draft"
    live = "live"
    paused = "paused"
    ended = "ended"


NEXT: dict[JourneyState, set[JourneyState]] = {
    JourneyState.draft: {JourneyState.live, JourneyState.ended},
    JourneyState.live: {JourneyState.paused, JourneyState.ended},
    JourneyState.paused: {JourneyState.live, JourneyState.ended},
    JourneyState.ended: set(),
}


class RunState(StrEnum):
    active = "active"
    done = "done"


class RunArm(StrEnum):
    """`holdout` is written down and never walks; `test` is somebody of the staff trying it out."""

    reach = "reach"
    holdout = "holdout"
    test = "test"


class Journey(Base):
    """`version_id` is the published version that people enter; `listens` the events it hears."""

    __tablename__ = "journeys"
    __table_args__ = (Index("ix_journeys_list", "merchant_id", "state", "id"),)

    id: Mapped[Id]
    merchant_id: Mapped[int] = mapped_column(ForeignKey("merchants.id"))
    name: Mapped[str] = mapped_column(String(64))
    state: Mapped[JourneyState] = mapped_column(State(JourneyState), default=JourneyState.draft)
    reason: Mapped[str] = mapped_column(default="")
    seed: Mapped[int]
    version_id: Mapped[int | None]  # no foreign key: a version's journey is one, a circle
    trigger: Mapped[str] = mapped_column(Code(24), default="", index=True)
    listens: Mapped[list[str]] = mapped_column(default=list)
    created_by: Mapped[str] = mapped_column(Code(64))
    created_at: Mapped[datetime]
    published_at: Mapped[datetime | None]


class JourneyVersion(Base):
    """A published version never changes; at most one is being written (`crm.journeys.drafting`)."""

    __tablename__ = "journey_versions"
    __table_args__ = (UniqueConstraint("journey_id", "number"),)

    id: Mapped[Id]
    journey_id: Mapped[int] = mapped_column(ForeignKey("journeys.id"))
    number: Mapped[int]
    graph: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]
    published_at: Mapped[datetime | None]
    published_by: Mapped[str] = mapped_column(Code(64), default="")


class JourneyRun(Base):
    """One member's walk. It stands at `node` until `due_at`, or until `awaiting` was `heard`.

    The entry rule is held by the keys: `after_id` names the member's run before this one, so that
    of two entries at once one is refused, and `cause` is what brought them, so that the same fact
    never does twice.
    """

    __tablename__ = "journey_runs"
    __table_args__ = (
        UniqueConstraint("journey_id", "member_id", "after_id"),
        UniqueConstraint(
            "journey_id", "member_id", "cause", name="uq_journey_runs_journey_id_cause"
        ),
        Index("ix_journey_runs_due", "journey_id", "state", "due_at", "id"),
        Index("ix_journey_runs_member", "member_id", "state"),
        Index("ix_journey_runs_here", "journey_id", "state", "node", "id"),
    )

    id: Mapped[Id]
    journey_id: Mapped[int] = mapped_column(ForeignKey("journeys.id"))
    version_id: Mapped[int] = mapped_column(ForeignKey("journey_versions.id"), index=True)
    member_id: Mapped[int] = mapped_column(ForeignKey("members.id"))
    after_id: Mapped[int]
    cause: Mapped[str] = mapped_column(Code(64))
    round: Mapped[int] = mapped_column(default=1)
    arm: Mapped[RunArm] = mapped_column(State(RunArm))
    state: Mapped[RunState] = mapped_column(State(RunState))
    outcome: Mapped[str] = mapped_column(Code(24), default="")
    node: Mapped[str] = mapped_column(Code(16), default="")
    node_at: Mapped[datetime]
    due_at: Mapped[datetime]
    awaiting: Mapped[str] = mapped_column(Code(32), default="")
    heard: Mapped[bool] = mapped_column(default=False)
    coupon_id: Mapped[int | None] = mapped_column(ForeignKey("coupons.id"), index=True)
    entered_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]


class JourneyStep(Base):
    """What one run did at one node; a node is left once per run, which the key holds."""

    __tablename__ = "journey_steps"
    __table_args__ = (UniqueConstraint("run_id", "node"),)

    id: Mapped[Id]
    run_id: Mapped[int] = mapped_column(ForeignKey("journey_runs.id"))
    node: Mapped[str] = mapped_column(Code(16))
    outcome: Mapped[str] = mapped_column(Code(32))
    at: Mapped[datetime]


class JourneyCount(Base):
    """How many runs left a node with an outcome; node "" counts entries and ends. Tests do not."""

    __tablename__ = "journey_counts"

    journey_id: Mapped[int] = mapped_column(ForeignKey("journeys.id"), primary_key=True)
    node: Mapped[str] = mapped_column(Code(16), primary_key=True)
    outcome: Mapped[str] = mapped_column(Code(32), primary_key=True)
    number: Mapped[int] = mapped_column(default=0)
