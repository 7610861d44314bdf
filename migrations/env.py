"""Alembic's environment: the application's engine, the models' metadata, batch mode for SQLite."""

from typing import Any

from alembic import context
from flask import current_app
from sqlalchemy import Connection

from core.crypto import Sealed
from core.database import Base, Code, State, UTCDateTime, db

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
        context.configure(
            connection=connection,
            target_metadata=Base.metadata,
            render_as_batch=True,
            compare_type=True,
            include_object=_is_ours,
            render_item=_render,
        )
        with context.begin_transaction():
            context.run_migrations()
            if on_sqlite and (lost := connection.exec_driver_sql("PRAGMA foreign_key_check").all()):
                raise RuntimeError(f"rows that point at nothing: {lost[:5]}")
        if on_sqlite:
            _pragma(connection, "foreign_keys=ON")


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
