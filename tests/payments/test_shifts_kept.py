"""Whoever asked for a sum before there were shifts hands it over too: the orders' history tells."""

import importlib.util
from pathlib import Path

import pytest
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from sqlalchemy import delete, select

from core import database
from core.database import reading, transaction
from payments.models import CounterSale
from tests.payments.conftest import Till
from tests.payments.test_counter_page import log_in
from tests.payments.test_takings import take

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / "migrations/versions/20261123_shifts.py"


def sales() -> list[tuple[object, ...]]:
    with reading() as session:
        found = session.scalars(select(CounterSale).order_by(CounterSale.bill_id))
        return [(each.bill_id, each.store_id, each.staff_id, each.at) for each in found]


@pytest.mark.parametrize("kind", ["till", pytest.param("mariadb_till", marks=pytest.mark.mariadb)])
def test_who_asked_is_read_off_the_orders_history(
    kind: str, request: pytest.FixtureRequest
) -> None:
    till: Till = request.getfixturevalue(kind)
    clerk, colleague = log_in(till, till.store), log_in(till, till.store)
    take(till, clerk, "12.50")
    take(till, colleague, "30.00")
    till.order(900)  # bought in the mini-program
    before = sales()
    assert len({staff for _, _, staff, _ in before}) == 2
    with transaction() as session:
        session.execute(delete(CounterSale))

    spec = importlib.util.spec_from_file_location("shifts_migration", FILE)
    assert spec is not None
    assert spec.loader is not None
    migration = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(migration)
    with (
        database.db.engine.begin() as connection,
        Operations.context(MigrationContext.configure(connection)),
    ):
        migration._keep_who_asked()

    assert sales() == before
