"""Counters of a journey: rows that are only added to, so that a page never counts the runs."""

from collections import Counter
from collections.abc import Iterable

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from core.database import claim, insert_ignore
from crm.models import JourneyCount

Key = tuple[str, str]


def add(session: Session, journey_id: int, happened: Iterable[Key]) -> None:
    """One more for each (node, outcome) named; rows are taken in the order of their keys."""
    for (node, outcome), number in sorted(Counter(happened).items()):
        key = {"journey_id": journey_id, "node": node, "outcome": outcome}
        mine = (
            JourneyCount.journey_id == journey_id,
            JourneyCount.node == node,
            JourneyCount.outcome == outcome,
        )
        more = update(JourneyCount).where(*mine).values(number=JourneyCount.number + number)
        if claim(session, more) == 0:
            insert_ignore(session, JourneyCount, [{**key, "number": 0}])
            claim(session, more)


def read(session: Session, journey_id: int) -> dict[Key, int]:
    found = select(JourneyCount.node, JourneyCount.outcome, JourneyCount.number)
    rows = session.execute(found.where(JourneyCount.journey_id == journey_id))
    return {(node, outcome): number for node, outcome, number in rows}
