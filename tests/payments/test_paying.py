"""A bill is paid: once, by what was asked for, and late money goes back by itself."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from core import database
from core.security_events import SecurityEvent
from gateways.pay.records import Transaction
from gateways.wechat.errors import PayError, WechatUnavailable
from orders.models import Order, OrderState, PaymentState
from payments import attempts, billing, settling
from payments.asks import ask_of, asked_of
from payments.attempts import Means
from payments.errors import AlreadyPaid, NotPayable, OrderExpired
from payments.models import AttemptState, BillState, Channel, RefundState
from payments.settling import Settlement
from sandbox.people import openid_of
from tests.payments.conftest import MCHID, MINI, Till


def now() -> datetime:
    return datetime.now(UTC)


def open_sheet(till: Till, order: Order, means: Means | None = None) -> dict[str, str]:
    return till.open(order, means)


def paid_transaction(till: Till, order: Order) -> Transaction:
    [attempt] = till.attempts(order)
    return till.asked(attempt)


def settle(transaction: Transaction) -> Settlement:
    with database.transaction() as session:
        return settling.settle(session, transaction, now())


def test_an_order_is_paid_by_its_notice(till: Till) -> None:
    order = till.order(2500)
    till.channel.pay(open_sheet(till, order))

    status = till.deliver(till.channel.next_notice())

    assert status == 204
    paid, bill, [attempt] = till.read(order), till.bill(order), till.attempts(order)
    assert (paid.state, paid.payment_state, paid.paid_fen) == (
        OrderState.placed,
        PaymentState.paid,
        2500,
    )
    assert bill.state is BillState.paid
    assert (attempt.state, attempt.live, attempt.amount_fen) == (
        AttemptState.succeeded,
        True,
        2500,
    )
    assert attempt.transaction_id is not None
    assert till.ledger() == [("channel", 2500), ("sales", -2500)]
    assert till.queued().count("orders.after_paid") == 1


def test_twenty_copies_of_a_notice_pay_once(till: Till) -> None:
    order = till.order(2500)
    till.channel.pay(open_sheet(till, order))
    notice = till.channel.next_notice()

    with ThreadPoolExecutor(20) as pool:
        statuses = list(pool.map(till.deliver, [notice] * 20))

    assert statuses == [204] * 20
    assert till.read(order).paid_fen == 2500
    assert till.ledger() == [("channel", 2500), ("sales", -2500)]
    assert till.queued().count("orders.after_paid") == 1


def test_the_payment_number_carries_the_day_of_the_store(till: Till) -> None:
    half_past_two = datetime(2026, 11, 22, 18, 30, tzinfo=UTC)  # on the 23rd, in Shanghai
    order = till.order(2500, expires_at=half_past_two + timedelta(minutes=15))

    with database.transaction() as session:
        kept = session.get_one(Order, order.id)
        attempt, _ = attempts.start(session, kept, till.means, now=half_past_two)

    assert attempt.out_trade_no[:9] == "P20261123"


def test_the_notice_comes_before_the_prepay_is_recorded(till: Till) -> None:
    order = till.order(2500)
    with database.transaction() as session:
        attempt, step = attempts.start(
            session, session.get_one(Order, order.id), till.means, now=now()
        )
    opening = till.cashier.of("wechat", MCHID).open(ask_of(attempt, "青禾茶铺"), now())
    till.channel.pay(dict(opening.params))
    till.deliver(till.channel.next_notice())

    with database.transaction() as session:
        recorded = attempts.record_opening(session, attempt.id, opening)

    assert step is attempts.Step.open
    assert (recorded.state, recorded.opening) == (AttemptState.succeeded, None)
    assert till.read(order).payment_state is PaymentState.paid


@pytest.mark.parametrize(
    "wrong",
    [
        {"amount_fen": 2499},
        {"amount_fen": None},
        {"currency": "USD"},
        {"account": "1900000000"},
        {"appid": "wx0000000000000000"},
    ],
)
def test_a_report_that_differs_from_what_was_asked_changes_nothing(
    till: Till, wrong: dict[str, object]
) -> None:
    order = till.order(2500)
    till.channel.pay(open_sheet(till, order))
    report = paid_transaction(till, order)
    before = till.queued()

    outcome = settle(replace(report, **wrong))

    assert outcome is Settlement.mismatch
    assert till.read(order).payment_state is PaymentState.unpaid
    assert till.bill(order).state is BillState.open
    assert till.attempts(order)[0].state is AttemptState.pending
    assert till.ledger() == []
    assert till.queued() == before
    with database.reading() as session:
        event = session.scalars(select(SecurityEvent)).one()
    assert (event.kind, event.merchant_id) == ("payment_mismatch", order.merchant_id)


def test_a_report_of_an_unknown_number_changes_nothing(till: Till) -> None:
    order = till.order(2500)
    till.channel.pay(open_sheet(till, order))
    report = paid_transaction(till, order)

    assert settle(replace(report, out_trade_no="P0")) is Settlement.unknown
    assert till.ledger() == []


def test_a_lost_notice_is_healed_by_asking(till: Till) -> None:
    order = till.order(2500)
    sheet = open_sheet(till, order)
    assert till.run_jobs("payments.query_pending") == ["later"]
    till.channel.pay(sheet)
    lost = till.channel.next_notice()

    assert till.run_jobs("payments.query_pending") == ["done"]

    assert till.read(order).payment_state is PaymentState.paid
    assert till.deliver(lost) == 204
    assert till.ledger() == [("channel", 2500), ("sales", -2500)]


def test_a_payment_after_the_order_was_cancelled_goes_back_by_itself(till: Till) -> None:
    order = till.order(2500)
    till.channel.pay(open_sheet(till, order))
    notice = till.channel.next_notice()
    with database.transaction() as session:  # cancelled without asking: a crash, a bug, a race
        bill = till.bill(order)
        billing.void_bill(session, bill)
        session.get_one(Order, order.id).state = OrderState.cancelled

    assert [till.deliver(notice), till.deliver(notice)] == [204, 204]

    [attempt], [refund] = till.attempts(order), till.refunds(order)
    assert (attempt.state, attempt.live) == (AttemptState.succeeded_late, None)
    assert (refund.amount_fen, refund.state, refund.actor) == (
        2500,
        RefundState.requested,
        "system",
    )
    assert till.read(order).payment_state is PaymentState.unpaid
    assert till.run_jobs("payments.refund") == ["done"]
    till.channel.decide_refund(refund.out_refund_no, "SUCCESS")
    assert till.deliver(till.channel.next_notice()) == 204
    assert till.refunds(order)[0].state is RefundState.succeeded
    assert till.read(order).refunded_fen == 0
    assert till.ledger() == [
        ("channel", 2500),
        ("unclaimed", -2500),
        ("channel", -2500),
        ("unclaimed", 2500),
    ]


def test_a_success_of_a_closed_attempt_is_late(till: Till) -> None:
    order = till.order(2500)
    till.channel.pay(open_sheet(till, order))
    report = paid_transaction(till, order)
    with database.transaction() as session:
        assert attempts.end(session, till.attempts(order)[0].id, AttemptState.closed, now=now())

    assert [settle(report), settle(report)] == [Settlement.late, Settlement.repeated]

    assert len(till.refunds(order)) == 1
    assert till.bill(order).state is BillState.open
    with database.reading() as session:
        event = session.scalars(select(SecurityEvent)).one()
    assert (event.kind, event.merchant_id) == ("payment_late", order.merchant_id)


def test_an_order_of_nothing_is_settled_while_it_is_placed(till: Till) -> None:
    order = till.order(0)

    [attempt] = till.attempts(order)
    assert (attempt.channel, attempt.state, attempt.amount_fen) == (
        Channel.none,
        AttemptState.succeeded,
        0,
    )
    assert till.read(order).payment_state is PaymentState.paid
    assert till.bill(order).state is BillState.paid
    assert till.ledger() == []
    with database.transaction() as session:
        again = session.get_one(Order, order.id)
        settling.settle_free(session, again, now=now())
        billing.open_bill(session, again)
    assert len(till.attempts(order)) == 1
    assert till.queued().count("orders.after_paid") == 1
    with pytest.raises(AlreadyPaid):
        open_sheet(till, order)


def test_a_bill_with_an_amount_never_settles_by_itself(till: Till) -> None:
    order = till.order(1)

    with pytest.raises(ValueError), database.transaction() as session:
        settling.settle_free(session, session.get_one(Order, order.id), now=now())

    assert till.bill(order).state is BillState.open


# The sheet


def test_the_same_payer_gets_the_same_prepay_while_it_is_fresh(till: Till) -> None:
    order = till.order()

    first, second = open_sheet(till, order), open_sheet(till, order)

    assert first["package"] == second["package"]
    assert first["nonceStr"] != second["nonceStr"]
    assert len(till.attempts(order)) == 1


def test_a_stale_prepay_is_asked_for_again_under_the_same_number(till: Till) -> None:
    order = till.order()
    first = open_sheet(till, order)
    with database.transaction() as session:
        attempt = session.merge(till.attempts(order)[0])
        attempt.fresh_until = now() - timedelta(seconds=1)

    second = open_sheet(till, order)

    assert first["package"] != second["package"]
    assert len(till.attempts(order)) == 1


def test_another_payer_s_attempt_is_closed_at_the_channel_first(till: Till) -> None:
    order = till.order()
    first = open_sheet(till, order)
    other = replace(till.means, payer=openid_of(MINI, "xiaozhou"))

    remote_openid = open_sheet(till, order, other)

    old, new = till.attempts(order)
    assert (old.state, old.live) == (AttemptState.closed, None)
    assert (new.state, new.live, new.payer) == (AttemptState.pending, True, other.payer)
    assert remote_openid["package"] != first["package"]
    assert till.asked(old).state == "CLOSED"


def test_another_payer_is_told_when_the_first_has_paid(till: Till) -> None:
    order = till.order()
    till.channel.pay(open_sheet(till, order))

    with pytest.raises(AlreadyPaid):
        open_sheet(till, order, replace(till.means, payer=openid_of(MINI, "xiaozhou")))

    assert till.read(order).payment_state is PaymentState.paid
    assert len(till.attempts(order)) == 1


def test_a_lost_prepay_answer_is_repaired_under_the_same_number(till: Till) -> None:
    order = till.order()
    till.channel.fault(api="pay.prepay", kind="drop_after")

    with pytest.raises(WechatUnavailable):
        open_sheet(till, order)
    [attempt] = till.attempts(order)
    assert (attempt.state, attempt.opening) == (AttemptState.created, None)
    till.channel.pay(open_sheet(till, order))
    till.deliver(till.channel.next_notice())

    assert len(till.attempts(order)) == 1
    assert till.read(order).paid_fen == order.payable_fen


def test_a_prepay_answer_with_a_wrong_signature_is_not_believed(till: Till) -> None:
    order = till.order()
    till.channel.fault(api="pay.prepay", kind="wrong_signature")

    with pytest.raises(WechatUnavailable):
        open_sheet(till, order)

    assert till.attempts(order)[0].opening is None


def test_a_number_closed_at_the_channel_is_replaced(till: Till) -> None:
    order = till.order()
    open_sheet(till, order)
    [attempt] = till.attempts(order)
    till.cashier.of("wechat", MCHID).close(asked_of(attempt))
    with database.transaction() as session:
        session.merge(attempt).fresh_until = now() - timedelta(seconds=1)

    till.channel.pay(open_sheet(till, order))
    till.deliver(till.channel.next_notice())

    old, new = till.attempts(order)
    assert (old.state, new.state) == (AttemptState.closed, AttemptState.succeeded)


def test_a_payer_whom_the_channel_refuses_leaves_the_bill_open(till: Till) -> None:
    order = till.order()

    with pytest.raises(PayError):
        open_sheet(till, order, replace(till.means, payer="oMini_nobody"))
    open_sheet(till, order)

    refused, live = till.attempts(order)
    assert (refused.state, refused.live) == (AttemptState.failed, None)
    assert (live.state, live.live) == (AttemptState.pending, True)


def test_what_cannot_be_paid_is_refused(till: Till) -> None:
    expired = till.order(expires_at=now() - timedelta(seconds=1))
    cancelled = till.order()
    with database.transaction() as session:
        billing.void_bill(session, till.bill(cancelled))
    paid = till.order()
    till.channel.pay(open_sheet(till, paid))
    till.deliver(till.channel.next_notice())

    for order, refusal in ((expired, OrderExpired), (cancelled, NotPayable), (paid, AlreadyPaid)):
        with pytest.raises(refusal):
            open_sheet(till, order)
    assert till.attempts(expired) == []
    assert till.attempts(cancelled) == []


def test_parallel_sheets_share_one_attempt(till: Till) -> None:
    order = till.order()

    def one(_: int) -> str:
        with till.app.app_context():
            return open_sheet(till, order)["signType"]

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(one, range(8))) == ["RSA"] * 8

    assert len(till.attempts(order)) == 1
