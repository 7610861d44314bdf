"""A deposit is held back from its own payment on: it waits, with the rest, for the handing over."""

from sqlalchemy import select

from core import clock
from core.database import reading, transaction
from core.outbox import enqueue
from orders.models import Order, OrderLine
from payments.shipping import owing
from payments.shipping.models import PaymentShipping, ShippingState, TellAt
from tests.payments.conftest import Till
from tests.payments.test_paying import open_sheet
from tests.payments.test_refunds import cancel
from tests.payments.test_several_bills import split, with_deposit
from tests.payments.test_shipping import PAID, TELL, hand_over

OWE = "payments.owe_shipping"


def pay(till: Till, order: Order) -> None:
    till.channel.pay(open_sheet(till, order))
    assert till.deliver(till.channel.next_notice()) == 204


def with_tea(order: Order) -> Order:
    tea = {"name": "杨枝甘露", "quantity": 2, "unit_fen": 1250, "amount_fen": 2500}
    with transaction() as session:
        session.add(OrderLine(order_id=order.id, position=0, payable_fen=2500, **tea))
    return order


def rows() -> list[tuple[int, str]]:
    with reading() as session:
        found = session.scalars(select(PaymentShipping).order_by(PaymentShipping.id))
        return [(each.amount_fen, each.state.value) for each in found]


def deposit(till: Till) -> Order:
    order = with_tea(with_deposit(till))
    pay(till, order)
    assert till.run_jobs(OWE) == ["done"]
    return order


def test_a_deposit_waits_from_its_payment_on_and_is_told_with_the_rest(till: Till) -> None:
    order = deposit(till)
    assert rows() == [(500, "waiting")]
    assert TELL not in till.queued()

    pay(till, order)
    assert till.run_jobs(PAID) == ["done"]
    assert rows() == [(500, "waiting"), (2_000, "waiting")]
    hand_over(till, order)
    assert till.run_jobs(TELL) == ["done", "done"]

    assert rows() == [(500, "uploaded"), (2_000, "uploaded")]


def test_a_shop_that_tells_at_the_payment_tells_a_deposit_with_the_last(till: Till) -> None:
    with transaction() as session:
        owing.choose(session, till.store.merchant_id, TellAt.payment, now=clock.now())
    order = deposit(till)
    assert rows() == [(500, "waiting")]

    pay(till, order)
    assert till.run_jobs(PAID) == ["done"]

    assert rows() == [(500, "due"), (2_000, "due")]


def test_nothing_is_to_be_told_of_a_deposit_whose_order_ended(till: Till) -> None:
    order = deposit(till)
    cancel(till, order)
    with transaction() as session:
        enqueue(session, "payments.watch_shipping")
    assert till.run_jobs("payments.watch_shipping") == ["done"]

    assert rows() == [(500, ShippingState.void.value)]


def test_shares_wait_for_the_last(till: Till) -> None:
    order = with_tea(till.order(2_500))
    split(order, 1_000, 1_500)

    pay(till, order)
    assert OWE not in till.queued()
    assert rows() == []
    pay(till, order)
    assert till.run_jobs(PAID) == ["done"]

    assert rows() == [(1_000, "waiting"), (1_500, "waiting")]
