"""The database: engine, column types, and the only place where a transaction opens and commits.

Doors and jobs write `with transaction() as session:` and hand the session down; verbs flush at
most. The dialect stays inside what SQLite, MariaDB and MySQL share; the statements that cannot are
in `core.ignoring` and `core.bulk`.
"""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from enum import StrEnum
from functools import cache
from typing import Annotated, Any, ParamSpec, TypeVar, cast

from flask import current_app, g
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import (
    JSON,
    BigInteger,
    Date,
    DateTime,
    Dialect,
    Engine,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    false,
)
from sqlalchemy.dialects import mysql
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import DeclarativeBase, Session, mapped_column
from sqlalchemy.sql import Delete, Insert, Update
from sqlalchemy.sql.operators import OperatorType, eq

from core import engines, ignoring, statements

BINARY_COLLATION = "utf8mb4_bin"

BigId = BigInteger().with_variant(Integer(), "sqlite")


class UTCDateTime(TypeDecorator[datetime]):
    """Aware UTC in Python, UTC without a zone in the column, microseconds kept everywhere."""

    impl = DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        if dialect.name in ("mysql", "mariadb"):
            return dialect.type_descriptor(mysql.DATETIME(fsp=6))
        return dialect.type_descriptor(DateTime())

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("naive datetime")
        return value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        return None if value is None else value.replace(tzinfo=UTC)


class _CodeComparator(TypeDecorator.Comparator[str]):
    """What is longer than the column equals nothing in it: a visitor may type any code."""

    def operate(self, op: OperatorType, *other: Any, **options: Any) -> Any:
        given = other[0] if other else None
        if op is eq and isinstance(given, str) and len(given) > self.type.length:  # type: ignore[attr-defined]
            return false()
        return super().operate(op, *other, **options)


class Code(TypeDecorator[str]):
    """Text that is compared byte by byte: codes, openids, public numbers."""

    impl = String
    cache_ok = True
    comparator_factory = _CodeComparator

    def __init__(self, length: int) -> None:
        super().__init__(length)
        self.length = length

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        if dialect.name in ("mysql", "mariadb"):
            return dialect.type_descriptor(mysql.VARCHAR(self.length, collation=BINARY_COLLATION))
        return dialect.type_descriptor(String(self.length))

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        if value is not None and len(value) > self.length:
            raise ValueError(f"longer than {self.length} characters")  # SQLite would take it
        return value


class State(TypeDecorator[StrEnum]):
    """A StrEnum kept as its value; an unknown value in the database is an error, not a string."""

    impl = String
    cache_ok = True

    def __init__(self, kind: type[StrEnum], length: int = 24) -> None:
        super().__init__(length)
        self.kind = kind
        self.length = length

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        if dialect.name in ("mysql", "mariadb"):
            return dialect.type_descriptor(mysql.VARCHAR(self.length, collation=BINARY_COLLATION))
        return dialect.type_descriptor(String(self.length))

    def process_bind_param(self, value: StrEnum | str | None, dialect: Dialect) -> str | None:
        return None if value is None else self.kind(value).value

    def process_result_value(self, value: Any, dialect: Dialect) -> StrEnum | None:
        return None if value is None else self.kind(value)


class Base(DeclarativeBase):
    """Base of every model; `__tablename__` is always written out."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {
        int: BigId,
        datetime: UTCDateTime(),
        date: Date(),
        str: String(255),
        dict[str, Any]: JSON(),
        list[Any]: JSON(),
        list[str]: JSON(),
        list[int]: JSON(),
    }


Id = Annotated[int, mapped_column(BigId, primary_key=True, autoincrement=True)]
LongText = Annotated[
    str, mapped_column(Text().with_variant(mysql.MEDIUMTEXT(), "mysql", "mariadb"))
]

P = ParamSpec("P")
R = TypeVar("R")

db = SQLAlchemy(metadata=Base.metadata)  # holds the engine; models derive from Base


# Not reached, gone, gone while asked, too many connections, shutting down, connection killed.
_AWAY = {2002, 2003, 2006, 2013, 1040, 1053, 1927}
_AWAY_ON_SQLITE = ("database is locked", "unable to open database", "disk I/O error")

NO_SAVEPOINT = 1305
CONFLICTS = {1213, 1020}  # deadlock; Galera certification failure and "record has changed"


class TransactionNested(RuntimeError):
    """A transaction was opened inside another: a verb tried to be a door."""


@contextmanager
def transaction() -> Iterator[Session]:
    """A session that commits at the end of the block and rolls back on any exception.

    Jobs enqueued inside become visible with the data; the relay is woken after the commit. Opening
    one inside another raises TransactionNested: only doors and jobs open transactions.
    """
    if getattr(g, "linli_transaction", False):
        raise TransactionNested("a transaction is open already")
    g.linli_transaction = True
    try:
        with engines.writing(db.engine), Session(db.engine, expire_on_commit=False) as session:
            with session.begin():
                yield session
            after = list(dict.fromkeys(session.info.get("after_commit", ())))
    finally:
        g.linli_transaction = False
    for call in after:
        call()


@contextmanager
def at_once() -> Iterator[Session]:
    """A session for a single statement, which is committed when it returns; see `engines.at_once`.

    To be used like `transaction`, and not inside one.
    """
    engine: Engine = current_app.extensions["linli.at_once"]
    if engine is db.engine:
        with transaction() as session:
            yield session
        return
    # The session begins and ends nothing: that would cost as much as asking the database.
    with engine.connect() as connection, Session(connection, expire_on_commit=False) as session:
        statements.stay_on(session, connection)
        yield session


@contextmanager
def reading() -> Iterator[Session]:
    """A session for looking only; what it changed is rolled back, what it loaded stays readable."""
    engine: Engine = current_app.extensions["linli.reader"]
    with Session(engine, expire_on_commit=False) as session:
        yield session


def place(session: Session) -> Any:
    """What all sessions of this process on one database have in common: where a cache belongs."""
    return engines.home(session.get_bind().dialect)


def after_commit(session: Session, call: Callable[[], None]) -> None:
    """Run `call` once after this transaction committed; it must be safe to lose."""
    session.info.setdefault("after_commit", []).append(call)


def retrying(call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Call, and once more when the database broke a deadlock by choosing us.

    Lock order makes deadlocks rare, not impossible; a rolled-back transaction left nothing behind.
    """
    try:
        return call(*args, **kwargs)
    except OperationalError as error:
        if not is_conflict(error):
            raise
    return call(*args, **kwargs)


def is_away(error: BaseException) -> bool:
    """Whether the database could not be reached or had no connection left: worth asking again.

    Anything else that it says is our own fault and stays wrong however often it is repeated.
    """
    if isinstance(error, PoolTimeout):
        return True
    if not isinstance(error, DBAPIError):
        return False
    said = error.orig.args[0] if error.orig is not None and error.orig.args else None
    if isinstance(error.orig, sqlite3.Error):
        return isinstance(said, str) and said.startswith(_AWAY_ON_SQLITE)
    return error.connection_invalidated or isinstance(error, InterfaceError) or said in _AWAY


def is_silence(error: BaseException) -> bool:
    """Whether we gave up waiting: the server is away, or the question was too long for it."""
    return isinstance(error, OperationalError) and "timed out" in str(error.orig)


def is_conflict(error: OperationalError) -> bool:
    """Whether the database rolled this transaction back to let another one through.

    Inside a savepoint it took that along: what is said then is that there is none to go back to.
    """
    said = _code(error)
    if said == NO_SAVEPOINT:
        return isinstance(error.__context__, OperationalError) and is_conflict(error.__context__)
    return said in CONFLICTS


def _code(error: OperationalError) -> object:
    arguments: tuple[Any, ...] = getattr(error.orig, "args", ())
    return arguments[0] if arguments else None


def claim(session: Session, statement: Update | Delete) -> int:
    """Execute a guarded UPDATE or DELETE and return the number of rows that matched.

    What was read before is not refreshed: read again, or `session.refresh`, before using it. Where
    every microsecond counts, `core.rows` keeps its statements.
    """
    session.flush()
    result = session.execute(statement, execution_options={"synchronize_session": False})
    return int(result.rowcount)  # type: ignore[attr-defined]


def insert_ignore(
    session: Session, model: type[Base], rows: Sequence[dict[str, Any]], *, chunk: int = 1_000
) -> int:
    """Insert `rows`, skipping those that a unique key refuses; the number really inserted.

    All rows must have the same keys: the names of the table's columns. Anything but a duplicate is
    raised, see `core.ignoring`.
    """
    session.flush()
    statement = insert_new(model, on_sqlite(session))
    inserted = 0
    for start in range(0, len(rows), chunk):
        result = session.execute(statement, rows[start : start + chunk])
        inserted += int(result.rowcount)  # type: ignore[attr-defined]
    return inserted


@cache
def insert_new(model: type[Base], on_sqlite: bool) -> Insert:
    """On the table, not the mapper: the statement is built and compiled once per process."""
    return ignoring.insert_new(cast(Table, model.__table__), on_sqlite=on_sqlite)


def on_sqlite(session: Session) -> bool:
    return session.get_bind().dialect.name == "sqlite"
