"""Statements kept as text: what a hot path repeats is compiled once per database and process.

To have SQLAlchemy find a statement in its cache, bind it and wrap its rows costs two to three times
what the driver needs to send it, and one checkout sends two dozen. Here the text goes straight to
the driver's connection; values and columns still pass through the types of their columns.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar, cast
from weakref import WeakKeyDictionary

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    Dialect,
    Insert,
    Select,
    Update,
    bindparam,
    event,
    false,
)
from sqlalchemy.orm import Session
from sqlalchemy.sql.compiler import SQLCompiler

from core.pipeline import Check, Holding, Pipelining

Values = Mapping[str, Any]
Statement = Insert | Update | Select[Any]
Convert = Callable[[Any], Any]
T = TypeVar("T")


@dataclass(frozen=True)
class _Kept:
    """`binds`: each parameter's name with what its type does to a value; `fixed`: defaults."""

    sql: str
    binds: tuple[tuple[str, Convert | None], ...]
    positions: tuple[str, ...] | None
    fixed: Values = field(default_factory=dict)
    columns: tuple[Convert | None, ...] = ()

    def arguments(self, values: Values) -> Any:
        given = {
            name: values[name] if convert is None else convert(values[name])
            for name, convert in self.binds
        }
        if self.fixed:
            given.update(self.fixed)
        return given if self.positions is None else tuple(given[name] for name in self.positions)

    def read(self, raw: Sequence[Any]) -> Iterator[Any]:
        for value, convert in zip(raw, self.columns, strict=True):
            yield value if convert is None else convert(value)


_CONNECTION = "linli.connection"
_FOR_GOOD = object()
_KEPT: WeakKeyDictionary[Dialect, dict[tuple[Any, ...], _Kept]] = WeakKeyDictionary()


MOST_KEPT = 1_000  # per database; a door needs a few hundred


class TooManyKept(RuntimeError):
    """Statements are kept for good, so they must be made once and not for every call."""


class Sent(NamedTuple):
    """What became of a statement."""

    rowcount: int
    lastrowid: int
    rows: Sequence[Any] = ()


def execute(session: Session, statement: Statement, values: Values | Sequence[Values]) -> Sent:
    """Run a statement that lives as long as the process, after whatever the session holds back.

    `values` by the names of binds and of columns to write; several: all with the same names. No
    value may be an SQL expression. Raises what SQLAlchemy raises.
    """
    connection = _connection(session)
    if not isinstance(values, Mapping) and len(values) == 1:
        values = values[0]
    if isinstance(values, Mapping):
        kept = _find(connection.dialect, statement, values)
        return _send(connection, kept.sql, kept.arguments(values))
    kept = _find(connection.dialect, statement, values[0])
    return _send(connection, kept.sql, [kept.arguments(each) for each in values])


def execute_later(
    session: Session, statement: Statement, several: Sequence[Values], check: Check
) -> None:
    """`execute` whose answer is heard before the commit: held back where the driver can.

    `check` is given the number of rows that were met and of warnings; what it returns is raised.
    """
    connection = _connection(session)
    driver = _driver(connection)
    watched = connection.dispatch.before_cursor_execute
    if watched or driver is None or not driver.can_hold():
        met = execute(session, statement, several).rowcount
        if (wrong := check(met, 0)) is not None:
            raise wrong
        return
    kept = _find(connection.dialect, statement, several[0])
    cursor = driver.cursor(Holding)
    cursor.check = check
    if len(several) == 1:
        cursor.execute(kept.sql, kept.arguments(several[0]))
    else:
        cursor.executemany(kept.sql, [kept.arguments(each) for each in several])


def fetch(
    session: Session, row: Callable[..., T], statement: Select[Any], values: Values
) -> list[T]:
    """The rows of a SELECT of plain columns; `row` takes them in the SELECT's order."""
    connection = _connection(session)
    kept = _find(connection.dialect, statement, values)
    sent = _send(connection, kept.sql, kept.arguments(values))
    return [row(*kept.read(raw)) for raw in sent.rows]


def fetch_one(
    session: Session, row: Callable[..., T], statement: Select[Any], values: Values
) -> T | None:
    """The first row, or None."""
    return next(iter(fetch(session, row, statement, values)), None)


def any_of(column: ColumnElement[Any], name: str, number: int) -> ColumnElement[bool]:
    """`column` is one of `number` values that `numbered` gives: a statement for each number."""
    return column.in_([bindparam(f"{name}_{i}") for i in range(number)]) if number else false()


def numbered(name: str, values: Iterable[Any]) -> dict[str, Any]:
    """The values of `any_of`."""
    return {f"{name}_{i}": value for i, value in enumerate(values)}


def _connection(session: Session) -> Connection:
    """The session's connection, after what the session holds back was written.

    It is kept for as long as the transaction, or the savepoint, that it was asked for in; for good
    after `stay_on`.
    """
    session.flush()
    known: tuple[object, Connection] | None = session.info.get(_CONNECTION)
    if known is None or (known[0] is not _FOR_GOOD and known[0] is not _innermost(session)):
        connection = session.connection()
        known = (_innermost(session), connection)
        session.info[_CONNECTION] = known
    return known[1]


def stay_on(session: Session, connection: Connection) -> None:
    """Every statement of a session that has no transactions of its own goes to this connection."""
    session.info[_CONNECTION] = (_FOR_GOOD, connection)


def _innermost(session: Session) -> object:
    return session.get_nested_transaction() or session.get_transaction() or object()


def _send(connection: Connection, sql: str, arguments: Any) -> Sent:
    """Past SQLAlchemy's own execution where nobody listens to it; errors become the same ones."""
    if connection.dispatch.before_cursor_execute:
        result = connection.exec_driver_sql(sql, arguments)
        rows = result.fetchall() if result.returns_rows else ()
        return Sent(result.rowcount, result.lastrowid, rows)
    cursor: Any = None
    try:
        cursor = connection.connection.cursor()
        if isinstance(arguments, list):
            cursor.executemany(sql, arguments)
        else:
            cursor.execute(sql, arguments)
        rows = cursor.fetchall() if cursor.description else ()
        sent = Sent(cursor.rowcount, cursor.lastrowid, rows)
        cursor.close()
    except BaseException as error:  # noqa: BLE001  raised again, whatever it is
        _raise(connection, error, sql, cursor)
    return sent


def _driver(connection: Connection) -> Pipelining | None:
    """The driver's own connection, if it can hold writes back."""
    driver: Any = connection.connection.dbapi_connection
    return driver if isinstance(driver, Pipelining) else None


def _raise(connection: Connection, error: BaseException, sql: str, cursor: Any = None) -> None:
    """What every execution of SQLAlchemy ends in: the error wrapped, a dead connection dropped."""
    known = isinstance(error, connection.dialect.loaded_dbapi.Error)
    connection._handle_dbapi_exception(error, sql if known else None, None, cursor, None)


@event.listens_for(Session, "before_commit")
def _hear(session: Session) -> None:
    """What was held back goes out before the commit, a savepoint's too: a refusal undoes it."""
    known: tuple[object, Connection] | None = session.info.get(_CONNECTION)
    if known is None or known[1].closed:
        return
    driver = _driver(known[1])
    if driver is not None:
        try:
            driver.send_held()
        except BaseException as error:  # noqa: BLE001  raised again, whatever it is
            _raise(known[1], error, "what was held back")


def _find(dialect: Dialect, statement: Statement, values: Values) -> _Kept:
    of_dialect = _KEPT.get(dialect)
    if of_dialect is None:
        of_dialect = _KEPT.setdefault(dialect, {})
    key = (statement, *values)
    kept = of_dialect.get(key)
    if kept is None:
        if len(of_dialect) >= MOST_KEPT:
            raise TooManyKept(
                f"over {MOST_KEPT} statements: is one built for every call? {statement}"
            )
        kept = of_dialect[key] = _compile(dialect, statement, list(values))
    return kept


def _compile(dialect: Dialect, statement: Statement, names: list[str]) -> _Kept:
    compiled = statement.compile(dialect=dialect, column_keys=names)
    fixed = _defaults(compiled)
    binds: list[tuple[str, Convert | None]] = []
    for name, parameter in compiled.binds.items():
        convert = _bind_processor(parameter, dialect)
        if name in names:
            binds.append((name, convert))
        elif name in fixed:
            fixed[name] = fixed[name] if convert is None else convert(fixed[name])
        else:  # a value that is written in the statement itself
            given = parameter.effective_value
            fixed[name] = given if convert is None else convert(given)
    return _Kept(
        sql=str(compiled),
        binds=tuple(binds),
        positions=tuple(compiled.positiontup) if compiled.positiontup is not None else None,
        fixed=fixed,
        columns=_result_processors(statement, dialect),
    )


def _defaults(compiled: SQLCompiler) -> dict[str, Any]:
    """What the columns that no value is given for are written with."""
    fixed = {}
    for column in compiled.insert_prefetch:
        default = column.default
        if default is None or not default.is_scalar:
            raise TypeError(f"{column}: only a plain default can be kept")
        fixed[column.key] = default.arg  # type: ignore[attr-defined]
    return fixed


def _result_processors(statement: Statement, dialect: Dialect) -> tuple[Convert | None, ...]:
    if not isinstance(statement, Select):
        return ()
    kinds = (column.type.dialect_impl(dialect) for column in statement.selected_columns)
    return tuple(cast("Convert | None", kind.result_processor(dialect, None)) for kind in kinds)


def _bind_processor(parameter: BindParameter[Any], dialect: Dialect) -> Convert | None:
    return cast("Convert | None", parameter.type.dialect_impl(dialect).bind_processor(dialect))
