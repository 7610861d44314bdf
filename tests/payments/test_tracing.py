"""Which order a movement of the stored balance was for, and how an order was paid, by parts."""

from sqlalchemy import select

from core import clock, database
from crm.models import BalanceEntry, HoldState
from orders.models import Order
from payments import attempts, refunding, remote
from payments.models import AttemptState
from payments.queries import list_live_attempts
from payments.tracing import orders_behind
from tests.payments.conftest import Till
from tests.payments.test_balance import BALANCE, holds, mixed, top_up
from tests.payments.test_shares import Phone, orderer  # noqa: F401
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


def told(phone: Phone) -> list[tuple[str, int, str | None]]:
    page = phone.get("balance?limit=2").get_json()
    items = page["items"]
    while page["next"]:
        page = phone.get(f"balance?limit=2&cursor={page['next']}").get_json()
        items += page["items"]
    return [(each["text"], each["amount_fen"], each["order_no"]) for each in items]


def test_what_waits_with_an_order_is_not_yet_spent(till: Till, orderer: Phone) -> None:  # noqa: F811
    bought = top_up(till)
    order = till.order(2_500)
    top = ("储值到账", 12_000, bought.no)
    till.open(order, mixed(till))
    assert told(orderer) == [("等付款", -1_000, order.no), top]

    till.open(order, mixed(till, 500))  # another way: the first part is free again
    assert holds() == [(HoldState.returned, 1_000), (HoldState.held, 500)]
    assert told(orderer) == [("等付款", -500, order.no), top]

    till.open(order, BALANCE)
    assert told(orderer) == [("消费", -2_500, order.no), top]


def test_what_was_kept_for_nothing_leaves_no_trace_and_what_was_refunded_does(
    till: Till,
    orderer: Phone,  # noqa: F811
) -> None:
    bought = top_up(till)
    order, other = till.order(2_500), till.order(3_000)
    till.open(order, BALANCE)
    with database.transaction() as session:
        found = session.get_one(Order, order.id)
        refunding.request(session, found, 2_500, "做错了", "staff:1", clock.now())
    till.open(other, mixed(till))
    [given_up] = till.attempts(other)
    with database.transaction() as session:
        assert attempts.end(session, given_up.id, AttemptState.closed, now=clock.now())

    assert told(orderer) == [
        ("退还", 2_500, order.no),
        ("消费", -2_500, order.no),
        ("储值到账", 12_000, bought.no),
    ]
