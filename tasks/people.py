"""Housekeeping of people: log-in sessions that ended long ago."""

from datetime import timedelta

from core import clock
from people import logins
from tasks.registry import Run, job

KEEP = timedelta(days=30)


@job("people.forget_logins", queue="bulk")
def forget_logins(run: Run) -> None:
    """Delete what expired a month ago, in slices."""
    before = clock.now() - KEEP
    while True:
        with run.transaction() as session:
            if not logins.forget_old(session, before):
                return
