"""Jobs of journeys: who is let in, who is moved on, who is done."""

from datetime import datetime, timedelta
from typing import Any

from core import clock
from core.database import reading
from crm.journeys import advancing, ending, hearing, scanning
from tasks.each import Turns, each
from tasks.registry import Run, job

END_SLICE = 1_000
PATIENCE = timedelta(seconds=15)
TURN = 50
"""Slices of two hundred people."""


@job("crm.journey_heard", timeout=60)
def journey_heard(run: Run, member_id: int, kind: str, at: str, data: dict[str, Any]) -> None:
    """Something happened that a journey listens to."""
    with run.finish() as session:
        hearing.heard(
            session,
            member_id,
            kind,
            at=datetime.fromisoformat(at),
            data=data,
            now=clock.now(),
        )


@job("crm.journey_catch_up", timeout=300)
def journey_catch_up(run: Run, journey_id: int, after_id: int) -> None:
    """What happened while not every process knew yet that the journey listens."""
    while True:
        with run.transaction() as session:
            after_id = hearing.catch_up(session, journey_id, after_id, now=clock.now())
        if not after_id:
            return


@job("crm.journey_scan", queue="bulk", timeout=600)
def journey_scan(run: Run) -> None:
    """A job for each journey that lets in whom nobody tells of or ends when a segment is left."""
    with reading() as session:
        journeys = {*scanning.list_scanned(session), *ending.list_left(session)}
    each(run, "crm.journey_scan_one", "journey_id", sorted(journeys))


@job("crm.journey_scan_one", queue="bulk", timeout=600)
def journey_scan_one(run: Run, journey_id: int) -> None:
    """Who left the segment that the journey is about is done; then let in whom nobody tells of,
    along the journey's key, slice by slice."""
    left = 1
    while left:
        with run.transaction() as session:
            left = ending.end_left(session, journey_id, now=clock.now())
    with reading() as session:
        scanned, after_id = journey_id in scanning.list_scanned(session), 0
    while scanned:
        with run.transaction() as session:
            after_id = scanning.scan(session, journey_id, after_id, now=clock.now())
        if not after_id:
            return


@job("crm.journey_advance")
def journey_advance(run: Run) -> None:
    """Whose journeys have somebody to move: a job for each."""
    with reading() as session:
        journeys = advancing.due_journeys(session, now=clock.now())
    each(run, "crm.journey_advance_one", "journey_id", journeys, patience=PATIENCE)


@job("crm.journey_advance_one", queue="bulk", timeout=300)
def journey_advance_one(run: Run, journey_id: int) -> None:
    """Move whoever is due, a slice a transaction; after so many slices it is others' turn."""
    turns, moved = Turns(TURN), 1
    while moved:
        turns.next()
        with run.transaction() as session:
            moved = advancing.advance(session, journey_id, now=clock.now())


@job("crm.journey_end", queue="bulk", timeout=300)
def journey_end(run: Run, journey_id: int) -> None:
    """Whoever is inside an ended journey gets nothing more."""
    while True:
        with run.transaction() as session:
            if ending.end_all(session, journey_id, "ended", now=clock.now(), limit=END_SLICE) == 0:
                return
