"""What the fault tests of money look at: here, at the channel, and whether the two agree."""

from typing import Any

from sqlalchemy import func, select

from core.database import Base, reading
from core.inbox import InboundEvent
from crm.models import Purchase
from orders.models import Order, PaymentState
from payments import ledger
from payments.models import AttemptState, Bill, BillState, PaymentAttempt, Refund
from scripts.player import Person
from tests.faults.world import World, attempts_of, fetch, get_order, postings_of, wait

LATER = 7_200  # seconds by which a notice is late: nothing waits for it
Row = dict[str, Any]


def placed(world: World, guest: Person) -> str:
    """The number of a fresh order of one cup."""
    return str(guest.order(world.cup(guest))["no"])


def paid(world: World, guest: Person) -> str:
    no = placed(world, guest)
    guest.pay(no)
    guest.wait_paid(no, seconds=60)
    return no


def refund(world: World, no: str) -> None:
    """The owner gives the whole of an order back, as the console does it."""
    console = world.console()
    owner = next(s for s in world.tree.data["staff"] if s["username"] == "owner")
    console.get(f"orders/{no}/refund")
    amount = f"{get_order(no).paid_fen / 100:.2f}"
    form = {
        "amount": amount,
        "reason": "做错了",
        "password": owner["password"],
        "key": f"refund-{no}",
    }
    console.post(f"orders/{no}/refund", **form)


def wait_state(no: str, state: PaymentState) -> None:
    wait(lambda: get_order(no).payment_state is state, f"the order to be {state}")


# — at the channel —————————————————————————————————————————————————————————————————————————————————


def orders_there(world: World, guest: Person) -> list[Row]:
    openid = guest.chat(guest.mini)["openid"]
    return [row for row in world.sandbox.get("state")["orders"] if row["openid"] == openid]


def refunds_there(world: World, guest: Person) -> list[Row]:
    numbers = {row["out_trade_no"] for row in orders_there(world, guest)}
    return [row for row in world.sandbox.get("state")["refunds"] if row["out_trade_no"] in numbers]


def mark(world: World) -> int:
    """Where the feed is now: `world.calls(…, after=mark)` are the calls that come later."""
    events = world.sandbox.get("feed")["events"]
    return max((int(event["id"]) for event in events), default=0)


def wait_call(world: World, api: str, after: int) -> None:
    wait(lambda: world.calls(api, after=after), f"the call {api}")


# — here ———————————————————————————————————————————————————————————————————————————————————————————


def refunds_of(no: str) -> list[Refund]:
    return fetch(select(Refund).where(Refund.order_id == get_order(no).id).order_by(Refund.id))


def bills_of(no: str) -> list[BillState]:
    return fetch(select(Bill.state).where(Bill.order_id == get_order(no).id).order_by(Bill.id))


def events_of(out_trade_no: str, world: World) -> list[InboundEvent]:
    ids = [
        notice["id"]
        for notice in world.sandbox.get("state")["notices"]
        if notice["plain"].get("out_trade_no") == out_trade_no
    ]
    return fetch(select(InboundEvent).where(InboundEvent.external_id.in_(ids)))


def count(table: type[Base], *where: Any) -> int:
    return int(fetch(select(func.count()).select_from(table).where(*where))[0])


def assert_paid_once(no: str) -> PaymentAttempt:
    """One attempt that succeeded, one posting, one purchase, and the books agree."""
    order = get_order(no)
    assert (order.payment_state, order.paid_fen) == (PaymentState.paid, order.payable_fen)
    (attempt,) = attempts_of(no)
    assert attempt.state is AttemptState.succeeded
    assert postings_of(order) == {f"payment:{attempt.id}": 0}
    assert count(Purchase, Purchase.order_id == order.id) == 1
    assert_balanced(order)
    return attempt


def assert_refunded_once(world: World, guest: Person, no: str) -> None:
    """One refund here and there, of the whole amount, under one number."""
    order = get_order(no)
    (here,) = refunds_of(no)
    (there,) = refunds_there(world, guest)
    assert (there["out_refund_no"], there["refund_fen"]) == (here.out_refund_no, here.amount_fen)
    assert order.refunded_fen == order.paid_fen == here.amount_fen
    (attempt,) = attempts_of(no)
    assert postings_of(order) == {f"payment:{attempt.id}": 0, f"refund:{here.id}": 0}
    assert_balanced(order)


def assert_balanced(order: Order) -> None:
    with reading() as session:
        assert ledger.list_unbalanced(session, range(order.id, order.id + 1)) == []
