"""A recorded callback once more: acted upon if nobody did, else tried, to see what it does.

A trial runs in a savepoint that is rolled back. What it would write is counted, so that whoever
looks for a fault sees what would happen twice before anything does.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import event as events
from sqlalchemy import select
from sqlalchemy.orm import Session

from core.inbox import EventState, InboundEvent
from gateways.wechat import contents
from messaging import inbox, receiving, sayings

MOST = 1_000


@dataclass(frozen=True)
class Effect:
    """`verb` is insert, update or delete; `rows` is how many rows of `table` it met."""

    verb: str
    table: str
    rows: int


@dataclass(frozen=True)
class Replayed:
    """`acted`: it had been left behind and was acted upon now. Else `effects` were only tried."""

    acted: bool
    effects: list[Effect]

    @property
    def written(self) -> list[Effect]:
        return [effect for effect in self.effects if effect.rows]


def replay(session: Session, event_id: int, *, now: datetime, act: bool) -> Replayed:
    """Once more. `act` only for what nobody acted upon; what was done is never done twice."""
    event = session.get_one(InboundEvent, event_id, with_for_update=True)
    if event.state is EventState.received and act:
        with _counted(session) as effects:
            inbox.act_on_kept(session, [event], now=now)
        return Replayed(True, effects)
    savepoint = session.begin_nested()
    try:
        with _counted(session) as effects:
            message = receiving.from_body(event.body, event.raw or "")
            receiving.act(session, message, now=now)
            session.flush()
    finally:
        savepoint.rollback()
    return Replayed(False, effects)


def describe(event: InboundEvent) -> str:
    """What the message says, read anew by the code of today."""
    return sayings.describe(contents.read(receiving.from_body(event.body, event.raw or "")))


def list_recorded(
    session: Session,
    *,
    since: datetime | None = None,
    kind: str = "",
    before_id: int | None = None,
    limit: int = 50,
) -> list[InboundEvent]:
    """The latest first: of this kind, since a moment, before an id."""
    wanted = select(InboundEvent)
    if since is not None:
        wanted = wanted.where(InboundEvent.received_at >= since)
    if kind:
        wanted = wanted.where(InboundEvent.kind == kind)
    if before_id is not None:
        wanted = wanted.where(InboundEvent.id < before_id)
    return list(session.scalars(wanted.order_by(InboundEvent.id.desc()).limit(min(limit, MOST))))


def list_told(
    session: Session,
    sources: Sequence[str],
    *,
    kind: str = "",
    openids: Sequence[str] | None = None,
    before_id: int | None = None,
    limit: int = 50,
) -> list[InboundEvent]:
    """What these sources told, the latest first: of a kind, of people, before an id.

    One question for each source and person: a list of several would be sorted by the database
    before the first row came.
    """
    found: list[InboundEvent] = []
    for source in sources:
        for openid in [None] if openids is None else openids:
            wanted = select(InboundEvent).where(InboundEvent.source == source)
            if openid is not None:
                wanted = wanted.where(InboundEvent.openid == openid)
            if kind:
                wanted = wanted.where(InboundEvent.kind == kind)
            if before_id is not None:
                wanted = wanted.where(InboundEvent.id < before_id)
            found += session.scalars(wanted.order_by(InboundEvent.id.desc()).limit(limit))
    return sorted(found, key=lambda event: -event.id)[:limit]


@contextmanager
def _counted(session: Session) -> Iterator[list[Effect]]:
    """What this session's connection writes meanwhile."""
    effects: list[Effect] = []
    connection = session.connection()

    def note(_c: Any, cursor: Any, statement: str, *_rest: Any) -> None:
        words = statement.replace("`", "").replace('"', "").split()
        verb = words[0].lower() if words else ""
        if verb in ("insert", "update", "delete"):
            place = {"insert": "INTO", "delete": "FROM"}.get(verb, words[0])
            table = words[words.index(place) + 1] if place in words else "?"
            effects.append(Effect(verb, table.split("(")[0], max(cursor.rowcount, 0)))

    # Kept statements are told of only where somebody listens before them (`core.statements`).
    events.listen(connection, "before_cursor_execute", _listen)
    events.listen(connection, "after_cursor_execute", note)
    try:
        yield effects
    finally:
        events.remove(connection, "after_cursor_execute", note)
        events.remove(connection, "before_cursor_execute", _listen)


def _listen(*_told: Any) -> None:
    """Nothing to do before a statement."""
