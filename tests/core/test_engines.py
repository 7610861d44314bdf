"""What a connection is like when it comes back, and one on which every statement commits."""

import pytest
from flask import Flask
from sqlalchemy import func, select

from core import clock, rows
from core.database import at_once, db, reading
from core.outbox import JobState, OutboxJob

pytestmark = pytest.mark.mariadb

ADD = (
    "INSERT INTO outbox_jobs (name, args, state, attempt, failures, run_at, created_at, request_id)"
    " VALUES ('a.job', '{}', 'waiting', 0, 0, NOW(6), NOW(6), '')"
)


def jobs() -> int | None:
    with reading() as session:
        return session.scalar(select(func.count()).select_from(OutboxJob))


def test_a_connection_that_comes_back_unfinished_is_rolled_back(mariadb_app: Flask) -> None:
    connection = db.engine.raw_connection()
    connection.cursor().execute(ADD)
    connection.close()

    assert jobs() == 0  # the pool hands out the one that came back last


def test_a_statement_at_once_is_there_before_anything_ends(mariadb_app: Flask) -> None:
    now = clock.now()
    job = {"name": "a.job", "args": {}, "key": "a", "run_at": now, "created_at": now}

    with at_once() as session:
        rows.add(session, OutboxJob, job | {"state": JobState.waiting})
        seen = jobs()

    assert (seen, jobs()) == (1, 1)
