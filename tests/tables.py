"""What an application needs and tests share: its tables, made once and then copied or emptied, its
compiled templates, and what writes its addresses. To make them for every test would be most of a
test's time.
"""

import gc
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

import pymysql
from flask import Flask
from jinja2 import FileSystemBytecodeCache
from pymysql.cursors import Cursor
from sqlalchemy import Engine, create_engine, event
from werkzeug.routing import Rule

from app import create_app
from core import database
from core.config import Config
from core.database import Base
from tests.servers import MariaDB

# An application is a hundred thousand objects, gone after each test: they are looked at together.
gc.set_threshold(300_000, 5, 5)

_copies = tempfile.TemporaryDirectory(prefix="linli-tables-")
_templates = FileSystemBytecodeCache(_copies.name)
_made: dict[str, frozenset[str]] = {}  # by database
_idle: dict[MariaDB, list[str]] = {}


class _Address(Rule):
    """A rule of five hundred; the code that writes its URL is compiled once a run."""

    def _compile_builder(self, append_unknown: bool = True) -> Callable[..., tuple[str, str]]:
        key = (self.rule, tuple(self._trace), repr(self.defaults), append_unknown)
        if key not in _writers:
            _writers[key] = super()._compile_builder(append_unknown)
        return _writers[key]


_writers: dict[tuple[object, ...], Callable[..., tuple[str, str]]] = {}
Flask.url_rule_class = _Address


@contextmanager
def running(settings: Config) -> Iterator[Flask]:
    """The application of these settings, its context pushed, its tables there (see `create`)."""
    app = create_app(settings)
    app.jinja_env.bytecode_cache = _templates
    _keep_imported()
    with app.app_context():
        _trust_the_power(database.db.engine)
        create()
        yield app
        database.db.engine.dispose()


@cache
def _keep_imported() -> None:
    """What the first application imported stays: the collector looks at it in no later test."""
    gc.collect()
    gc.freeze()


def _trust_the_power(engine: Engine) -> None:
    """SQLite waits for no disk here: who kills a test loses nothing by it."""
    if engine.dialect.name == "sqlite":

        @event.listens_for(engine, "connect")
        def _on_connect(connection: Any, _record: Any) -> None:
            connection.execute("PRAGMA synchronous=OFF")


def create() -> None:
    """Put every table into the application's database; those that are there stay as they are."""
    url = database.db.engine.url
    name, tables = str(url.database), frozenset(Base.metadata.tables)
    if url.get_backend_name() == "sqlite" and not Path(name).exists():
        shutil.copyfile(_sqlite_file(tables), name)
    elif _made.get(name) != tables:
        Base.metadata.create_all(database.db.engine)
        _made[name] = tables


@cache
def _sqlite_file(tables: frozenset[str]) -> Path:
    file = Path(_copies.name) / f"{len(tables)}.db"
    engine = create_engine(f"sqlite:///{file}")
    with engine.connect() as connection:  # what a file remembers; its copies need not change to it
        connection.exec_driver_sql("PRAGMA journal_mode=WAL")
    Base.metadata.create_all(engine)
    engine.dispose()
    return file


@contextmanager
def lease(server: MariaDB) -> Iterator[str]:
    """The URL of a database without rows, whose tables are there after `create`.

    It is emptied afterwards for the next who asks; what cannot be emptied is dropped.
    """
    idle = _idle.setdefault(server, [])
    name = idle.pop() if idle else server.create_database()
    yield server.url(name)
    try:
        with closing(server.connect(name)) as connection, connection.cursor() as cursor:
            _empty(cursor, name)
    except pymysql.Error:  # the test stopped the server, or still holds a table
        with suppress(pymysql.Error):
            server.drop_database(name)
    else:
        idle.append(name)


def _empty(cursor: Cursor, name: str) -> None:
    """Away with every row, and numbers begin at 1 again."""
    cursor.execute("SET lock_wait_timeout = 5, foreign_key_checks = 0")
    cursor.execute(
        "SELECT table_name FROM information_schema.tables"
        " WHERE table_schema = %s AND auto_increment > 1",
        (name,),
    )
    used = {row[0] for row in cursor.fetchall()}
    asked = " UNION ALL ".join(
        f"(SELECT '{table}' FROM `{table}` LIMIT 1)" for table in _made[name] - used
    )
    cursor.execute(asked)
    for table in used | {row[0] for row in cursor.fetchall()}:
        cursor.execute(f"TRUNCATE `{table}`")
