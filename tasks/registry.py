"""Jobs by name. A job takes ids, asks the state whether anything is left to do, and leaves.

A handler receives its `Run`: the last transaction of a job is `run.finish()`, which marks the
outbox row done together with the job's effect. If another copy of the row was faster, that
transaction rolls back, so no effect happens twice.
"""

import importlib
import pkgutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from sqlalchemy.orm import Session

from core import clock, outbox
from core.database import transaction

QUEUES = ("urgent", "default", "messages", "bulk")

Handler = TypeVar("Handler", bound=Callable[..., None])


class Later(Exception):
    """Come back in `seconds`; this was no failure."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"again in {seconds} s")
        self.seconds = seconds


class Superseded(Exception):
    """This attempt is no longer the live one: whatever it did in this transaction rolls back."""


@dataclass
class Run:
    """One attempt of one outbox row."""

    job_id: int
    attempt: int
    failures: int = 0
    finished: bool = False

    @contextmanager
    def finish(self) -> Iterator[Session]:
        """The last transaction of the job: commits its effect and marks the row done, or neither.

        Raises Superseded when the row was pushed again or finished by another copy.
        """
        with transaction() as session:
            yield session
            if not outbox.finish(session, self.job_id, self.attempt, now=clock.now()):
                raise Superseded
        self.finished = True

    @staticmethod
    @contextmanager
    def transaction() -> Iterator[Session]:
        """A transaction before the last one."""
        with transaction() as session:
            yield session


@dataclass(frozen=True)
class Job:
    name: str
    queue: str
    attempts: int
    timeout: int
    handler: Callable[..., None] = field(repr=False)


_jobs: dict[str, Job] = {}


def job(
    name: str, *, queue: str = "default", attempts: int = 8, timeout: int = 60
) -> Callable[[Handler], Handler]:
    """Register a handler. `timeout` in seconds; after `attempts` failures the row is dead."""
    if queue not in QUEUES:
        raise ValueError(f"no worker listens to {queue!r}")

    def register(handler: Handler) -> Handler:
        if name in _jobs:
            raise ValueError(f"two jobs are called {name!r}")
        _jobs[name] = Job(name, queue, attempts, timeout, handler)
        return handler

    return register


def find_job(name: str) -> Job | None:
    return jobs().get(name)


def jobs() -> dict[str, Job]:
    """Every job of the package; its modules are imported at the first call."""
    import tasks

    for module in pkgutil.iter_modules(tasks.__path__):
        if not module.name.startswith("_"):
            importlib.import_module(f"tasks.{module.name}")
    return _jobs
