"""Jobs of journeys: who is let in, who is moved on, who is done."""

from datetime import datetime
from typing import Any

from core import clock
from core.database import reading
from crm.journeys import advancing, ending, hearing, scanning
from tasks.registry import Run, job

END_SLICE = 1_000


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
    """Let in whom nobody tells of: each journey along its key, slice by slice. Who left the segment
    that their journey is about is done."""
    while True:
        with run.transaction() as session:
            if ending.end_left(session, now=clock.now()) == 0:
                break
    with reading() as session:
        journeys = scanning.list_scanned(session)
    for journey_id in journeys:
        after_id = 0
        while True:
            with run.transaction() as session:
                after_id = scanning.scan(session, journey_id, after_id, now=clock.now())
            if not after_id:
                break


@job("crm.journey_advance", queue="bulk", timeout=300)
def journey_advance(run: Run) -> None:
    """Move whoever is due, journey by journey, a slice a transaction."""
    with reading() as session:
        journeys = advancing.due_journeys(session, now=clock.now())
    for journey_id in journeys:
        while True:
            with run.transaction() as session:
                moved = advancing.advance(session, journey_id, now=clock.now())
            if moved == 0:
                break


@job("crm.journey_end", queue="bulk", timeout=300)
def journey_end(run: Run, journey_id: int) -> None:
    """Whoever is inside an ended journey gets nothing more."""
    while True:
        with run.transaction() as session:
            if ending.end_all(session, journey_id, "ended", now=clock.now(), limit=END_SLICE) == 0:
                return
