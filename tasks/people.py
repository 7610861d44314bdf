"""Housekeeping of people: log-in sessions that ended long ago, and what was looked at then."""

from datetime import timedelta

from core import clock
from crm import events
from people import logins
from tasks.registry import Run, job

KEEP = timedelta(days=30)


@job("people.forget_logins", queue="bulk")
def forget_logins(run: Run) -> None:
    """Delete what expired a month ago, and what members looked at three months ago, in slices."""
    last = 0
    while True:
        with run.transaction() as session:
            last = events.forget_browsing(session, after_id=last, now=clock.now())
        if not last:
            break
    before = clock.now() - KEEP
    while True:
        with run.transaction() as session:
            if not logins.forget_old(session, before):
                return
