"""Notices come many times, too early, too late, in the wrong order: money moves once."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
from sqlalchemy import select

from core.inbox import EventState
from core.outbox import JobState, OutboxJob
from orders.models import OrderState, PaymentState
from payments.models import AttemptState, BillState, RefundState
from tests.faults import money
from tests.faults.world import World, attempts_of, fetch, get_order, postings_of, wait

pytestmark = [pytest.mark.faults, pytest.mark.mariadb]

COPIES = 20


def test_twenty_copies_at_once_pay_once(world: World) -> None:
    guest = world.guest("二十遍")
    no = money.placed(world, guest)
    world.fault("pay.notify", "duplicate", copies=COPIES)

    guest.pay(no)

    guest.wait_paid(no, seconds=60)
    (before,) = attempts_of(no)

    def answers() -> list[int]:
        (notice,) = world.notices_of(before.out_trade_no, "TRANSACTION.SUCCESS")
        return list(notice["statuses"])

    wait(lambda: len(answers()) == COPIES, "all copies to be answered")
    assert answers() == [204] * COPIES
    attempt = money.assert_paid_once(no)
    (event,) = money.events_of(attempt.out_trade_no, world)
    assert (event.state, event.outcome) == (EventState.done, "paid")
    order = get_order(no)
    after_paid = select(OutboxJob).where(OutboxJob.key == f"orders.after_paid:{order.id}")
    wait(lambda: fetch(after_paid)[0].state is JobState.done, "what follows a payment")
    member = guest.call("GET", "me")
    assert member["orders_count"] == 1


def test_a_notice_that_comes_before_the_answer_to_its_prepay(world: World) -> None:
    """The first answer is on its way for seconds; the phone asked again, got one, and paid."""
    guest = world.guest("先到的通知")
    no = money.placed(world, guest)
    world.fault("pay.prepay", "late_answer", seconds=4)
    seen = money.mark(world)

    with ThreadPoolExecutor(1) as pool:
        late = pool.submit(_ask_to_pay, world, no, guest.token)
        money.wait_call(world, "pay.prepay", seen)
        guest.pay(no)
        guest.wait_paid(no, seconds=60)
        assert not late.done(), "the late answer was not late"
        status, code = late.result()

    assert (status, code) == (409, "order_already_paid")
    money.assert_paid_once(no)
    (there,) = money.orders_there(world, guest)
    assert there["state"] == "SUCCESS"


def test_a_payment_after_the_cancellation_goes_back_by_itself(world: World) -> None:
    """The channel could not be told to close, so the sheet on the phone still takes money."""
    guest = world.guest("取消后付款")
    no = money.placed(world, guest)
    sheet = guest.open_sheet(no)
    world.tree.kill("worker-1")  # it would close the payment before the guest pays
    world.fault("pay.close", "error", status=500, code="SYSTEM_ERROR", times=None)
    guest.call("POST", f"orders/{no}/cancel", json={"reason": "不要了"})
    assert get_order(no).state is OrderState.cancelled
    (attempt,) = attempts_of(no)
    assert attempt.state is AttemptState.closed

    guest.act("pay", appid=guest.mini, **sheet)
    wait(lambda: attempts_of(no)[0].state is AttemptState.succeeded_late, "the late payment")
    world.sandbox.delete("faults")
    world.tree.start_worker("worker-1")

    def returned() -> bool:
        return [r.state for r in money.refunds_of(no)] == [RefundState.succeeded]

    wait(returned, "the money to go back")
    order, (attempt,) = get_order(no), attempts_of(no)
    assert (order.state, order.payment_state) == (OrderState.cancelled, PaymentState.unpaid)
    assert (order.paid_fen, order.refunded_fen) == (0, 0)
    (refund,) = money.refunds_of(no)
    assert (refund.amount_fen, attempt.refunded_fen) == (attempt.amount_fen, attempt.amount_fen)
    (there,) = money.refunds_there(world, guest)
    assert (there["out_refund_no"], there["refund_fen"]) == (
        refund.out_refund_no,
        refund.amount_fen,
    )
    assert postings_of(order) == {f"payment:{attempt.id}": 0, f"refund:{refund.id}": 0}
    money.assert_balanced(order)
    assert guest.call("GET", "me")["orders_count"] == 0


def test_the_refunds_notice_comes_before_the_payments(world: World) -> None:
    guest = world.guest("颠倒的通知")
    no = money.placed(world, guest)
    world.fault("pay.notify", "delay", seconds=money.LATER)  # the payment's, not the refund's

    guest.pay(no)
    guest.wait_paid(no, seconds=60)  # by asking
    money.refund(world, no)
    money.wait_state(no, PaymentState.refunded)
    (attempt,) = attempts_of(no)
    (told,) = wait(
        lambda: [
            n for n in world.notices_of(attempt.out_trade_no, "REFUND.SUCCESS") if n["statuses"]
        ],
        "the refund's notice",
    )
    assert world.notices_of(attempt.out_trade_no, "TRANSACTION.SUCCESS")[0]["tries"] == 0
    assert told["statuses"] == [204]

    world.sandbox.advance(money.LATER + 1)
    wait(
        lambda: world.notices_of(attempt.out_trade_no, "TRANSACTION.SUCCESS")[0]["done"],
        "the payment's notice",
    )
    money.assert_refunded_once(world, guest, no)
    assert get_order(no).payment_state is PaymentState.refunded
    assert BillState.paid in money.bills_of(no)
    outcomes = {event.kind: event.outcome for event in money.events_of(attempt.out_trade_no, world)}
    assert outcomes["TRANSACTION.SUCCESS"] == "repeated"


def _ask_to_pay(world: World, no: str, token: str) -> tuple[int, str]:
    url = f"{world.tree.base_url}/api/v1/orders/{no}/payment"
    headers = {"Authorization": f"Bearer {token}"}
    answer = requests.post(url, json={"channel": "wechat"}, headers=headers, timeout=30)
    return answer.status_code, answer.json().get("code", "")
