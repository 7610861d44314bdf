"""Ten thousand rows in one statement, where they differ in a few columns only.

What differs travels as one JSON text that the database takes apart; what they share is written
once. To escape every value of every row in Python takes longer than the insert itself. MariaDB and
MySQL have JSON_TABLE for it, SQLite json_each.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import (
    FromClause,
    String,
    TextClause,
    column,
    func,
    literal,
    select,
    text,
)
from sqlalchemy.orm import Session

from core.database import Base, Code, State, UTCDateTime, insert_new, on_sqlite
from core.rows import table_of


def insert_ignore_alike(
    session: Session,
    model: type[Base],
    common: Mapping[str, Any],
    names: Sequence[str],
    several: Sequence[Sequence[int | str | None]],
) -> int:
    """Insert a row for each of `several`, which are values of the columns `names`, with `common`
    in the others; skip what a unique key refuses. The number really inserted. A moment is given as
    the text of its UTC, with its microseconds.

    Anything but a duplicate is raised, see `core.ignoring`.
    """
    table = table_of(model)
    lite = on_sqlite(session)
    given_text = json.dumps(several, ensure_ascii=False)
    given = _json_each(names, given_text) if lite else _json_table(model, names, given_text)
    rows = select(
        *(literal(value, table.c[name].type).label(name) for name, value in common.items()),
        *(column(name) for name in names),
    ).select_from(given)
    if lite:
        rows = rows.where(text("true"))  # else its ON CONFLICT would read as a join's condition
    statement = insert_new(model, lite).from_select([*common, *names], rows)
    session.flush()
    result: Any = session.execute(statement)
    return int(result.rowcount)


def _json_table(model: type[Base], names: Sequence[str], given: str) -> TextClause:
    columns = ", ".join(
        f"{name} {_kind(model, name)} PATH '$[{index}]'" for index, name in enumerate(names)
    )
    table = text(f"JSON_TABLE(:given, '$[*]' COLUMNS ({columns})) AS given_rows")
    return table.bindparams(given=given)


def _json_each(names: Sequence[str], given: str) -> FromClause:
    each = func.json_each(given).table_valued("value")
    return select(
        *(
            func.json_extract(each.c.value, f"$[{index}]").label(name)
            for index, name in enumerate(names)
        )
    ).subquery()


def _kind(model: type[Base], name: str) -> str:
    kind = table_of(model).c[name].type
    if isinstance(kind, UTCDateTime):
        return "DATETIME(6)"
    return f"VARCHAR({kind.length})" if isinstance(kind, Code | State | String) else "BIGINT"
