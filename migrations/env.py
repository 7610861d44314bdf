"""Alembic's environment: the application's engine, the models' metadata, batch mode for SQLite.

Where DDL is not undone with its transaction, a step that refuses in the middle of a way down would
leave the later ones undone. So each revision says in REFUSES what it would lose and how that is
found, in words that hold for the tables of any later revision too; all of the way are asked first.
"""

from collections.abc import Callable, Iterable
from typing import Any

from alembic import context
from alembic.runtime.migration import MigrationContext, RevisionStep
from flask import current_app
from sqlalchemy import Connection, text

from core.crypto import Sealed
from core.database import Base, Code, State, UTCDateTime, db

Steps = Callable[[tuple[str, ...], MigrationContext], Iterable[Any]]

LOCK_SECONDS = 10


def run_migrations_online() -> None:
    with db.engine.connect() as connection:
        on_sqlite = connection.dialect.name == "sqlite"
        if on_sqlite:
            # Changing a column copies the table and drops the old one, whatever points at it.
            _pragma(connection, "foreign_keys=OFF")
        if connection.dialect.name in ("mysql", "mariadb"):
            connection.exec_driver_sql(f"SET SESSION lock_wait_timeout = {LOCK_SECONDS}")
            connection.commit()
        configured: dict[str, Any] = {
            "connection": connection,
            "target_metadata": Base.metadata,
            "render_as_batch": True,
            "compare_type": True,
            "include_object": _is_ours,
            "render_item": _render,
        }
        context.configure(**configured)
        context.configure(**configured, fn=_asking_first(context.get_context().opts["fn"]))
        with context.begin_transaction():
            context.run_migrations()
            if on_sqlite and (lost := connection.exec_driver_sql("PRAGMA foreign_key_check").all()):
                raise RuntimeError(f"rows that point at nothing: {lost[:5]}")
        if on_sqlite:
            _pragma(connection, "foreign_keys=ON")


def _asking_first(steps_of: Steps) -> Steps:
    """The same steps; a way down that would lose something ends before its first one."""

    def steps(heads: tuple[str, ...], migrating: MigrationContext) -> list[Any]:
        found = list(steps_of(heads, migrating))
        assert migrating.connection is not None
        if lost := [each for step in found for each in _lost(step, migrating.connection)]:
            raise RuntimeError(
                f"nothing was changed, for the way down would lose {'; '.join(lost)}: to go back,"
                " restore a backup from before the upgrade"
            )
        return found

    return steps


def _lost(step: Any, connection: Connection) -> list[str]:
    if not (isinstance(step, RevisionStep) and step.is_downgrade):
        return []
    asked: dict[str, str] = getattr(step.revision.module, "REFUSES", {})
    return [
        f"{words} ({step.revision.revision})"
        for words, query in asked.items()
        if connection.execute(text(f"{query} LIMIT 1")).first() is not None
    ]


def _pragma(connection: Connection, text: str) -> None:
    """Outside a transaction, where alone this one works."""
    raw: Any = connection.connection
    raw.execute(f"PRAGMA {text}")


def _render(kind: str, item: Any, autogen: Any) -> str | bool:
    """Our column types by what they are in the table: a migration outlives enums and keys."""
    if kind != "type" or not isinstance(item, Code | State | UTCDateTime | Sealed):
        return False
    if isinstance(item, Sealed):
        return "sa.Text()"
    name = "UTCDateTime()" if isinstance(item, UTCDateTime) else f"Code({item.length})"
    autogen.imports.add(f"from migrations.types import {name.partition('(')[0]}")
    return name


def _is_ours(_object: Any, name: str | None, kind: str, reflected: bool, _compare: Any) -> bool:
    return not (kind == "table" and reflected and name not in Base.metadata.tables)


if context.is_offline_mode():
    raise SystemExit("offline migrations are not supported: they could not be checked")
assert current_app, "run through flask --app app db"
run_migrations_online()
