"""How each database is opened: isolation, pragmas, and who may write next on SQLite."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from pymysql.constants.SERVER_STATUS import SERVER_STATUS_IN_TRANS
from sqlalchemy import Dialect, Engine, create_engine, event, make_url
from sqlalchemy.pool import PoolResetState

from core import ignoring, patience

READING = "linli_reading"
_homes: WeakKeyDictionary[Dialect, Dialect] = WeakKeyDictionary()


def options(url: str, pool_size: int) -> dict[str, Any]:
    """Engine options for `url`: READ COMMITTED on MySQL and MariaDB.

    Errors name the statement without its parameters: they go to the log, openids must not.
    """
    if make_url(url).get_backend_name() == "sqlite":
        return {
            "hide_parameters": True,
            "connect_args": {"timeout": 15, "check_same_thread": False},
        }
    return {
        "hide_parameters": True,
        "isolation_level": "READ COMMITTED",
        "pool_size": pool_size,
        "max_overflow": pool_size,
        "pool_reset_on_return": None,  # `prepare` rolls back what came back open, nothing else
        "pool_recycle": 1_800,
        "pool_timeout": 2.5,  # seconds until a connection is free
        "pool_use_lifo": True,  # a few warm ones rather than many that have rested
        "connect_args": {
            "charset": "utf8mb4",
            "cursorclass": ignoring.HonestCursor,
            "init_command": f"SET max_error_count = {ignoring.MOST_WARNINGS}",
        },
    }


def at_once(engine: Engine, options: dict[str, Any]) -> Engine:
    """Connections on which every statement commits by itself, beside those of `engine`.

    One statement then costs one exchange with the server, not two. SQLite has nothing to save.
    """
    if engine.dialect.name == "sqlite":
        return engine
    beside = create_engine(engine.url, **{**options, "isolation_level": "AUTOCOMMIT"})
    _homes[beside.dialect] = engine.dialect
    patience.watch(beside)
    for end in ("do_commit", "do_rollback"):  # an exchange with the server, and nothing to end
        setattr(beside.dialect, end, lambda _connection: None)
    event.listen(engine, "engine_disposed", lambda _engine: beside.dispose())
    return beside


def home(dialect: Dialect) -> Dialect:
    """The dialect of the main engine, which is one object for all engines of a database."""
    return _homes.get(dialect, dialect)


def prepare(engine: Engine) -> None:
    """Install on every connection what its database needs."""
    if engine.dialect.name == "sqlite":
        _prepare_sqlite(engine)
    else:
        _prepare_server(engine)


def _prepare_server(engine: Engine) -> None:
    """Roll back a connection that came back unfinished; most have committed and need nothing."""
    patience.watch(engine)

    @event.listens_for(engine, "reset")
    def _on_reset(connection: Any, _record: Any, state: PoolResetState) -> None:
        if not state.terminate_only and connection.server_status & SERVER_STATUS_IN_TRANS:
            connection.rollback()


def _prepare_sqlite(engine: Engine) -> None:
    """The driver's own transaction handling is off: a write begins with BEGIN IMMEDIATE, so that
    two writers wait for each other instead of failing at the first write.
    """

    @event.listens_for(engine, "connect")
    def _on_connect(connection: Any, _record: Any) -> None:
        connection.isolation_level = None
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _on_begin(connection: Any) -> None:
        reading = connection.get_execution_options().get(READING)
        connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")


def reader(engine: Engine) -> Engine:
    """The same engine and pool, marked as reading."""
    return engine.execution_options(**{READING: True})


@contextmanager
def writing(engine: Engine) -> Iterator[None]:
    """Wait for one's turn to write.

    SQLite's own busy handler polls, and under contention an unlucky writer waits half a second; a
    file lock is a fair queue. Other databases have row locks and pass straight through.
    """
    name = engine.url.database
    if engine.dialect.name != "sqlite" or not name or name == ":memory:":
        yield
        return
    with Path(f"{name}.writers").open("a") as queue:
        fcntl.flock(queue, fcntl.LOCK_EX)
        yield
