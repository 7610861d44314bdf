"""WeChat Pay does what it was asked and the answer is lost: no double charge, no double refund."""

import pytest
from sqlalchemy import select

from core.outbox import JobState, OutboxJob
from orders.models import PaymentState
from payments.models import AttemptState, Refund, RefundState
from scripts.player import Person
from tests.faults.world import World, attempts_of, fetch, get_order, postings_of, wait

pytestmark = [pytest.mark.faults, pytest.mark.mariadb]

LATER = 7_200  # seconds by which a notice is late: nothing here waits for it


def test_a_prepay_without_answer_is_asked_for_again_under_its_number(world: World) -> None:
    guest = world.guest("林断线")
    no = guest.order(world.cup(guest))["no"]
    world.fault("pay.prepay", "drop_after")

    refused = guest.request("POST", f"orders/{no}/payment", json={"channel": "wechat"})
    assert refused.status_code == 503
    assert int(refused.headers["Retry-After"]) > 0
    assert refused.json()["code"] == "wechat_unavailable"
    (attempt,) = attempts_of(no)
    assert (attempt.state, attempt.opening) == (AttemptState.created, None)

    guest.pay(no)
    guest.wait_paid(no, seconds=60)

    (attempt,) = attempts_of(no)
    assert attempt.state is AttemptState.succeeded
    (known,) = orders_of(world, guest)
    assert (known["out_trade_no"], known["state"]) == (attempt.out_trade_no, "SUCCESS")
    assert postings_of(get_order(no)) == {f"payment:{attempt.id}": 0}


def test_a_refund_without_answer_happens_once_and_is_settled_by_asking(world: World) -> None:
    guest, console = world.guest("周断线"), world.console()
    no = guest.order(world.cup(guest))["no"]
    guest.pay(no)
    paid_fen = guest.wait_paid(no, seconds=60)["paid_fen"]
    world.fault("pay.refund", "drop_after")
    world.fault("pay.notify", "delay", seconds=LATER, times=None)

    owner = next(s for s in world.tree.data["staff"] if s["username"] == "owner")
    console.get(f"orders/{no}/refund")
    console.post(
        f"orders/{no}/refund",
        amount=f"{paid_fen / 100:.2f}",
        reason="做错了",
        password=owner["password"],
        key="one-click",
    )
    wait(lambda: refunds_of(world, guest), "the refund at the channel")
    (refund,) = refunds_at_home(no)
    job = select(OutboxJob).where(OutboxJob.key == f"payments.refund:{refund.id}")
    wait(lambda: fetch(job)[0].state is JobState.waiting, "the job to wait for another try")
    assert get_order(no).payment_state is PaymentState.paid
    world.sandbox.advance(31)

    wait(lambda: get_order(no).payment_state is PaymentState.refunded, "the refund to be settled")
    (refund,) = refunds_at_home(no)
    assert (refund.state, refund.amount_fen) == (RefundState.succeeded, paid_fen)
    (known,) = refunds_of(world, guest)
    assert (known["out_refund_no"], known["refund_fen"]) == (refund.out_refund_no, paid_fen)
    assert world.notices_of(known["out_trade_no"], "REFUND.SUCCESS")[0]["tries"] == 0
    (attempt,) = attempts_of(no)
    assert postings_of(get_order(no)) == {f"payment:{attempt.id}": 0, f"refund:{refund.id}": 0}
    assert guest.call("GET", "me")["points_pending"] == 0


def refunds_at_home(no: str) -> list[Refund]:
    return fetch(select(Refund).where(Refund.order_id == get_order(no).id))


def orders_of(world: World, guest: Person) -> list[dict[str, object]]:
    openid = guest.chat(guest.mini)["openid"]
    return [o for o in world.sandbox.get("state")["orders"] if o["openid"] == openid]


def refunds_of(world: World, guest: Person) -> list[dict[str, object]]:
    numbers = {order["out_trade_no"] for order in orders_of(world, guest)}
    return [r for r in world.sandbox.get("state")["refunds"] if r["out_trade_no"] in numbers]
