"""A process dies, a server stops, in the middle of a payment or a refund: it happens once."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import requests
from sqlalchemy import select

from core.inbox import EventState
from core.outbox import JobState, OutboxJob
from orders.models import OrderState, PaymentState
from payments.models import AttemptState, BillState, RefundState
from scripts.player import Person
from scripts.tree import free_port
from tests.faults import money
from tests.faults.test_campaigns import PAST_EVERY_LEASE
from tests.faults.world import World, attempts_of, fetch, get_order, kill_family, wait

pytestmark = [pytest.mark.faults, pytest.mark.mariadb]

HANGING = 4  # seconds that an answer is late: less than anybody's patience, more than a kill takes


def test_web_dies_between_keeping_a_notice_and_acting_on_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is kept is swept, and nobody needs WeChat to come again or to be asked."""
    guest = world.guest("断在通知里")
    no = money.placed(world, guest)
    port = free_port()
    with monkeypatch.context() as environment:
        environment.setenv("LINLI_APP__BASE_URL", f"http://127.0.0.1:{port}")
        world.tree.start_web("dying", port, factory="tests.faults.dying:create_app_dying_at_acts")
    there = replace(guest, base_url=f"http://127.0.0.1:{port}")
    sheet = there.open_sheet(no)  # its notices come to the process that will die
    world.fault("pay.query", "error", status=500, code="SYSTEM_ERROR", times=None)

    guest.act("pay", appid=guest.mini, **sheet)

    wait(lambda: world.tree.processes["dying"].poll() is not None, "the process to die")
    (attempt,) = attempts_of(no)
    (event,) = money.events_of(attempt.out_trade_no, world)
    assert event.state is EventState.received
    assert get_order(no).payment_state is PaymentState.unpaid
    assert world.notices_of(attempt.out_trade_no, "TRANSACTION.SUCCESS")[0]["statuses"] == [0]

    world.sandbox.advance(31)  # the sweep of notices that nobody acted upon
    money.wait_state(no, PaymentState.paid)
    money.assert_paid_once(no)


def test_web_dies_while_it_waits_for_the_prepay(world: World) -> None:
    """The number was committed before the call: the next one asks under it."""
    guest = world.guest("断在下单里")
    no = money.placed(world, guest)
    world.fault("pay.prepay", "late_answer", seconds=HANGING)

    seen = money.mark(world)

    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(ask_to_pay, guest, no)
        money.wait_call(world, "pay.prepay", seen)
        kill_family(world.tree, "web")
        assert isinstance(asked.exception(), requests.ConnectionError)
    (attempt,) = attempts_of(no)
    assert attempt.state is AttemptState.created
    world.tree.start_web()

    guest.pay(no)
    guest.wait_paid(no, seconds=60)
    assert money.assert_paid_once(no).out_trade_no == attempt.out_trade_no
    (there,) = money.orders_there(world, guest)
    assert (there["out_trade_no"], there["state"]) == (attempt.out_trade_no, "SUCCESS")


def test_a_worker_dies_while_it_waits_for_a_refund(world: World) -> None:
    guest = world.guest("断在退款里")
    no = money.paid(world, guest)
    world.fault("pay.refund", "late_answer", seconds=HANGING)
    world.fault("pay.notify", "delay", seconds=10 * money.LATER)

    kill_worker_during(world, "pay.refund", lambda: money.refund(world, no))
    (there,) = money.refunds_there(world, guest)
    (here,) = money.refunds_of(no)
    assert (here.state, there["out_refund_no"]) == (RefundState.requested, here.out_refund_no)
    world.tree.start_worker("worker-1")
    world.sandbox.advance(PAST_EVERY_LEASE)

    money.wait_state(no, PaymentState.refunded)
    money.assert_refunded_once(world, guest, no)


def test_a_worker_dies_while_it_asks_for_a_payment(world: World) -> None:
    guest = world.guest("断在查单里")
    no = money.placed(world, guest)
    world.fault("pay.notify", "delay", seconds=10 * money.LATER)
    world.fault("pay.query", "late_answer", seconds=HANGING)

    guest.pay(no)
    kill_worker_during(world, "pay.query", lambda: world.sandbox.advance(11))
    assert get_order(no).payment_state is PaymentState.unpaid
    world.tree.start_worker("worker-1")
    world.sandbox.advance(PAST_EVERY_LEASE)

    money.wait_state(no, PaymentState.paid)
    money.assert_paid_once(no)


def test_a_worker_dies_while_it_closes_a_payment(world: World) -> None:
    """An order whose time is over: closed there, and the worker that asked for it is no more."""
    guest = world.guest("断在关单里")
    no = money.placed(world, guest)
    sheet = guest.open_sheet(no)
    world.fault("pay.close", "late_answer", seconds=HANGING)

    kill_worker_during(world, "pay.close", lambda: world.sandbox.advance(16 * 60))
    assert get_order(no).state is OrderState.placed
    world.tree.start_worker("worker-1")
    world.sandbox.advance(PAST_EVERY_LEASE)

    wait(lambda: get_order(no).state is OrderState.cancelled, "the order to end")
    (attempt,) = attempts_of(no)
    assert attempt.state is AttemptState.closed
    assert money.bills_of(no) == [BillState.void]
    with pytest.raises(AssertionError):
        guest.act("pay", appid=guest.mini, **sheet)
    assert [row["state"] for row in money.orders_there(world, guest)] == ["CLOSED"]
    money.assert_balanced(get_order(no))


def test_a_redis_that_forgets_everything_while_people_pay(world: World) -> None:
    guests = [world.guest(f"忘光{number}") for number in range(3)]
    numbers = [money.placed(world, guest) for guest in guests]
    for guest, no in zip(guests, numbers, strict=True):
        world.redis.flushall()
        guest.pay(no)
        world.redis.flushall()
        guest.wait_paid(no, seconds=60)
    world.redis.flushall()
    world.sandbox.advance(PAST_EVERY_LEASE)

    for no in numbers:
        key = f"orders.after_paid:{get_order(no).id}"
        job = select(OutboxJob.state).where(OutboxJob.key == key)
        wait(lambda job=job: fetch(job) == [JobState.done], "what follows a payment")  # type: ignore[misc]
        money.assert_paid_once(no)
    assert all(guest.call("GET", "me")["orders_count"] == 1 for guest in guests)


def test_a_database_that_stops_while_the_prepay_is_asked_for(world: World) -> None:
    guest = world.guest("停在下单里")
    no = money.placed(world, guest)
    world.fault("pay.prepay", "late_answer", seconds=HANGING)
    seen = money.mark(world)

    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(ask_to_pay, guest, no)
        money.wait_call(world, "pay.prepay", seen)
        world.server.kill()
        status, code = asked.result()
    world.server.start()

    assert (status, code) == (503, "unavailable")
    (attempt,) = attempts_of(no)
    assert attempt.state is AttemptState.created
    guest.pay(no)
    guest.wait_paid(no, seconds=60)
    assert money.assert_paid_once(no).out_trade_no == attempt.out_trade_no
    assert len(money.orders_there(world, guest)) == 1


def test_a_database_that_stops_while_a_refund_is_asked_for(world: World) -> None:
    """The channel did it and nobody could write that down: asked again under the same number."""
    guest = world.guest("停在退款里")
    no = money.paid(world, guest)
    world.fault("pay.refund", "late_answer", seconds=HANGING)
    world.fault("pay.notify", "delay", seconds=10 * money.LATER)
    seen = money.mark(world)

    money.refund(world, no)
    money.wait_call(world, "pay.refund", seen)
    world.server.kill()
    time.sleep(HANGING)  # the answer comes, and there is nobody to tell
    world.server.start()
    (here,) = money.refunds_of(no)
    assert here.state is RefundState.requested
    world.sandbox.advance(PAST_EVERY_LEASE)

    money.wait_state(no, PaymentState.refunded)
    money.assert_refunded_once(world, guest, no)


def kill_worker_during(world: World, api: str, act: Callable[[], object]) -> None:
    """Kill the worker while it waits for the answer to `api`, which `act` brings about."""
    seen = money.mark(world)
    act()
    money.wait_call(world, api, seen)
    world.tree.kill("worker-1")


def ask_to_pay(guest: Person, no: str) -> tuple[int, str]:
    url = f"{guest.base_url}/api/v1/orders/{no}/payment"
    headers = {"Authorization": f"Bearer {guest.token}"}
    answer = requests.post(url, json={"channel": "wechat"}, headers=headers, timeout=30)
    return answer.status_code, answer.json().get("code", "")
