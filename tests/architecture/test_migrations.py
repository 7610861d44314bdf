"""Models and migrations say the same, and every migration goes down as well as up."""

import ast
from collections.abc import Callable
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from flask import Flask
from flask_migrate import downgrade, upgrade
from sqlalchemy import inspect, select, text

from app import create_app
from catalogue import stock
from core import security_events
from core.config import Config
from core.database import Base, db, reading, transaction
from core.security_events import SecurityEvent
from coupons.models import Coupon
from crm.models import CampaignState
from merchants.models import Merchant
from tests.conftest import NOW
from tests.factories.campaigns import make_campaign
from tests.factories.catalogue import make_sku
from tests.factories.coupons import make_coupon, make_promotion, make_template
from tests.factories.crm import make_member
from tests.factories.merchants import make_merchant, make_store
from tests.factories.orders import make_order
from tests.servers import MariaDB

ROOT = Path(__file__).resolve().parents[2]


def differences(app: Flask) -> list[object]:
    with app.app_context(), db.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return list(compare_metadata(context, Base.metadata))


def rows() -> dict[str, list[tuple[object, ...]]]:
    with db.engine.connect() as connection:
        return {
            name: [tuple(row) for row in connection.execute(table.select().order_by(*table.c))]
            for name, table in Base.metadata.tables.items()
        }


def fill() -> None:
    """A row in each table that another one's rows point at, and what they were given."""
    with transaction() as session:
        merchant = make_merchant(session)
        store = make_store(session, merchant)
        make_promotion(session, merchant)
        member = make_member(session, merchant=merchant)
        order = make_order(session, member, store)
        stock.hold(session, order.id, store.id, {make_sku(session, store).id: 1}, NOW)
        coupon = make_coupon(session, member, make_template(session, merchant))
        coupon.bill_fen = 2**40  # more than an INTEGER of MariaDB holds
        security_events.record(session, "guess", "code:1", merchant_id=merchant.id, now=NOW)
        security_events.record(session, "forged", "callback", now=NOW)
        for state in (CampaignState.running, CampaignState.scheduled):
            words = make_campaign(session, template_id=None, message="新茶到了", now=NOW)
            words.state = state


def down_and_up(app: Flask) -> None:
    """Every table goes with what is in it, whatever points at what, and comes back as it was."""
    with app.app_context():
        upgrade()
        assert differences(app) == []
        empty = rows()
        assert set(map(len, empty.values())) == {0}
        fill()
        with reading() as session:
            assert session.scalars(select(Coupon.bill_fen)).all() == [2**40]
            of = select(SecurityEvent.kind, SecurityEvent.merchant_id, SecurityEvent.at)
            merchant_id = session.scalars(select(Merchant.id).order_by(Merchant.id)).first()
            assert [tuple(row) for row in session.execute(of.order_by(SecurityEvent.kind))] == [
                ("forged", None, NOW),
                ("guess", merchant_id, NOW),
            ]
        downgrade(revision="base")
        assert set(inspect(db.engine).get_table_names()) == {"alembic_version"}
        upgrade()
        assert rows() == empty
        fill()
        db.engine.dispose()


def down_to_coupons_only(app: Flask) -> None:
    """Campaigns without a coupon have one after it, which they will not give to anybody."""
    with app.app_context():
        upgrade()
        fill()
        downgrade(revision="20261123_imports")
        with db.engine.connect() as connection:
            asked = text(
                "SELECT c.state, c.template_id = (SELECT MIN(t.id) FROM coupon_templates t"
                " WHERE t.merchant_id = c.merchant_id) FROM campaigns c ORDER BY c.id"
            )
            found = [tuple(row) for row in connection.execute(asked)]
        assert found == [("killed", 1), ("draft", 1)]
        db.engine.dispose()


def test_down_with_what_the_older_code_does_not_know_on_sqlite(
    make_config: Callable[..., Config],
) -> None:
    down_to_coupons_only(create_app(make_config()))


@pytest.mark.mariadb
def test_down_with_what_the_older_code_does_not_know_on_mariadb(
    mariadb: MariaDB, make_config: Callable[..., Config]
) -> None:
    with mariadb.database() as url:
        down_to_coupons_only(create_app(make_config(database={"url": url})))


def test_down_and_up_with_rows_on_sqlite(make_config: Callable[..., Config]) -> None:
    down_and_up(create_app(make_config()))


@pytest.mark.mariadb
def test_down_and_up_with_rows_on_mariadb(
    mariadb: MariaDB, make_config: Callable[..., Config]
) -> None:
    with mariadb.database() as url:
        down_and_up(create_app(make_config(database={"url": url})))


def test_migrations_know_nothing_that_lives() -> None:
    """A migration must run as it was written, whatever becomes of the code."""
    ours = {file.parent.name for file in ROOT.glob("*/__init__.py")} | {"app"}
    imported = [
        (file.name, name)
        for file in [*ROOT.glob("migrations/versions/*.py"), ROOT / "migrations" / "types.py"]
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in [getattr(node, "module", None) or node.names[0].name]
    ]

    assert {name for _, name in imported} >= {"alembic", "migrations.types"}
    assert [(file, name) for file, name in imported if name.split(".")[0] in ours] == []
