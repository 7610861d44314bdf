"""Money goes back: whole or in part, never more than came, under one number until it ends."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from core import database
from core.audit import AuditEntry
from core.security_events import SecurityEvent
from coupons import locking
from coupons.models import Coupon, CouponState
from crm.models import Member
from merchants.models import Merchant
from orders.errors import WrongState
from orders.models import Order, OrderState, PaymentState
from payments import queries, refunding, remote
from payments.asks import asked_of, refund_of
from payments.errors import (
    BillNotFound,
    NothingToRefund,
    RefundAmountInvalid,
    RefundTooMuch,
)
from payments.models import AttemptState, BillState, Refund, RefundState
from tests.conftest import NOW
from tests.factories.coupons import make_coupon, make_template
from tests.payments.conftest import MCHID, Till
from tests.racing import race, refusals


def now() -> datetime:
    return datetime.now(UTC)


def paid_order(till: Till, fen: int = 2500) -> Order:
    order = till.order(fen)
    sheet = till.open(order)
    till.channel.pay(sheet)
    assert till.deliver(till.channel.next_notice()) == 204
    return till.read(order)


def request(order: Order, fen: int, reason: str = "缺货") -> Refund:
    with database.transaction() as session:
        return refunding.request(
            session, session.get_one(Order, order.id), fen, reason, "staff:7", now()
        )


def test_a_full_refund_with_its_notice(till: Till) -> None:
    order = paid_order(till)
    refund = request(order, 2500)

    assert till.run_jobs("payments.refund") == ["done"]
    assert till.refunds(order)[0].state is RefundState.processing
    assert till.read(order).payment_state is PaymentState.paid
    till.channel.decide_refund(refund.out_refund_no, "SUCCESS")
    notice = till.channel.next_notice()

    assert [till.deliver(notice), till.deliver(notice)] == [204, 204]

    refunded, [row] = till.read(order), till.refunds(order)
    assert (refunded.payment_state, refunded.refunded_fen) == (PaymentState.refunded, 2500)
    assert (row.state, row.amount_fen, row.actor) == (RefundState.succeeded, 2500, "staff:7")
    assert row.refund_id is not None
    assert till.ledger() == [
        ("channel", 2500),
        ("sales", -2500),
        ("channel", -2500),
        ("sales", 2500),
    ]
    with database.reading() as session:
        [entry] = session.scalars(
            select(AuditEntry).where(AuditEntry.action == "refund.request")
        ).all()
    assert (entry.actor, entry.reason, entry.after) == (
        "staff:7",
        "缺货",
        {"out_refund_no": refund.out_refund_no, "amount_fen": 2500},
    )


def test_parts_never_exceed_the_whole(till: Till) -> None:
    order = paid_order(till)

    request(order, 1000)
    request(order, 1500)
    for fen in (1, 2500):
        with pytest.raises(RefundTooMuch) as refusal:
            request(order, fen)
        assert refusal.value.extra == {"refundable_fen": 0}

    assert till.run_jobs("payments.refund") == ["done", "done"]
    seen = []
    for refund in till.refunds(order):
        till.channel.decide_refund(refund.out_refund_no, "SUCCESS")
        till.deliver(till.channel.next_notice())
        seen.append((till.read(order).payment_state, till.read(order).refunded_fen))
    assert seen == [(PaymentState.part_refunded, 1000), (PaymentState.refunded, 2500)]


def test_racing_requests_take_the_money_once(till: Till) -> None:
    order = paid_order(till)

    results = race(till.app, 8, lambda _: request(order, 2000))

    assert refusals(results) == [RefundTooMuch.code] * 7
    assert [refund.amount_fen for refund in till.refunds(order)] == [2000]


def test_what_cannot_be_refunded(till: Till) -> None:
    unpaid, free, paid = till.order(), till.order(0), paid_order(till)

    for order, fen, refusal in (
        (unpaid, 100, NothingToRefund),
        (free, 1, NothingToRefund),
        (paid, 0, RefundAmountInvalid),
        (paid, -5, RefundAmountInvalid),
        (paid, 2501, RefundTooMuch),
    ):
        with pytest.raises(refusal):
            request(order, fen)
    with pytest.raises(BillNotFound), database.transaction() as session:
        queries.lock_bills_of(session, 10**9)

    assert till.refunds(unpaid) + till.refunds(free) + till.refunds(paid) == []


def test_a_lost_refund_answer_is_asked_for_again_under_the_same_number(till: Till) -> None:
    order = paid_order(till)
    refund = request(order, 2500)
    till.channel.fault(api="pay.refund", kind="drop_after")

    assert till.run_jobs("payments.refund") == ["later"]
    assert till.refunds(order)[0].state is RefundState.requested
    assert till.run_jobs("payments.refund") == ["done"]

    [row] = till.refunds(order)
    assert (row.out_refund_no, row.state) == (refund.out_refund_no, RefundState.processing)
    assert len(till.channel.world.ledger.refunds) == 1


@pytest.mark.parametrize("code", ["FREQUENCY_LIMITED", "NOT_ENOUGH", "SYSTEM_ERROR"])
def test_a_busy_channel_is_asked_later(till: Till, code: str) -> None:
    order = paid_order(till)
    request(order, 2500)
    status = {"FREQUENCY_LIMITED": 429, "NOT_ENOUGH": 403, "SYSTEM_ERROR": 500}[code]
    till.channel.fault(api="pay.refund", kind="error", status=status, code=code)

    assert till.run_jobs("payments.refund") == ["later"]
    assert till.run_jobs("payments.refund") == ["done"]

    assert till.refunds(order)[0].state is RefundState.processing


def test_a_channel_that_is_out_of_our_money_waits_and_people_are_told_once(till: Till) -> None:
    order = paid_order(till)
    refund = request(order, 2500)
    till.channel.fault(api="pay.refund", kind="error", status=403, code="NOT_ENOUGH", times=2)

    assert [till.run_jobs("payments.refund") for _ in range(2)] == [["later"], ["later"]]

    [row] = till.refunds(order)
    assert (row.out_refund_no, row.state, row.error) == (
        refund.out_refund_no,
        RefundState.requested,
        "NOT_ENOUGH",
    )
    assert till.run_jobs("payments.tell_stuck") == ["done"]
    assert till.run_jobs("payments.refund") == ["done"]
    [row] = till.refunds(order)
    assert (row.state, row.error) == (RefundState.processing, "")


def test_a_lost_refund_notice_is_healed_by_asking(till: Till) -> None:
    order = paid_order(till)
    refund = request(order, 2500)
    till.run_jobs("payments.refund")
    assert till.run_jobs("payments.query_refund") == ["later"]
    till.channel.decide_refund(refund.out_refund_no, "SUCCESS")
    lost = till.channel.next_notice()

    assert till.run_jobs("payments.query_refund") == ["done"]

    assert till.read(order).refunded_fen == 2500
    assert till.deliver(lost) == 204
    assert till.read(order).refunded_fen == 2500


def test_closed_needs_a_new_number(till: Till) -> None:
    order = paid_order(till)
    first = request(order, 2500)
    till.run_jobs("payments.refund")
    till.channel.decide_refund(first.out_refund_no, "CLOSED")
    notice = till.channel.next_notice()

    assert [till.deliver(notice), till.deliver(notice)] == [204, 204]

    dead, fresh = till.refunds(order)
    assert (dead.state, dead.error) == (RefundState.failed, "CLOSED")
    assert (fresh.state, fresh.replaces_id, fresh.amount_fen) == (
        RefundState.requested,
        dead.id,
        2500,
    )
    assert fresh.out_refund_no != dead.out_refund_no
    assert till.attempts(order)[0].refunded_fen == 2500
    with database.reading() as session:
        assert [r.id for r in queries.list_refunds(session, order.id)] == [fresh.id]
    assert till.run_jobs("payments.refund") == ["done"]
    till.channel.decide_refund(fresh.out_refund_no, "SUCCESS")
    till.deliver(till.channel.next_notice())
    assert till.read(order).refunded_fen == 2500


def test_after_a_few_new_numbers_a_human_looks(till: Till) -> None:
    order = paid_order(till)
    request(order, 2500)

    for _ in range(4):
        till.run_jobs("payments.refund")
        till.channel.decide_refund(till.refunds(order)[-1].out_refund_no, "CLOSED")
        till.deliver(till.channel.next_notice())

    assert [refund.error for refund in till.refunds(order)] == ["CLOSED"] * 4
    assert till.attempts(order)[0].refunded_fen == 0
    assert request(order, 2500).state is RefundState.requested


def test_abnormal_holds_the_money_and_may_still_end_well(till: Till) -> None:
    order = paid_order(till)
    refund = request(order, 2500)
    till.run_jobs("payments.refund")
    till.channel.decide_refund(refund.out_refund_no, "ABNORMAL")
    till.deliver(till.channel.next_notice())

    [row] = till.refunds(order)
    assert (row.state, row.error) == (RefundState.failed, "ABNORMAL")
    with pytest.raises(RefundTooMuch):
        request(order, 1)
    till.channel.decide_refund(refund.out_refund_no, "SUCCESS")
    till.deliver(till.channel.next_notice())

    assert till.refunds(order)[0].state is RefundState.succeeded
    assert till.read(order).refunded_fen == 2500


def test_a_refusal_frees_the_money(till: Till) -> None:
    order = paid_order(till)
    request(order, 2500)
    till.channel.fault(api="pay.refund", kind="error", status=403, code="USER_ACCOUNT_ABNORMAL")

    assert till.run_jobs("payments.refund") == ["done"]

    [row] = till.refunds(order)
    assert (row.state, row.error) == (RefundState.failed, "USER_ACCOUNT_ABNORMAL")
    assert request(order, 2500).state is RefundState.requested


def test_a_refund_does_not_fail_without_its_money_being_free_again(till: Till) -> None:
    order = paid_order(till)
    request(order, 2500)
    till.channel.fault(api="pay.refund", kind="error", status=403, code="USER_ACCOUNT_ABNORMAL")
    with database.transaction() as session:
        session.connection().exec_driver_sql(
            "CREATE TRIGGER kept BEFORE UPDATE ON payment_attempts"
            " WHEN new.refunded_fen < old.refunded_fen BEGIN SELECT RAISE(IGNORE); END"
        )

    assert till.run_jobs("payments.refund") == ["failed"]

    [row] = till.refunds(order)
    assert row.state is not RefundState.failed
    assert till.attempts(order)[0].refunded_fen == 2500


def test_a_refund_report_with_another_amount_changes_nothing(till: Till) -> None:
    order = paid_order(till)
    refund = request(order, 1000)
    till.run_jobs("payments.refund")
    till.channel.decide_refund(refund.out_refund_no, "SUCCESS")
    [attempt] = till.attempts(order)
    report = till.cashier.of("wechat", MCHID).query_refund(
        asked_of(attempt), refund_of(refund, attempt)
    )
    assert report is not None

    outcomes = []
    for wrong in (
        replace(report, refund_fen=999),
        replace(report, total_fen=1000),
        replace(report, out_refund_no="R0"),
    ):
        with database.transaction() as session:
            outcomes.append(refunding.record_result(session, wrong, now()))

    assert outcomes == ["mismatch", "mismatch", "unknown"]
    assert till.refunds(order)[0].state is RefundState.processing
    assert till.read(order).refunded_fen == 0
    assert till.ledger() == [("channel", 2500), ("sales", -2500)]
    with database.reading() as session:
        events = session.execute(select(SecurityEvent.kind, SecurityEvent.merchant_id))
        assert [tuple(event) for event in events] == [("refund_mismatch", order.merchant_id)] * 2


# Cancelling


def cancel(till: Till, order: Order, **values: bool) -> Order:
    return remote.cancel_order(
        till.cashier, order.id, actor="member:1", reason="不想要了", now=now(), **values
    )


def open_sheet(till: Till, order: Order) -> dict[str, str]:
    return till.open(order)


def test_an_unpaid_order_is_closed_at_the_channel_before_it_is_cancelled(till: Till) -> None:
    order = till.order()
    open_sheet(till, order)

    cancelled = cancel(till, order)

    assert cancelled.state is OrderState.cancelled
    [attempt] = till.attempts(order)
    assert (attempt.state, till.bill(order).state) == (AttemptState.closed, BillState.void)
    known = till.asked(attempt)
    assert known is not None
    assert known.state == "CLOSED"
    assert cancel(till, order).state is OrderState.cancelled
    assert till.refunds(order) == []


def test_an_order_without_a_sheet_is_cancelled_without_a_call(till: Till) -> None:
    order = till.order()
    till.channel.fault(api="pay.*", kind="error", times=None)

    assert cancel(till, order).state is OrderState.cancelled
    assert till.bill(order).state is BillState.void


def test_cancelling_finds_a_payment_nobody_told_of_and_refunds_it(till: Till) -> None:
    order = till.order()
    till.channel.pay(open_sheet(till, order))

    cancelled = cancel(till, order)

    assert (cancelled.state, cancelled.payment_state) == (OrderState.cancelled, PaymentState.paid)
    [refund] = till.refunds(order)
    assert (refund.amount_fen, refund.reason) == (2500, "不想要了")
    till.run_jobs("payments.refund")
    till.channel.decide_refund(refund.out_refund_no, "SUCCESS")
    till.deliver(till.channel.next_notice())  # of the payment
    till.deliver(till.channel.next_notice())  # of the refund
    assert till.read(order).payment_state is PaymentState.refunded
    assert till.attempts(order)[0].state is AttemptState.succeeded


def test_expiry_keeps_an_order_that_turns_out_to_be_paid(till: Till) -> None:
    order = till.order()
    till.channel.pay(open_sheet(till, order))

    kept = cancel(till, order, keep_paid=True)

    assert (kept.state, kept.payment_state) == (OrderState.placed, PaymentState.paid)
    assert till.refunds(order) == []


def test_a_paid_order_is_cancelled_with_its_refund(till: Till) -> None:
    order = paid_order(till)
    request(order, 1000)

    cancel(till, order)
    cancel(till, order)

    assert [refund.amount_fen for refund in till.refunds(order)] == [1000, 1500]


def test_an_order_of_nothing_is_given_back_at_once(till: Till) -> None:
    """No channel will report on it, so its coupon and its place in the totals cannot wait."""
    order = till.order(0)
    with database.transaction() as session:
        template = make_template(session, session.get_one(Merchant, order.merchant_id))
        coupon = make_coupon(session, till.member, template)
        locking.lock(session, coupon, order.id, NOW)
        locking.redeem_locked(session, order.id, order.store_id, NOW)

    cancel(till, order)

    ended = till.read(order)
    assert (ended.state, ended.payment_state) == (OrderState.cancelled, PaymentState.refunded)
    assert till.refunds(order) == []
    with database.reading() as session:
        assert session.get_one(Coupon, coupon.id).state is CouponState.issued
        assert session.get_one(Member, till.member.id).orders_count == 0


def test_who_may_not_cancel_changes_nothing(till: Till) -> None:
    order = paid_order(till)

    with pytest.raises(WrongState):
        remote.cancel_order(
            till.cashier,
            order.id,
            actor="member:1",
            reason="",
            now=now(),
            allowed=lambda order: False,
        )

    assert till.read(order).state is OrderState.placed
    assert till.refunds(order) == []


def test_an_attempt_that_cannot_be_closed_now_is_closed_later(till: Till) -> None:
    order = till.order()
    sheet = open_sheet(till, order)
    till.channel.fault(api="pay.close", kind="error")

    assert cancel(till, order).state is OrderState.cancelled

    assert till.attempts(order)[0].state is AttemptState.closed
    till.channel.pay(sheet)  # in between
    assert till.run_jobs("payments.close_attempt") == ["done"]
    assert till.attempts(order)[0].state is AttemptState.succeeded_late
    assert [refund.amount_fen for refund in till.refunds(order)] == [2500]
    assert till.read(order).payment_state is PaymentState.unpaid


def test_a_refund_s_notice_may_come_before_the_payment_s(till: Till) -> None:
    order = till.order()
    till.channel.pay(open_sheet(till, order))
    payment_notice = till.channel.next_notice()
    cancel(till, order)
    till.run_jobs("payments.refund")
    till.channel.decide_refund(till.refunds(order)[0].out_refund_no, "SUCCESS")

    assert till.deliver(till.channel.next_notice()) == 204
    assert till.deliver(payment_notice) == 204

    assert till.read(order).payment_state is PaymentState.refunded
    assert sum(amount for _, amount in till.ledger()) == 0
    assert len(till.ledger()) == 4


def test_an_attempt_that_ran_out_is_closed_by_the_job(till: Till) -> None:
    order = till.order()
    open_sheet(till, order)
    with database.transaction() as session:
        session.merge(till.attempts(order)[0]).expires_at = now() - timedelta(minutes=5)

    assert till.run_jobs("payments.query_pending") == ["done"]

    [attempt] = till.attempts(order)
    assert (attempt.state, attempt.live) == (AttemptState.closed, None)
