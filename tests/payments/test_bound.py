"""What a channel says counts for the account that was asked, and for no other of anybody's."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from sqlalchemy import select

from core import config, database
from core.inbox import InboundEvent
from core.outbox import enqueue
from core.security_events import SecurityEvent
from orders.models import Order, PaymentState
from payments import notices, refunding
from payments.asks import asked_of, refund_of
from payments.models import AttemptState, Channel, RefundState
from tests.payments.conftest import MCHID, Till
from tests.payments.test_balance import has, mixed, top_up

STRANGER = "999000000000001"


def now() -> datetime:
    return datetime.now(UTC)


def told_elsewhere(till: Till, number: str, code: str, *, refund: bool) -> str:
    """A notice that UnionPay signed for somebody else's merId, about our number; what became."""
    kind = "04" if refund else "01"
    body = {"orderId": number, "queryId": "Q1", "respCode": code, "txnAmt": "2500"}
    body |= {"currencyCode": "156", "merId": STRANGER, "txnType": kind}
    with database.transaction() as session:
        event, _ = notices.record(
            session,
            Channel.unionpay,
            STRANGER,
            external_id=f"{kind}-Q1-{code}",
            kind=kind,
            body=body,
            now=now(),
        )
        enqueue(session, "payments.act_on_notice", key="told", event_id=event.id)
    assert till.run_jobs("payments.act_on_notice") == ["done"]
    with database.reading() as session:
        return session.scalars(
            select(InboundEvent.outcome).where(InboundEvent.id == event.id)
        ).one()


def noticed() -> list[str]:
    with database.reading() as session:
        return list(session.scalars(select(SecurityEvent.kind)))


def refunded(till: Till) -> tuple[Order, str]:
    order = till.order(2500)
    till.channel.pay(till.open(order))
    till.deliver(till.channel.next_notice())
    with database.transaction() as session:
        found = session.get_one(Order, order.id)
        refunding.request(session, found, 2500, reason="缺货", actor="staff:1", now=now())
    return order, till.refunds(order)[0].out_refund_no


def test_a_refund_is_not_done_because_another_account_says_so(till: Till) -> None:
    order, number = refunded(till)
    before = till.ledger()

    assert told_elsewhere(till, number, "00", refund=True) == "mismatch"

    assert noticed() == ["refund_mismatch"]
    assert till.refunds(order)[0].state is RefundState.requested
    assert (till.read(order).payment_state, till.ledger()) == (PaymentState.paid, before)
    # The channel that took the money is asked all the same, and its own word counts.
    assert till.run_jobs("payments.refund") == ["done"]
    till.channel.decide_refund(number, "SUCCESS")
    till.deliver(till.channel.next_notice())
    assert till.read(order).payment_state is PaymentState.refunded


def test_a_payment_is_not_over_because_another_account_says_so(till: Till) -> None:
    top_up(till)
    order = till.order(2500)
    sheet = till.open(order, mixed(till))
    [attempt] = till.attempts(order)
    frozen = has(till)

    assert told_elsewhere(till, attempt.out_trade_no, "01", refund=False) == "mismatch"

    assert noticed() == ["payment_mismatch"]
    assert till.attempts(order)[0].state is attempt.state
    assert has(till) == frozen
    till.channel.pay(sheet)
    till.deliver(till.channel.next_notice())
    assert [one.state for one in till.attempts(order)] == [AttemptState.succeeded]
    assert till.read(order).payment_state is PaymentState.paid


def test_no_two_channels_share_a_number(till: Till) -> None:
    raw = config.current_config().model_dump()
    raw["alipay"]["accounts"][0]["app_id"] = MCHID
    with pytest.raises(config.ConfigError, match="under two payment channels"):
        config.parse(raw)


def test_wechat_s_answer_about_a_refund_is_the_account_s_that_asked(till: Till) -> None:
    order, _ = refunded(till)
    assert till.run_jobs("payments.refund") == ["done"]
    [attempt], [refund] = till.attempts(order), till.refunds(order)
    said = till.cashier.of("wechat", MCHID).query_refund(
        asked_of(attempt), refund_of(refund, attempt)
    )
    assert said is not None
    assert said.account == MCHID

    with database.transaction() as session:
        elsewhere = replace(said, account=STRANGER, state="SUCCESS")
        assert refunding.record_result(session, elsewhere, now()) == "mismatch"
        nobody = replace(said, account="", state="SUCCESS")
        assert refunding.record_result(session, nobody, now()) == "mismatch"
    assert till.refunds(order)[0].state is RefundState.processing
