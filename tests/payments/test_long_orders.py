"""Orders that may be paid for weeks: no payment that was begun lives as long, and whoever ordered
may go on buying."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from werkzeug.test import TestResponse

from core import clock, database
from crm.models import HoldState
from orders.models import Order
from payments import billing
from payments.models import AttemptState, PaymentAttempt
from tests.payments.conftest import Till
from tests.payments.test_balance import has, holds, top_up
from tests.payments.test_several_bills import pay

Post = Callable[..., TestResponse]
WAYS = [("wechat", "mini"), ("alipay", "page"), ("unionpay", "page")]


def with_rest(till: Till) -> Order:
    """Its deposit is paid, the rest is due in sixty days."""
    order = till.order(2_500)
    with database.transaction() as session:
        mine, now = session.get_one(Order, order.id), clock.now()
        billing.open_deposit(session, mine, 500, rest_by=now + timedelta(days=60), now=now)
    pay(till, order)
    assert till.read(order).expires_at - clock.now() > timedelta(days=59)
    return order


def begin(post: Post, order: Order, channel: str, way: str, balance_fen: int = 0) -> TestResponse:
    body: dict[str, Any] = {"channel": channel, "way": way, "balance_fen": balance_fen}
    return post(f"orders/{order.no}/payment", body=body)


def make_older(attempt: PaymentAttempt, by: timedelta) -> None:
    older = {"created_at": attempt.created_at - by, "expires_at": attempt.expires_at - by}
    with database.transaction() as session:
        mine = sa.update(PaymentAttempt).where(PaymentAttempt.id == attempt.id)
        session.execute(mine.values(**older))


@pytest.mark.parametrize(("by", "way"), WAYS)
def test_a_rest_that_was_begun_and_left_is_over_in_two_hours(
    till: Till, post: Post, by: str, way: str
) -> None:
    order = with_rest(till)

    assert begin(post, order, by, way).status_code == 200

    first = till.attempts(order)[-1]
    assert first.expires_at - first.created_at == timedelta(hours=2)
    assert begin(post, order, by, way).status_code == 200
    assert till.attempts(order)[-1].id == first.id
    make_older(first, timedelta(hours=2))
    assert begin(post, order, by, way).status_code == 200
    *_, left, again = till.attempts(order)
    assert (left.id, left.state, again.state) == (
        first.id,
        AttemptState.closed,
        AttemptState.pending,
    )
    assert again.expires_at - again.created_at == timedelta(hours=2)


def test_what_a_rest_froze_of_the_balance_is_free_in_two_hours(till: Till, post: Post) -> None:
    top_up(till)
    order = with_rest(till)
    begin(post, order, "wechat", "mini", balance_fen=1_000)
    assert (has(till)[0], holds()) == (11_000, [(HoldState.held, 1_000)])

    make_older(till.attempts(order)[-1], timedelta(hours=2, minutes=4))
    till.run_jobs("payments.query_pending")

    assert (has(till)[0], holds()) == (12_000, [(HoldState.returned, 1_000)])
    assert till.attempts(order)[-1].state is AttemptState.closed


def test_what_is_owed_sooner_is_begun_for_no_longer(till: Till, post: Post) -> None:
    order = till.order(2_500)

    begin(post, order, "wechat", "mini")

    assert till.attempts(order)[0].expires_at == till.read(order).expires_at
