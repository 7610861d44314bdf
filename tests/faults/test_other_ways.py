"""Alipay, UnionPay and the payer's code at the counter: whatever dies or is lost, the money moves
once."""

import re
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
from sqlalchemy import select

from core.inbox import InboundEvent
from orders.models import OrderState, PaymentState
from payments.models import AttemptState, RefundState
from scripts.player import Console, Person, option
from tests.faults import money
from tests.faults.test_campaigns import PAST_EVERY_LEASE
from tests.faults.test_payment_killed import HANGING, kill_worker_during
from tests.faults.world import World, attempts_of, fetch, get_order, kill_family, postings_of, wait

pytestmark = [pytest.mark.faults, pytest.mark.mariadb]

COPIES, FEN = 20, 1_234


@pytest.fixture(params=["alipay", "unionpay"])
def channel(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_twenty_copies_of_its_notice_pay_once(world: World, channel: str) -> None:
    guest = world.guest(f"二十遍{channel}")
    no = money.placed(world, guest)
    world.fault(f"{channel}.notify", "duplicate", copies=COPIES)
    seen = money.mark(world)

    guest.pay_on_page(no, channel)

    guest.wait_paid(no, seconds=60)
    wait(lambda: len(world.calls(f"{channel}.notify", after=seen)) == COPIES, "all the copies")
    tags = {call["tag"] for call in world.calls(f"{channel}.notify", after=seen)}
    assert tags == {"已收下"}
    attempt = money.assert_paid_once(no)
    assert attempt.channel.value == channel
    told = select(InboundEvent.body).where(InboundEvent.source.startswith(f"{channel}.pay:"))
    assert sum(attempt.out_trade_no in str(body) for body in fetch(told)) == 1


@pytest.mark.parametrize("how", ["lost", "killed"])
def test_a_refund_there_whose_answer_nobody_heard_happens_once(
    world: World, channel: str, how: str
) -> None:
    guest = world.guest(f"退款{channel}{how}")
    no = money.placed(world, guest)
    guest.pay_on_page(no, channel)
    guest.wait_paid(no, seconds=60)
    world.fault(f"{channel}.notify", "delay", seconds=10 * money.LATER, times=None)
    seen = money.mark(world)

    if how == "lost":
        world.fault(f"{channel}.refund", "drop_after")
        money.refund(world, no)
        money.wait_call(world, f"{channel}.refund", seen)
    else:
        world.fault(f"{channel}.refund", "late_answer", seconds=HANGING)
        kill_worker_during(world, f"{channel}.refund", lambda: money.refund(world, no))
        world.tree.start_worker("worker-1")
    (here,) = money.refunds_of(no)
    assert here.state is RefundState.requested
    world.sandbox.advance(PAST_EVERY_LEASE)

    money.wait_state(no, PaymentState.refunded)
    (attempt,), (here,) = attempts_of(no), money.refunds_of(no)
    assert refunds_there(world, channel, attempt.out_trade_no) == [
        (here.out_refund_no, here.amount_fen)
    ]
    order = get_order(no)
    assert order.refunded_fen == order.paid_fen == here.amount_fen
    assert postings_of(order) == {f"payment:{attempt.id}": 0, f"refund:{here.id}": 0}
    money.assert_balanced(order)


def test_the_web_process_dies_while_a_code_is_charged(world: World) -> None:
    """The number and the job that asks after it were committed before the code was sent."""
    guest, till = world.guest("断在付款码里"), world.console()
    no = collect(till)
    world.fault("pay.micropay", "late_answer", seconds=HANGING)
    seen = money.mark(world)

    with ThreadPoolExecutor(1) as pool:
        charged = pool.submit(till.send, f"collect/{no}/code", code=code_of(guest))
        money.wait_call(world, "pay.micropay", seen)
        kill_family(world.tree, "web")
        assert isinstance(charged.exception(), requests.ConnectionError)
    assert get_order(no).payment_state is PaymentState.unpaid
    world.tree.start_web()
    world.sandbox.advance(6)

    money.wait_state(no, PaymentState.paid)
    (attempt,) = attempts_of(no)
    assert attempt.state is AttemptState.succeeded
    assert postings_of(get_order(no)) == {f"payment:{attempt.id}": 0}
    assert states_there(world, guest) == ["SUCCESS"]


def test_the_worker_dies_while_it_takes_a_code_back(world: World) -> None:
    guest, till = world.guest("断在撤销里"), world.console()
    no = collect(till)
    till.post(f"collect/{no}/code", code=code_of(guest, asks_password=True))
    assert states_there(world, guest) == ["USERPAYING"]
    world.fault("pay.reverse_v2", "late_answer", seconds=HANGING)

    kill_worker_during(world, "pay.reverse_v2", lambda: world.sandbox.advance(40))
    assert attempts_of(no)[0].state is AttemptState.pending
    world.tree.start_worker("worker-1")
    world.sandbox.advance(PAST_EVERY_LEASE)

    wait(lambda: attempts_of(no)[0].state is AttemptState.closed, "the code to be taken back")
    assert states_there(world, guest) == ["REVOKED"]
    till.post(f"collect/{no}/cancel")
    assert get_order(no).state is OrderState.cancelled
    assert postings_of(get_order(no)) == {}


def refunds_there(world: World, channel: str, number: str) -> list[tuple[str, int]]:
    there = world.sandbox.get("state")
    if channel == "alipay":
        trade = next(each for each in there["trades"] if each["out_trade_no"] == number)
        return [(no, int(each["fen"])) for no, each in trade["refunds"].items()]
    paid = next(each for each in there["moves"] if each["order_id"] == number)
    back = (each for each in there["moves"] if each["origin"] == paid["query_id"])
    return [(each["order_id"], each["fen"]) for each in back]


def collect(till: Console) -> str:
    """The number of an order of a sum at the counter."""
    page = till.get("collect/")
    key = re.findall(r'name="key" value="([^"]+)"', page)[0]
    yuan = f"{FEN / 100:.2f}"
    shown = till.send("collect/", amount=yuan, key=key, store=option(page, "store", "静安寺店"))
    return shown.url.rsplit("/", 1)[-1]


def code_of(guest: Person, *, asks_password: bool = False) -> str:
    return str(guest.act("payment-code", asks_password=asks_password)["code"])


def states_there(world: World, guest: Person) -> list[str]:
    return [row["state"] for row in money.orders_there(world, guest)]
