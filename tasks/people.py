"""Housekeeping of people: log-in sessions that ended long ago, and what was looked at then."""

from datetime import timedelta

from core import clock
from core.outbox import enqueue
from crm import events, withdrawals
from people import identities, logins, phones
from people.models import Person
from tasks.registry import Run, job

KEEP = timedelta(days=30)


@job("people.forget_logins", queue="bulk")
def forget_logins(run: Run) -> None:
    """Delete what expired a month ago, and what members looked at three months ago, in slices."""
    while True:
        with run.transaction() as session:
            if events.forget_browsing(session, now=clock.now()) == 0:
                break
    before = clock.now() - KEEP
    while True:
        with run.transaction() as session:
            if not logins.forget_old(session, before):
                return


@job("people.fill_tails", queue="bulk")
def fill_tails(run: Run, after_id: int = 0) -> None:
    """The last digits of numbers that were stored before those were kept: a slice, then the next.

    The migration that brought them writes the first of these jobs.
    """
    with run.finish() as session:
        last = phones.fill_tails(session, after_id=after_id)
        if last:
            enqueue(session, "people.fill_tails", after_id=last)


@job("people.forget_withdrawn", queue="urgent")
def forget_withdrawn(run: Run, appid: str, openid: str, kinds: list[str], everything: bool) -> None:
    """Somebody took back at WeChat what they had allowed; who is unknown has nothing with us."""
    with run.finish() as session:
        identity = identities.find_identity(session, appid, openid)
        if identity is not None:
            person = session.get_one(Person, identity.person_id)
            withdrawals.forget(session, person, kinds, everything=everything, now=clock.now())
