"""Which order a movement of the stored balance was for, and how an order was paid, by parts."""

from sqlalchemy import select

from core import clock, database
from crm.models import BalanceEntry
from payments import remote
from payments.queries import list_live_attempts
from payments.tracing import orders_behind
from tests.payments.conftest import Till
from tests.payments.test_balance import mixed, top_up
from wxapp_api.order_views import parts_out


def test_every_movement_names_its_order(till: Till) -> None:
    bought = top_up(till)
    order = till.order(2_500)
    remote.open_payment(
        till.cashier, order.id, mixed(till), description="茶", now=clock.now(), client_ip=""
    )
    with database.reading() as session:
        parts = [part for each in list_live_attempts(session, order.id) for part in parts_out(each)]
        causes = list(session.scalars(select(BalanceEntry.cause).order_by(BalanceEntry.id)))
        (attempt,) = list_live_attempts(session, order.id)
        found = orders_behind(session, [*causes, "import:1", f"back:attempt:{attempt.id}:refund:9"])

    kept = f"keep:attempt:{attempt.id}"
    assert [(part.channel, part.amount_fen, part.state) for part in parts] == [
        ("balance", 1_000, "waiting"),
        ("wechat", 1_500, "waiting"),
    ]
    assert found == {
        f"top_up:{bought.id}": bought.no,
        kept: order.no,
        f"back:attempt:{attempt.id}:refund:9": order.no,
    }
