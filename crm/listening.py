"""Whether any live journey listens to a kind of event: then a job tells the journeys.

Asked wherever an event is written, so each process keeps the answer for a few seconds. What
happens in the seconds after a publication is caught up by `crm.journey_catch_up`.
"""

import time
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.database import place
from core.outbox import enqueue
from crm.models import Journey, JourneyState

STALE_SECONDS = 5.0

_kept: WeakKeyDictionary[Any, tuple[float, frozenset[str]]] = WeakKeyDictionary()


def tell(
    session: Session,
    member_id: int,
    happened: Iterable[tuple[str, datetime, Mapping[str, Any]]],
) -> None:
    """Queue what journeys should hear of these (kind, at, data), in the caller's transaction."""
    heard = kinds(session)
    for kind, at, data in happened:
        if kind in heard:
            enqueue(
                session,
                "crm.journey_heard",
                member_id=member_id,
                kind=kind,
                at=at.isoformat(),
                data=dict(data),
            )


def kinds(session: Session) -> frozenset[str]:
    """The kinds of event that some live journey listens to; up to STALE_SECONDS old."""
    where = place(session)
    kept = _kept.get(where)
    if kept is None or time.monotonic() - kept[0] > STALE_SECONDS:
        lists = session.scalars(select(Journey.listens).where(Journey.state == JourneyState.live))
        kept = time.monotonic(), frozenset(kind for listens in lists for kind in listens)
        _kept[where] = kept
    return kept[1]


def forget(session: Session) -> None:
    """A journey was published or stopped: this process asks anew."""
    _kept.pop(place(session), None)
