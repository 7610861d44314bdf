"""Writes that nobody waits for: in order, before the next question, refused before the commit."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime

import pytest
from flask import Flask
from sqlalchemy import func, select, text
from sqlalchemy.exc import DataError, IntegrityError, OperationalError
from sqlalchemy.orm import Session

from core import later, rows
from core.database import at_once, db, reading, transaction
from core.outbox import JobState, OutboxJob
from core.pipeline import MOST_BYTES, Pipelining

WAITING = {"key": "a", "state": JobState.waiting}
DEAD = {"state": JobState.dead}


class Refused(RuntimeError):
    pass


@pytest.fixture(params=["sqlite", pytest.param("mariadb", marks=pytest.mark.mariadb)])
def anywhere(request: pytest.FixtureRequest) -> Iterator[Flask]:
    app: Flask = request.getfixturevalue("app" if request.param == "sqlite" else "mariadb_app")
    with app.app_context():
        yield app


def job(key: str | None, at: datetime, **values: object) -> dict[str, object]:
    row = {"name": "a.job", "args": {"%s": "茶 100 %"}, "key": key, "run_at": at, "created_at": at}
    return row | values


def keys() -> dict[str | None, JobState]:
    with reading() as session:
        jobs = session.scalars(select(OutboxJob)).all()
    return {each.key: each.state for each in jobs}


def sent(session: Session, monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """What goes to the server from now on, one entry an exchange."""
    driver = session.connection().connection.dbapi_connection
    assert isinstance(driver, Pipelining)
    said: list[bytes] = []
    write = driver._write_bytes
    monkeypatch.setattr(driver, "_write_bytes", lambda data: (said.append(data), write(data))[1])
    return said


def test_what_was_written_is_seen_by_the_next_question(anywhere: Flask, now: datetime) -> None:
    with transaction() as session:
        later.add(session, OutboxJob, job("a", now))
        later.add_all(session, OutboxJob, [job("b", now), job("c", now)])
        later.must_move(session, OutboxJob, WAITING, DEAD)
        later.move_all(session, OutboxJob, {"key": ("b", "x")}, {"attempt": 3})
        later.move_all(session, OutboxJob, {"key": "nobody"}, DEAD)
        found = session.scalars(select(OutboxJob).order_by(OutboxJob.key)).all()

        assert [(each.key, each.state, each.attempt) for each in found] == [
            ("a", JobState.dead, 0),
            ("b", JobState.waiting, 3),
            ("c", JobState.waiting, 0),
        ]
        assert found[0].args == {"%s": "茶 100 %"}
    assert keys() == {"a": "dead", "b": "waiting", "c": "waiting"}


def test_what_nobody_asked_after_is_there_after_the_commit(anywhere: Flask, now: datetime) -> None:
    with transaction() as session:
        session.add(OutboxJob(**job("first", now)))  # the session's own writes go before
        later.add(session, OutboxJob, job("a", now))
    assert keys() == {"first": "waiting", "a": "waiting"}


def _move_nothing(session: Session, now: datetime) -> None:
    later.must_move(session, OutboxJob, WAITING, DEAD, Refused)


def _repeat(session: Session, now: datetime) -> None:
    rows = [job("new", now), job("there", now)]
    later.add_all_surely(session, OutboxJob, rows, Refused)


def _add_twice(session: Session, now: datetime) -> None:
    later.add(session, OutboxJob, job("there", now))


def _add_too_long(session: Session, now: datetime) -> None:
    later.run(session, rows.insert_into(OutboxJob), job("x", now, request_id="x" * 65))


def _ask(session: Session) -> None:
    session.scalar(select(func.count()).select_from(OutboxJob))


def _write(session: Session) -> None:
    session.execute(text("update outbox_jobs set failures = 7"))


REFUSALS: list[tuple[Callable[[Session, datetime], None], type[Exception]]] = [
    (_move_nothing, Refused),
    (_repeat, Refused),
    (_add_twice, IntegrityError),
]


@pytest.mark.parametrize(
    "then", [lambda session: None, _ask, _write], ids=["commit", "ask", "write"]
)
@pytest.mark.parametrize(("wrong", "error"), REFUSALS)
def test_a_refusal_is_raised_before_the_commit_and_nothing_stays(
    anywhere: Flask,
    now: datetime,
    wrong: Callable[[Session, datetime], None],
    error: type[Exception],
    then: Callable[[Session], None],
) -> None:
    with transaction() as session:
        rows.add(session, OutboxJob, job("there", now))

    with pytest.raises(error), transaction() as session:
        later.add(session, OutboxJob, job("before", now))
        wrong(session, now)
        later.add(session, OutboxJob, job("behind", now))
        then(session)

    assert keys() == {"there": "waiting"}
    with transaction() as session:  # the same connection again: nothing is left unread in it
        assert session.scalar(select(OutboxJob.failures)) == 0
        later.add(session, OutboxJob, job("after", now))
    assert keys() == {"there": "waiting", "after": "waiting"}


def test_a_savepoint_takes_back_what_was_written_behind_it(anywhere: Flask, now: datetime) -> None:
    with transaction() as session:
        later.add(session, OutboxJob, job("before", now))
        with pytest.raises(ZeroDivisionError), session.begin_nested():
            later.add(session, OutboxJob, job("inside", now))
            raise ZeroDivisionError
        with pytest.raises(Refused), session.begin_nested():
            later.add(session, OutboxJob, job("inside too", now))
            _move_nothing(session, now)
        later.add(session, OutboxJob, job("behind", now))
    assert keys() == {"before": "waiting", "behind": "waiting"}


def _swallow(session: Session) -> None:
    """Somebody who tries something of their own, and takes any such refusal for theirs."""
    with suppress(IntegrityError), session.begin_nested():
        session.execute(text("update outbox_jobs set attempt = 9"))


@pytest.mark.mariadb
def test_a_refusal_that_somebody_else_swallows_still_ends_the_transaction(
    mariadb_app: Flask, now: datetime
) -> None:
    with mariadb_app.app_context():
        with transaction() as session:
            rows.add(session, OutboxJob, job("there", now))
        for then in (_swallow, _write, _ask, lambda session: None):
            with pytest.raises(IntegrityError), transaction() as session:
                session.execute(text("update outbox_jobs set failures = 7"))
                _add_twice(session, now)
                _swallow(session)
                with suppress(IntegrityError):
                    then(session)
                later.add(session, OutboxJob, job("behind", now))
            assert keys() == {"there": "waiting"}
        with transaction() as session:  # and the connection is good again
            there = session.scalars(select(OutboxJob)).one()
            assert (there.failures, there.attempt) == (0, 0)
            _swallow(session)
        with reading() as session:
            assert session.scalar(select(OutboxJob.attempt)) == 9


@pytest.mark.mariadb
def test_a_refusal_is_undone_with_the_savepoint_that_it_was_written_behind(
    mariadb_app: Flask, now: datetime
) -> None:
    with mariadb_app.app_context():
        with transaction() as session:
            rows.add(session, OutboxJob, job("there", now))
        with transaction() as session:
            later.add(session, OutboxJob, job("before", now))
            with pytest.raises(IntegrityError), session.begin_nested():
                later.add(session, OutboxJob, job("inside", now))
                _add_twice(session, now)
                _swallow(session)
                # leaving the savepoint in peace says it again
            _swallow(session)
            later.add(session, OutboxJob, job("behind", now))
        assert keys() == {"there": "waiting", "before": "waiting", "behind": "waiting"}
        with reading() as session:
            found = session.execute(select(OutboxJob.key, OutboxJob.attempt)).all()
        assert sorted(map(tuple, found)) == [("before", 9), ("behind", 0), ("there", 9)]


def test_a_transaction_that_is_given_up_sends_nothing_more(anywhere: Flask, now: datetime) -> None:
    with pytest.raises(ZeroDivisionError), transaction() as session:
        later.add(session, OutboxJob, job("a", now))
        raise ZeroDivisionError
    assert keys() == {}


@pytest.mark.mariadb
def test_many_writes_are_one_exchange(
    mariadb_app: Flask, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    with mariadb_app.app_context(), transaction() as session:
        said = sent(session, monkeypatch)
        for key in "abc":
            later.add(session, OutboxJob, job(key, now))
        assert said == []
        assert session.scalar(select(func.count()).select_from(OutboxJob)) == 3
        assert [each.count(b"INSERT") for each in said] == [3]
        assert said[0].count(b"SELECT count") == 1

        later.must_move(session, OutboxJob, WAITING, DEAD)
        session.commit()
        assert [each[5:11] for each in said[1:]] == [b"UPDATE", b"COMMIT"]


@pytest.mark.mariadb
def test_no_more_is_held_than_fits(
    mariadb_app: Flask, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    with mariadb_app.app_context(), transaction() as session:
        said = sent(session, monkeypatch)
        for number in range(5):
            later.add(
                session, OutboxJob, job(str(number), now, args={"a": "x" * (MOST_BYTES // 2)})
            )
        assert len(said) == 4
        assert session.scalar(select(func.count()).select_from(OutboxJob)) == 5


@pytest.mark.mariadb
def test_too_long_a_value_is_refused(mariadb_app: Flask, now: datetime) -> None:
    with mariadb_app.app_context():
        with pytest.raises(DataError), transaction() as session:
            _add_too_long(session, now)
        with pytest.raises(Refused), transaction() as session:  # INSERT IGNORE would shorten it
            long = job("x", now, request_id="x" * 65)
            later.add_all_surely(session, OutboxJob, [long], Refused)
        assert keys() == {}


@pytest.mark.mariadb
def test_where_each_statement_commits_by_itself_nothing_is_held(
    mariadb_app: Flask, now: datetime
) -> None:
    with mariadb_app.app_context(), at_once() as session:
        later.add(session, OutboxJob, job("a", now))
        assert keys() == {"a": "waiting"}


@pytest.mark.mariadb
def test_a_lost_connection_is_dropped_and_named(mariadb_app: Flask, now: datetime) -> None:
    with mariadb_app.app_context():
        with pytest.raises(OperationalError) as lost, transaction() as session:
            killed = session.scalar(text("SELECT CONNECTION_ID()"))
            later.add(session, OutboxJob, job("a", now))
            with db.engine.connect() as other:
                other.exec_driver_sql(f"KILL {killed}")
            _ask(session)

        assert lost.value.connection_invalidated
        assert keys() == {}
