"""Rows by plain columns: the few statements that hot paths repeat, kept by `core.statements`.

To build a statement and to keep objects in step with it costs ten times what running it does, and
one payment writes a dozen rows. Here a statement is found by its table and the columns' names, and
the session's objects are left alone: `note` tells an object what was written, `reread` reads it.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, TypeVar, cast

from sqlalchemy import ColumnElement, Insert, Table, Update, bindparam, insert, update
from sqlalchemy.orm import Session, make_transient_to_detached
from sqlalchemy.orm.attributes import set_committed_value

from core import ignoring, statements
from core.database import Base, insert_new, on_sqlite

Values = Mapping[str, Any]
E = TypeVar("E", bound=Base)
_NO_VALUE = -1


def table_of(model: type[Base]) -> Table:
    return cast(Table, model.__table__)


def run(session: Session, statement: Insert | Update, values: Values) -> int:
    """Execute a kept statement on a table; the number of rows it met."""
    return statements.execute(session, statement, values).rowcount


def add(session: Session, model: type[Base], row: Values) -> int:
    """Insert one row by the names of its columns; its id."""
    return statements.execute(session, insert_into(model), row).lastrowid


def add_all(session: Session, model: type[Base], several: Sequence[Values]) -> None:
    """Insert rows with the same columns in one statement; none: nothing."""
    if several:
        statements.execute(session, insert_into(model), several)


def add_new(session: Session, model: type[Base], row: Values) -> int | None:
    """Insert one row unless a unique key refuses it; its id, or None. Other refusals are raised."""
    result = statements.execute(session, insert_new(model, on_sqlite(session)), row)
    return result.lastrowid if result.rowcount == 1 else None


def add_or_lock(session: Session, model: type[Base], row: Values) -> None:
    """Insert one row unless a unique key refuses it, and have it for ourselves either way."""
    statements.execute(session, _insert_or_lock(model, on_sqlite(session)), row)


def add_all_new(session: Session, model: type[Base], several: Sequence[Values]) -> int:
    """Insert the rows that no unique key refuses; how many that were."""
    if not several:
        return 0
    return statements.execute(session, insert_new(model, on_sqlite(session)), several).rowcount


def compare_and_set(session: Session, model: type[Base], expected: Values, values: Values) -> int:
    """Write `values` where every column is as `expected`; the number of rows that were.

    A tuple among `expected` stands for any of its members, None for a column without a value.
    """
    statement, known = guarded(model, expected)
    return run(session, statement, {**known, **values})


def guarded(model: type[Base], expected: Values) -> tuple[Update, dict[str, Any]]:
    """The UPDATE of `compare_and_set` and the values of its guard."""
    known: dict[str, Any] = {}
    numbers: list[tuple[str, int | None]] = []
    for name, value in expected.items():
        if isinstance(value, tuple):
            numbers.append((name, len(value)))
            known |= statements.numbered(f"expected_{name}", value)
        elif value is None:
            numbers.append((name, _NO_VALUE))
        else:
            numbers.append((name, None))
            known[f"expected_{name}"] = value
    return _update_where(model, tuple(numbers)), known


class NotMoved(RuntimeError):
    """A row was not as this transaction had every reason to find it: nothing of it may stay."""


def must_move(session: Session, model: type[Base], expected: Values, values: Values) -> None:
    """`compare_and_set` of the one row that a lock or an earlier read answers for."""
    all_moved(model, compare_and_set(session, model, expected, values))


def all_moved(model: type[Base], moved: int, number: int = 1) -> None:
    """Raises NotMoved unless all the rows that were meant have been met."""
    if moved != number:
        raise NotMoved(f"{model.__tablename__}: {moved} of {number} moved")


def adopt(session: Session, model: type[E], id_: int, row: Values) -> E:
    """The object of a row that was just added, as if the session had read it.

    Every column that a default fills must be in `row`; the others are null.
    """
    columns = {column.key: row.get(column.key) for column in table_of(model).columns}
    return know(session, model, columns | {"id": id_})


def know(session: Session, model: type[E], values: Values) -> E:
    """The object of a row of which these columns, its id among them, were just read.

    The others are read when somebody asks for them.
    """
    held = session.identity_map.get(session.identity_key(model, values["id"]))
    if held is not None:
        note(held, values)
        return cast(E, held)
    entity = model(**values)
    make_transient_to_detached(entity)
    session.add(entity)
    return entity


def note(entity: Base, values: Values) -> None:
    """`entity` is what this transaction has just written: no need to read it back."""
    for name, value in values.items():
        set_committed_value(entity, name, value)


def note_held(session: Session, model: type[Base], id_: int, values: Values) -> None:
    """`note` for the object with this id, if the session holds one."""
    held = session.identity_map.get(session.identity_key(model, id_))
    if held is not None:
        note(held, values)


def reread(session: Session, model: type[Base], id_: int) -> None:
    """Bring the object with this id up to date, if the session holds one."""
    held = session.identity_map.get(session.identity_key(model, id_))
    if held is not None:
        session.refresh(held)


@cache
def insert_into(model: type[Base]) -> Insert:
    """The statement of `add`."""
    return insert(table_of(model))


@cache
def _insert_or_lock(model: type[Base], on_sqlite: bool) -> Insert:
    return ignoring.insert_or_lock(table_of(model), on_sqlite=on_sqlite)


@cache
def _update_where(model: type[Base], numbers: tuple[tuple[str, int | None], ...]) -> Update:
    columns = table_of(model).c
    conditions: list[ColumnElement[bool]] = []
    for name, number in numbers:
        column, key = columns[name], f"expected_{name}"
        if number is None:
            conditions.append(column == bindparam(key))
        elif number == _NO_VALUE:
            conditions.append(column.is_(None))
        else:
            conditions.append(statements.any_of(column, key, number))
    return update(table_of(model)).where(*conditions)
