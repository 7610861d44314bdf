"""Pages of Alipay and UnionPay that stay open after we count them as closed: what is paid there
goes back by itself, also when nobody tells us of it."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
import requests
import sqlalchemy as sa
from werkzeug.test import TestResponse

from core import database
from core.security_events import SecurityEvent
from orders.models import Order, PaymentState
from payments.models import AttemptState, PaymentAttempt, RefundState
from sandbox.unionpay import moves
from sandbox.unionpay.store import FAILED
from tests.payments.conftest import Till
from tests.payments.test_channels import ask, go, press, tell

Post = Callable[..., TestResponse]
QUERY = "payments.query_pending"


@pytest.fixture(params=["alipay", "unionpay"])
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def pay_by_wechat(till: Till, order: Order) -> None:
    till.channel.pay(till.open(order))
    assert till.deliver(till.channel.next_notice()) == 204
    assert till.read(order).payment_state is PaymentState.paid


def run_out(till: Till) -> None:
    """The time of all pages is over, and the minutes of grace."""
    ago = datetime.now(UTC) - timedelta(minutes=10)
    with database.transaction() as session:
        session.execute(sa.update(PaymentAttempt).values(expires_at=ago))


def events() -> list[str]:
    with database.reading() as session:
        return list(session.scalars(sa.select(SecurityEvent.kind)))


def test_a_second_success_of_which_nobody_tells_goes_back(
    till: Till, post: Post, name: str
) -> None:
    order = till.order(2500)
    shown = ask(post, order, name)
    pay_by_wechat(till, order)
    press(go(shown))
    till.channel.next_notice()  # never delivered

    assert till.run_jobs(QUERY) == ["done", "done"]

    page, kept = till.attempts(order)
    assert (page.state, kept.state) == (AttemptState.succeeded_late, AttemptState.succeeded)
    assert events() == ["payment_late"]
    till.run_jobs("payments.refund")
    till.channel.world.clock.advance(2)
    assert tell(till, till.channel.next_notice()).status_code == 200
    [refund] = till.refunds(order)
    assert (refund.attempt_id, refund.amount_fen, refund.state) == (
        page.id,
        2500,
        RefundState.succeeded,
    )
    assert till.read(order).payment_state is PaymentState.paid
    assert sum(fen for _, fen in till.ledger()) == 0


def test_nobody_pays_and_the_questions_end_with_the_page_s_time(
    till: Till, post: Post, name: str
) -> None:
    order = till.order(2500)
    ask(post, order, name)
    pay_by_wechat(till, order)

    assert till.run_jobs(QUERY) == ["later", "done"]
    assert till.queued().count(QUERY) == 1
    run_out(till)
    assert till.run_jobs(QUERY) == ["done"]
    assert QUERY not in till.queued()
    assert [one.state for one in till.attempts(order)] == [
        AttemptState.closed,
        AttemptState.succeeded,
    ]


def test_alipay_closes_it_as_soon_as_somebody_has_come(till: Till, post: Post) -> None:
    order = till.order(2500)
    shown = ask(post, order, "alipay")
    pay_by_wechat(till, order)
    page = go(shown)

    assert till.run_jobs(QUERY) == ["done", "done"]

    assert "交易已经关闭" in requests.get(page.url, timeout=10).text
    assert QUERY not in till.queued()


def test_a_page_on_which_a_card_failed_may_be_paid_with_another(till: Till, post: Post) -> None:
    order = till.order(2500)
    page = go(ask(post, order, "unionpay"))
    [move] = till.channel.world.moves.moves.values()
    assert moves.pay(till.channel.world, move, code=FAILED)
    assert till.run_jobs(QUERY) == ["later"]
    assert till.attempts(order)[0].state is AttemptState.failed
    pay_by_wechat(till, order)
    press(page)
    till.channel.next_notice()  # never delivered

    assert till.run_jobs(QUERY) == ["done", "done"]

    assert till.attempts(order)[0].state is AttemptState.succeeded_late
    assert events() == ["payment_late"]


def test_what_wechat_closed_is_asked_after_no_more(till: Till, post: Post) -> None:
    order = till.order(2500)
    till.open(order)
    go(ask(post, order, "unionpay"))
    till.channel.fault(api="pay.*", kind="drop_before", times=None)  # whoever asks hears nothing

    assert till.run_jobs(QUERY) == ["done", "later"]
    assert [one.state for one in till.attempts(order)] == [
        AttemptState.closed,
        AttemptState.pending,
    ]
