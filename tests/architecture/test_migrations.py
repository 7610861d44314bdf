"""Models and migrations say the same, and every migration goes down as well as up."""

from collections.abc import Callable

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from flask import Flask
from flask_migrate import downgrade, upgrade
from sqlalchemy import inspect, text

from app import create_app
from catalogue import stock
from core.config import Config
from core.database import Base, db, transaction
from tests.conftest import NOW
from tests.factories.catalogue import make_sku
from tests.factories.coupons import make_promotion
from tests.factories.crm import make_member
from tests.factories.merchants import make_merchant, make_store
from tests.factories.orders import make_order
from tests.servers import MariaDB

FIRST = "20261122_first"


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


def rows() -> dict[str, list[tuple[object, ...]]]:
    with db.engine.connect() as connection:
        return {
            name: [tuple(row) for row in connection.execute(table.select().order_by(*table.c))]
            for name, table in Base.metadata.tables.items()
        }


def down_and_up(app: Flask) -> None:
    with app.app_context():
        upgrade()
        with transaction() as session:
            merchant = make_merchant(session)
            store = make_store(session, merchant)
            make_promotion(session, merchant)
            order = make_order(session, make_member(session, merchant=merchant), store)
            stock.hold(session, order.id, store.id, {make_sku(session, store).id: 1}, NOW)
        before = rows()
        downgrade(revision=FIRST)
        with db.engine.connect() as connection:
            ends = "SELECT h.expires_at = o.expires_at FROM stock_holds h JOIN orders o"
            assert connection.scalar(text(f"{ends} ON o.id = h.order_id")) == 1
        upgrade()
        assert rows() == before
        db.engine.dispose()


def test_data_survive_the_way_down_and_up_on_sqlite(make_config: Callable[..., Config]) -> None:
    down_and_up(create_app(make_config()))


@pytest.mark.mariadb
def test_data_survive_the_way_down_and_up_on_mariadb(
    mariadb: MariaDB, make_config: Callable[..., Config]
) -> None:
    with mariadb.database() as url:
        down_and_up(create_app(make_config(database={"url": url})))
