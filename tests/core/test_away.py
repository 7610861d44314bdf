"""A database that is away is worth asking again; what is wrong with a question stays wrong."""

from collections.abc import Iterator

import pymysql
import pytest
from flask import Flask
from flask.testing import FlaskClient
from redis.exceptions import RedisError
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from core.database import db, is_away, reading
from core.outbox import JobState, OutboxJob
from tasks import registry
from tasks.registry import Run
from tests.working import run_inline


@pytest.fixture(params=["sqlite", pytest.param("mariadb", marks=pytest.mark.mariadb)])
def anywhere(request: pytest.FixtureRequest) -> Flask:
    app: Flask = request.getfixturevalue("app" if request.param == "sqlite" else "mariadb_app")
    return app


def said(code: int) -> OperationalError:
    return OperationalError("SELECT 1", {}, pymysql.OperationalError(code, "as told"))


def wrong_column() -> None:
    with reading() as session:
        session.execute(text("SELECT no_such_column FROM outbox_jobs"))


@pytest.mark.parametrize("code", [2002, 2003, 2006, 2013, 1040, 1053, 1927])
def test_a_server_that_is_not_there_is_away(code: int) -> None:
    assert is_away(said(code))


@pytest.mark.parametrize("code", [1054, 1205, 1213, 1064, 3024, 1969])
def test_a_server_that_answers_is_not(code: int) -> None:
    assert not is_away(said(code))


def test_what_else_is_away_and_what_is_not() -> None:
    closed = pymysql.err.InterfaceError(0, "")
    dropped = OperationalError("SELECT 1", {}, pymysql.OperationalError(1, ""), False, True)

    assert is_away(InterfaceError("SELECT 1", {}, closed))
    assert is_away(PoolTimeout())
    assert dropped.connection_invalidated
    assert is_away(dropped)
    assert not is_away(RedisError())
    assert not is_away(SQLAlchemyError())


def test_on_sqlite_a_lock_is_away(app: Flask) -> None:
    with db.engine.connect() as writer, db.engine.connect() as other:
        writer.exec_driver_sql("SELECT 1")  # its transaction began as a writer's
        driver = other.connection.driver_connection
        assert driver is not None
        driver.execute("PRAGMA busy_timeout=1")

        with pytest.raises(OperationalError, match="database is locked") as locked:
            other.exec_driver_sql("SELECT 1")

    assert is_away(locked.value)


def test_a_wrong_column_is_our_own_fault(anywhere: Flask) -> None:
    with pytest.raises(DBAPIError) as wrong:
        wrong_column()

    assert not is_away(wrong.value)


@pytest.fixture
def _broken_job() -> Iterator[None]:
    known = registry.jobs()
    known["test.wrong"] = registry.Job("test.wrong", "default", 1, 30, lambda _run: wrong_column())
    yield
    del known["test.wrong"]


@pytest.mark.usefixtures("_broken_job")
def test_a_job_with_a_wrong_statement_ends_dead_and_says_why(anywhere: Flask) -> None:
    run_inline("test.wrong")

    with reading() as session:
        (row,) = session.query(OutboxJob).all()
    assert row.state is JobState.dead
    assert "no_such_column" in (row.last_error or "")


@pytest.mark.mariadb
def test_a_job_that_asks_too_long_is_a_failure_while_the_server_answers(
    mariadb_app: Flask,
) -> None:
    def slow(_run: Run) -> None:
        with reading() as session:
            session.execute(text("SELECT SLEEP(5)"))

    registry.jobs()["test.slow"] = registry.Job("test.slow", "default", 1, 1, slow)
    try:
        run_inline("test.slow")
    finally:
        del registry.jobs()["test.slow"]

    with reading() as session:
        (row,) = session.query(OutboxJob).all()
    assert row.state is JobState.dead
    assert "timed out" in (row.last_error or "")


def test_a_page_with_a_wrong_statement_is_an_error_and_no_invitation_to_reload(
    app: Flask, client: FlaskClient
) -> None:
    with db.engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE login_sessions")
    client.set_cookie("linli_staff", "whatever")

    page = client.get("/console/orders/")
    answer = client.get("/api/v1/me", headers={"Authorization": "Bearer whatever"})

    assert page.status_code == 500
    assert "Retry-After" not in page.headers
    assert "refresh" not in page.get_data(as_text=True)
    assert (answer.status_code, answer.get_json()["code"]) == (500, "internal")
