"""The inbox: what another company told us, stored under its own id before anything acts on it.

Verify on the raw bytes, `record`, commit, answer or act. A repeat is not fresh and changes nothing.
"""

from collections.abc import Callable
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Index, UniqueConstraint, bindparam, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from core import later, rows
from core.database import Base, Code, Id, LongText, State


class EventState(StrEnum):
    received = "received"
    done = "done"


class InboundEvent(Base):
    """One notice; `openid`: of whom, if it is about a person; `about`: the number of what it is
    about, by which it is found again.

    `outcome` says in a word what became of it: handled, ignored, refused.
    """

    __tablename__ = "inbound_events"
    __table_args__ = (
        UniqueConstraint("source", "external_id"),
        Index("ix_inbound_events_state_received_at", "state", "received_at"),
        # What pages ask for: all of a source, of one kind, of one person; the newest first.
        Index("ix_inbound_events_source_id", "source", "id"),
        Index("ix_inbound_events_source_kind_id", "source", "kind", "id"),
        Index("ix_inbound_events_source_openid_id", "source", "openid", "id"),
    )

    id: Mapped[Id]
    source: Mapped[str] = mapped_column(Code(64))
    external_id: Mapped[str] = mapped_column(Code(128))
    kind: Mapped[str] = mapped_column(Code(64))
    openid: Mapped[str | None] = mapped_column(Code(64))
    about: Mapped[str | None] = mapped_column(Code(64), index=True)
    body: Mapped[dict[str, Any]]
    raw: Mapped[LongText | None]
    state: Mapped[EventState] = mapped_column(State(EventState), default=EventState.received)
    outcome: Mapped[str] = mapped_column(Code(32), default="")
    received_at: Mapped[datetime]
    done_at: Mapped[datetime | None]


_STORED = select(InboundEvent).where(
    InboundEvent.source == bindparam("source"),
    InboundEvent.external_id == bindparam("external_id"),
)


def record(
    session: Session,
    *,
    source: str,
    external_id: str,
    kind: str,
    body: dict[str, Any],
    now: datetime,
    raw: str | None = None,
    about: str | None = None,
) -> tuple[InboundEvent, bool]:
    """The stored event, to look at, and whether this call stored it."""
    row = {
        "source": source,
        "external_id": external_id,
        "kind": kind,
        "body": body,
        "raw": raw,
        "about": about,
        "state": EventState.received,
        "outcome": "",
        "received_at": now,
    }
    id_ = rows.add_new(session, InboundEvent, row)
    if id_ is not None:
        return InboundEvent(id=id_, **row), True
    event = session.scalars(_STORED, {"source": source, "external_id": external_id}).one()
    return event, False


def mark_done(session: Session, event_id: int, *, outcome: str, now: datetime) -> bool:
    """received → done; False when somebody else acted on it already."""
    return rows.compare_and_set(session, InboundEvent, *_done(event_id, outcome, now)) == 1


def must_mark_done(
    session: Session,
    event_id: int,
    *,
    outcome: str,
    now: datetime,
    refusal: Callable[[str], BaseException],
) -> None:
    """The same for whoever has acted on it; `refusal` is raised, before the commit, when somebody
    else had by then."""
    expected, done = _done(event_id, outcome, now)
    later.must_move(session, InboundEvent, expected, done, refusal)


def _done(event_id: int, outcome: str, now: datetime) -> tuple[rows.Values, rows.Values]:
    expected = {"id": event_id, "state": EventState.received}
    return expected, {"state": EventState.done, "outcome": outcome, "done_at": now}


def list_unacted(
    session: Session, *, source_prefix: str, before: datetime, limit: int
) -> list[InboundEvent]:
    """Events that were stored before `before` and never acted upon, oldest first."""
    return list(
        session.scalars(
            select(InboundEvent)
            .where(
                InboundEvent.state == EventState.received,
                InboundEvent.received_at < before,
                InboundEvent.source.startswith(source_prefix, autoescape=True),
            )
            .order_by(InboundEvent.received_at)
            .limit(limit)
        )
    )
