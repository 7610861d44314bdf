"""Whatever is paid and refunded in whatever order: every cause sums to zero, and so does all."""

from collections import defaultdict
from datetime import UTC, datetime

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select
from sqlalchemy.orm import Session

from core.numbers import random_code
from gateways.pay.records import RefundResult, Transaction, Way
from orders.models import Order, OrderState
from payments import accounts, billing, ledger, queries, refunding, settling
from payments.attempts import Means, start
from payments.errors import NothingToRefund, RefundTooMuch
from payments.models import Channel, LedgerEntry, PaymentAttempt, Refund, RefundState
from tests.conftest import NOW
from tests.factories.crm import make_member
from tests.factories.merchants import make_merchant, make_store
from tests.factories.orders import make_order

MCHID, APPID = "1900006789", "wxa41f0c6d8e2b7593"
MEANS = Means(Channel.wechat, Way.mini, MCHID, APPID, "openid")
AT = datetime(2026, 11, 22, 4, 1, tzinfo=UTC)

steps = st.lists(
    st.tuples(
        st.sampled_from(["pay", "cancel", "refund", "succeed", "close"]), st.integers(1, 3000)
    ),
    max_size=12,
)


@settings(
    deadline=None,
    max_examples=40,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(amount=st.integers(1, 3000), steps=steps)
def test_any_history_balances(
    app: Flask, session: Session, amount: int, steps: list[tuple[str, int]]
) -> None:
    store = make_store(session, make_merchant(session))
    member = make_member(session)
    order = make_order(session, member, store, payable_fen=amount, placed_at=NOW)
    billing.open_bill(session, order)
    attempt, _ = start(session, order, MEANS, now=NOW)

    for verb, number in steps:
        play(session, verb, number, order, attempt)

    sums: dict[str, int] = defaultdict(int)
    entries = session.scalars(select(LedgerEntry).where(LedgerEntry.order_id == order.id)).all()
    for entry in entries:
        sums[entry.cause] += entry.amount_fen
    assert set(sums.values()) <= {0}
    session.refresh(attempt)
    assert 0 <= attempt.refunded_fen <= attempt.amount_fen
    back = queries.refunded_fen(session, order.id)
    held = accounts.channel(attempt.channel, attempt.account)
    at_channel = sum(e.amount_fen for e in entries if e.account == held)
    came = attempt.amount_fen if queries.is_paid(attempt) else 0
    assert at_channel == came - back
    assert back <= came
    session.refresh(order)
    assert order.refunded_fen <= order.paid_fen <= order.payable_fen


def play(session: Session, verb: str, number: int, order: Order, attempt: PaymentAttempt) -> None:
    if verb == "pay":
        settling.settle(session, paid(attempt), AT)
    elif verb == "cancel":
        session.refresh(order)
        if order.state is OrderState.placed:
            order.state = OrderState.cancelled
            session.flush()
    elif verb == "refund":
        try:
            refunding.request(session, order, number, "测试", "staff:1", AT)
        except (NothingToRefund, RefundTooMuch):
            return
    else:
        waiting = session.scalars(
            select(Refund).where(
                Refund.order_id == order.id,
                Refund.state.in_((RefundState.requested, RefundState.processing)),
            )
        ).all()
        if waiting:
            chosen = waiting[number % len(waiting)]
            state = "SUCCESS" if verb == "succeed" else "CLOSED"
            refunding.record_result(session, verdict(chosen, attempt, state), AT)


def paid(attempt: PaymentAttempt) -> Transaction:
    return Transaction(
        out_trade_no=attempt.out_trade_no,
        transaction_id=f"42{attempt.id:020}",
        state="SUCCESS",
        amount_fen=attempt.channel_fen,
        currency="CNY",
        account=MCHID,
        appid=APPID,
        payer="openid",
        success_at=AT,
    )


def verdict(refund: Refund, attempt: PaymentAttempt, state: str) -> RefundResult:
    return RefundResult(
        refund.out_refund_no,
        "50" + random_code(8),
        state,
        refund.amount_fen,
        attempt.amount_fen,
        AT,
        attempt.account,
    )


def test_a_cause_posts_once(session: Session) -> None:
    store = make_store(session, make_merchant(session))
    order = make_order(session, make_member(session), store)
    billing.open_bill(session, order)
    attempt, _ = start(session, order, MEANS, now=NOW)
    ledger.post_payment(session, attempt, order, late=False, now=AT)

    with pytest.raises(ledger.LedgerBroken):
        ledger.post_payment(session, attempt, order, late=False, now=AT)

    entries = session.execute(select(LedgerEntry.account, LedgerEntry.amount_fen))
    assert dict(entries.all()) == {
        f"channel:wechat:{MCHID}": 2200,
        f"sales:{order.merchant_id}": -2200,
    }
