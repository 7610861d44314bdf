"""Models and migrations say the same, and every migration goes down as well as up."""

from collections.abc import Callable

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from flask import Flask
from flask_migrate import downgrade, upgrade
from sqlalchemy import inspect

from app import create_app
from core.config import Config
from core.database import Base, db
from tests.servers import MariaDB


def differences(app: Flask) -> list[object]:
    with app.app_context(), db.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return list(compare_metadata(context, Base.metadata))


def test_models_match_migrations_on_sqlite(make_config: Callable[..., Config]) -> None:
    app = create_app(make_config())
    with app.app_context():
        upgrade()
        assert differences(app) == []
        downgrade(revision="base")
        assert set(inspect(db.engine).get_table_names()) <= {"alembic_version"}
        db.engine.dispose()


@pytest.mark.mariadb
def test_models_match_migrations_on_mariadb(
    mariadb: MariaDB, make_config: Callable[..., Config]
) -> None:
    with mariadb.database() as url:
        app = create_app(make_config(database={"url": url}))
        with app.app_context():
            upgrade()
            assert differences(app) == []
            downgrade(revision="base")
            assert set(inspect(db.engine).get_table_names()) <= {"alembic_version"}
            db.engine.dispose()
