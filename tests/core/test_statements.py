"""Kept statements: types, defaults and errors as with any other statement, on both databases."""

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal

import pytest
from flask import Flask
from sqlalchemy import bindparam, select, text
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.orm import Session

from core import idempotency, rows, statements
from core.database import db, reading, transaction
from core.outbox import JobState, OutboxJob

_JOBS = rows.table_of(OutboxJob).c
_OF_KEY = select(_JOBS.id, _JOBS.args, _JOBS.state, _JOBS.run_at, _JOBS.attempt).where(
    _JOBS.key == bindparam("key")
)


def whole(*row: object) -> tuple[object, ...]:
    return row


@pytest.fixture(params=["sqlite", pytest.param("mariadb", marks=pytest.mark.mariadb)])
def anywhere(request: pytest.FixtureRequest) -> Iterator[Session]:
    app: Flask = request.getfixturevalue("app" if request.param == "sqlite" else "mariadb_app")
    with app.app_context(), transaction() as session:
        yield session


def job(key: str, at: datetime, **values: object) -> dict[str, object]:
    row = {"name": "a.job", "args": {"%s": "100 %"}, "key": key, "run_at": at, "created_at": at}
    return row | values


def test_values_and_columns_pass_through_their_types(anywhere: Session, now: datetime) -> None:
    id_ = rows.add(anywhere, OutboxJob, job("a", now))

    assert statements.fetch(anywhere, whole, _OF_KEY, {"key": "a"}) == [
        (id_, {"%s": "100 %"}, JobState.waiting, now, 0)  # the last of the defaults too
    ]
    assert statements.fetch_one(anywhere, whole, _OF_KEY, {"key": "b"}) is None


def test_several_at_once_and_a_guarded_write(anywhere: Session, now: datetime) -> None:
    rows.add_all(anywhere, OutboxJob, [job(key, now) for key in "abc"])
    either = {"key": ("a", "c", "x"), "state": JobState.waiting}

    assert rows.compare_and_set(anywhere, OutboxJob, either, {"state": JobState.dead}) == 2
    assert rows.compare_and_set(anywhere, OutboxJob, either, {"state": JobState.dead}) == 0
    assert rows.compare_and_set(anywhere, OutboxJob, {"key": ()}, {"attempt": 9}) == 0
    found = [statements.fetch(anywhere, lambda *row: row[2:], _OF_KEY, {"key": k}) for k in "abc"]
    assert found == [
        [(JobState.dead, now, 0)],
        [(JobState.waiting, now, 0)],
        [(JobState.dead, now, 0)],
    ]


def test_a_guard_of_no_value_meets_the_rows_without_one(anywhere: Session, now: datetime) -> None:
    rows.add_all(anywhere, OutboxJob, [job(key, now) for key in "ab"])
    assert rows.compare_and_set(anywhere, OutboxJob, {"key": "a"}, {"done_at": now}) == 1

    undone = {"done_at": None, "state": JobState.waiting}

    assert rows.compare_and_set(anywhere, OutboxJob, undone, {"attempt": 7}) == 1
    found = [statements.fetch_one(anywhere, lambda *row: row[4], _OF_KEY, {"key": k}) for k in "ab"]
    assert found == [0, 7]


def test_a_move_that_must_be_made_is_made_or_raises(anywhere: Session, now: datetime) -> None:
    rows.add(anywhere, OutboxJob, job("a", now))
    waiting, dead = {"key": "a", "state": JobState.waiting}, {"state": JobState.dead}

    rows.must_move(anywhere, OutboxJob, waiting, dead)
    with pytest.raises(rows.NotMoved, match="outbox_jobs: 0 of 1"):
        rows.must_move(anywhere, OutboxJob, waiting, dead)


def test_an_answer_is_stored_beside_its_key_only(anywhere: Session) -> None:
    with pytest.raises(rows.NotMoved):
        idempotency.finish(anywhere, scope="s", key="never begun", result={"no": "1"})


def test_statements_that_are_built_for_every_call_are_not_kept_for_ever(
    anywhere: Session, now: datetime
) -> None:
    def fetch() -> None:  # a statement of its own each time
        statements.fetch(anywhere, whole, select(_JOBS.id).where(_JOBS.key == "a"), {})

    with pytest.raises(statements.TooManyKept, match="FROM outbox_jobs"):
        for _ in range(statements.MOST_KEPT + 1):
            fetch()


def test_a_unique_key_refuses_as_it_always_does(anywhere: Session, now: datetime) -> None:
    first = rows.add(anywhere, OutboxJob, job("a", now))

    assert rows.add_new(anywhere, OutboxJob, job("a", now)) is None
    with pytest.raises(IntegrityError):
        rows.add(anywhere, OutboxJob, job("a", now))
    assert statements.fetch(anywhere, lambda *row: row[0], _OF_KEY, {"key": "a"}) == [first]


def test_an_adopted_object_is_as_if_it_had_been_read(anywhere: Session, now: datetime) -> None:
    row = job("a", now, state=JobState.waiting, attempt=0, failures=0, request_id="")
    adopted = rows.adopt(anywhere, OutboxJob, rows.add(anywhere, OutboxJob, row), row)
    written = {of.key: getattr(adopted, of.key) for of in rows.table_of(OutboxJob).columns}

    assert anywhere.get(OutboxJob, adopted.id) is adopted
    assert not anywhere.dirty
    anywhere.refresh(adopted)
    assert {name: getattr(adopted, name) for name in written} == written


@pytest.mark.mariadb
def test_a_lost_connection_is_dropped_and_named(mariadb_app: Flask) -> None:
    with mariadb_app.app_context(), reading() as session:
        connection = session.connection()
        killed = session.scalar(text("SELECT CONNECTION_ID()"))
        with db.engine.connect() as other:
            other.exec_driver_sql(f"KILL {killed}")

        with pytest.raises(OperationalError) as lost:
            statements.fetch(session, whole, _OF_KEY, {"key": "a"})

        assert lost.value.connection_invalidated
        assert connection.invalidated


@pytest.mark.mariadb
def test_a_column_that_became_another_is_read_as_what_it_is(mariadb_app: Flask) -> None:
    """Columns are known by the bytes that describe them, not by the question."""
    seen: list[object] = []
    with mariadb_app.app_context(), db.engine.connect() as connection:
        connection.execute(text("CREATE TEMPORARY TABLE shapes AS SELECT 7 AS it"))
        for kind in ("INT", "VARCHAR(9)", "VARBINARY(9)", "DECIMAL(9, 2)", "VARCHAR(9)"):
            connection.execute(text(f"ALTER TABLE shapes MODIFY it {kind}"))
            seen += connection.execute(text("SELECT it FROM shapes")).scalars().all()
        clash = connection.execute(text("SELECT it, it AS other FROM shapes")).mappings().one()

    assert seen == [7, "7", b"7", Decimal("7.00"), "7.00"]
    assert dict(clash) == {"it": "7.00", "other": "7.00"}
