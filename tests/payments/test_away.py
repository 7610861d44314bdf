"""A channel that is away, or says for hours that the payer is at it: what waits for it goes on
waiting, and nothing of it dies."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from werkzeug.test import TestResponse

from core import clock, database
from core.outbox import enqueue
from orders.models import Order, OrderState, PaymentState
from payments.models import AttemptState, PaymentAttempt
from tests.payments.conftest import Till

Post = Callable[..., TestResponse]
STUBBORN = {
    "away": {"api": "pay.*", "kind": "drop_before", "times": None},
    "at it": {"api": "pay.close", "kind": "error", "status": 400, "code": "USERPAYING"},
    "no": {"api": "pay.close", "kind": "error", "status": 403, "code": "NO_AUTH"},
}
# More than the tries that a failing job is given.
OFTEN = 10


def run_out(till: Till, order: Order) -> None:
    past = clock.now() - timedelta(minutes=30)
    with database.transaction() as session:
        session.execute(sa.update(Order).where(Order.id == order.id).values(expires_at=past))
        session.execute(sa.update(PaymentAttempt).values(expires_at=past))
        enqueue(session, "orders.expire", key=f"orders.expire:{order.id}", order_id=order.id)


@pytest.mark.parametrize("fault", STUBBORN.values(), ids=STUBBORN)
def test_an_order_expires_however_long_its_channel_cannot_say(
    till: Till, fault: dict[str, Any]
) -> None:
    order = till.order(2500)
    till.open(order)
    run_out(till, order)
    till.channel.fault(**{"times": None, **fault})
    for _ in range(OFTEN):
        ran = till.run_jobs("orders.expire", "payments.query_pending")
        assert set(ran) == {"later"}
    assert till.read(order).state is OrderState.placed

    till.channel.world.faults.remove()
    till.run_jobs("orders.expire", "payments.close_attempt", "payments.query_pending")

    left = till.read(order)
    assert (left.state, left.payment_state) == (OrderState.cancelled, PaymentState.unpaid)
    assert [attempt.state for attempt in till.attempts(order)] == [AttemptState.closed]


def test_whoever_switches_while_being_at_it_is_asked_to_wait(till: Till, post: Post) -> None:
    order = till.order(2500)
    till.open(order)
    till.channel.fault(**{"times": None, **STUBBORN["at it"]})

    answer = post(f"orders/{order.no}/payment", body={"channel": "alipay", "way": "page"})

    assert (answer.status_code, answer.get_json()["code"]) == (409, "payment_in_progress")
    assert [attempt.state for attempt in till.attempts(order)] == [AttemptState.pending]
    till.channel.world.faults.remove()
    answer = post(f"orders/{order.no}/payment", body={"channel": "alipay", "way": "page"})
    assert answer.status_code == 200
