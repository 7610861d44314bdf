"""Alembic's environment: the application's engine, the models' metadata, batch mode for SQLite."""

from typing import Any

from alembic import context
from flask import current_app

from core.database import Base, db

LOCK_SECONDS = 10


def run_migrations_online() -> None:
    with db.engine.connect() as connection:
        if connection.dialect.name in ("mysql", "mariadb"):
            connection.exec_driver_sql(f"SET SESSION lock_wait_timeout = {LOCK_SECONDS}")
            connection.commit()
        context.configure(
            connection=connection,
            target_metadata=Base.metadata,
            render_as_batch=True,
            compare_type=True,
            include_object=_is_ours,
        )
        with context.begin_transaction():
            context.run_migrations()


def _is_ours(_object: Any, name: str | None, kind: str, reflected: bool, _compare: Any) -> bool:
    return not (kind == "table" and reflected and name not in Base.metadata.tables)


if context.is_offline_mode():
    raise SystemExit("offline migrations are not supported: they could not be checked")
assert current_app, "run through flask --app app db"
run_migrations_online()
