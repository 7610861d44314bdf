"""Rows by plain columns: the few statements that hot paths repeat, built once per process.

To build a statement and to keep objects in step with it costs ten times what running it does, and
one payment writes a dozen rows. Here a statement is found by its table and the columns' names, and
the session's objects are left alone: `note` tells an object what was written, `reread` reads it.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, cast

from sqlalchemy import ColumnElement, CursorResult, Insert, Table, Update, bindparam, insert, update
from sqlalchemy.orm import Session
from sqlalchemy.orm.attributes import set_committed_value

from core.database import Base, insert_ignore_into

Values = Mapping[str, Any]


def table_of(model: type[Base]) -> Table:
    return cast(Table, model.__table__)


def run(session: Session, statement: Insert | Update, values: Values) -> CursorResult[Any]:
    """Execute a statement on a table, after whatever the session has not written yet."""
    session.flush()
    return cast("CursorResult[Any]", session.execute(statement, values))


def add(session: Session, model: type[Base], row: Values) -> int:
    """Insert one row by the names of its columns; its id."""
    return int(run(session, _insert_into(model), row).lastrowid)


def add_all(session: Session, model: type[Base], several: Sequence[Values]) -> None:
    """Insert rows with the same columns in one statement; none: nothing."""
    if several:
        session.flush()
        session.execute(_insert_into(model), several)


def add_new(session: Session, model: type[Base], row: Values) -> int | None:
    """Insert one row unless a unique key refuses it; its id, or None."""
    result = run(session, insert_ignore_into(model), row)
    return int(result.lastrowid) if result.rowcount == 1 else None


def compare_and_set(session: Session, model: type[Base], expected: Values, values: Values) -> int:
    """Write `values` where every column is as `expected`; the number of rows that were.

    A tuple among `expected` stands for any of its members.
    """
    several = tuple(name for name, value in expected.items() if isinstance(value, tuple))
    statement = _update_where(model, tuple(expected), several)
    known = {f"expected_{name}": value for name, value in expected.items()}
    return run(session, statement, {**known, **values}).rowcount


def note(entity: Base, values: Values) -> None:
    """`entity` is what this transaction has just written: no need to read it back."""
    for name, value in values.items():
        set_committed_value(entity, name, value)


def reread(session: Session, model: type[Base], id_: int) -> None:
    """Bring the object with this id up to date, if the session holds one."""
    held = session.identity_map.get(session.identity_key(model, id_))
    if held is not None:
        session.refresh(held)


@cache
def _insert_into(model: type[Base]) -> Insert:
    return insert(table_of(model))


@cache
def _update_where(model: type[Base], names: tuple[str, ...], several: tuple[str, ...]) -> Update:
    columns = table_of(model).c
    conditions: list[ColumnElement[bool]] = []
    for name in names:
        column, key = columns[name], f"expected_{name}"
        if name in several:
            conditions.append(column.in_(bindparam(key, expanding=True)))
        else:
            conditions.append(column == bindparam(key))
    return update(table_of(model)).where(*conditions)
