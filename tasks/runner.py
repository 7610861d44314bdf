"""Running one pushed outbox row: this is what RQ calls."""

import time
from datetime import timedelta

import structlog

from core import clock, outbox, patience
from core.database import is_away, is_silence, reading, retrying, transaction
from core.logs import log
from tasks.registry import Job, Later, Run, Superseded, find_job
from tasks.relay import GRACE, lease

BACK_OFF = (1, 5, 15, 60, 300, 900, 3_600, 10_800)  # seconds


def execute(job_id: int, attempt: int) -> str:
    """Run the row if this attempt is still the live one. Returns the outcome in a word.

    Failures are recorded on the row, which waits for its next attempt or is dead; nothing is
    raised to RQ but that the database is away, which the sweep repairs.
    """
    with reading() as session:
        row = session.get(outbox.OutboxJob, job_id)
    if row is None or row.state != outbox.JobState.pushed or row.attempt != attempt:
        return "superseded"
    job = find_job(row.name)
    if not _hold(row, job):
        return "superseded"
    structlog.contextvars.bind_contextvars(job=row.name, job_id=job_id, request_id=row.request_id)
    began = time.perf_counter()
    if job is None:
        outcome = _bury(job_id, attempt, f"no job is called {row.name}")
    else:
        outcome = _run(job, row.args, Run(job_id, attempt, row.failures))
    log.info("job", outcome=outcome, milliseconds=round((time.perf_counter() - began) * 1000, 1))
    structlog.contextvars.clear_contextvars()
    return outcome


def _hold(row: outbox.OutboxJob, job: Job | None) -> bool:
    """Whether this attempt has its whole time from here: a job that lay behind others for long
    takes its lease anew; one that comes at once has enough left."""
    now = clock.now()
    enough = now + lease(job) - GRACE / 2
    if row.lease_until is not None and row.lease_until >= enough:
        return True
    with transaction() as session:
        return outbox.renew(session, row.id, row.attempt, until=now + lease(job))


def _run(job: Job, args: dict[str, object], run: Run) -> str:
    try:
        with patience.within(job.timeout):
            retrying(job.handler, run, **args)
        if not run.finished:
            with run.finish():
                pass
    except Superseded:
        return "superseded"
    except Later as later:
        until = clock.now() + timedelta(seconds=later.seconds)
        with transaction() as session:
            outbox.postpone(session, run.job_id, run.attempt, until=until, error=None)
        return "later"
    except Exception as error:  # a job may fail in any way; the row remembers it
        if is_away(error) and not is_silence(error):
            raise  # nothing can be recorded: the lease runs out and it is swept
        # A silence may be a question that was too long. If the server is frozen, recording raises.
        log.error("job_failed", exc_info=error)
        return _record_failure(job, run, f"{type(error).__name__}: {error}"[:2_000])
    return "done"


def _record_failure(job: Job, run: Run, error: str) -> str:
    if run.finished:
        return "done"
    if run.failures + 1 >= job.attempts:
        return _bury(run.job_id, run.attempt, error)
    seconds = BACK_OFF[min(run.failures, len(BACK_OFF) - 1)]
    with transaction() as session:
        until = clock.now() + timedelta(seconds=seconds)
        outbox.postpone(session, run.job_id, run.attempt, until=until, error=error)
    return "failed"


def _bury(job_id: int, attempt: int, error: str) -> str:
    with transaction() as session:
        outbox.bury(session, job_id, attempt, error=error, now=clock.now())
    return "dead"
