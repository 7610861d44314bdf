"""A web process dies between the commit and the answer, or at any moment: asking again is safe."""

import secrets
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
from sqlalchemy import func, select

from catalogue.models import StockHold
from core.idempotency import IdempotencyRecord
from core.outbox import OutboxJob
from orders.models import Order, OrderLine
from payments.models import Bill
from scripts.player import Person
from scripts.tree import free_port
from tests.faults.world import World, fetch, kill_family

pytestmark = [pytest.mark.faults, pytest.mark.mariadb]

BUYERS = 11
EACH = 3  # as many as one member may leave unpaid


def test_an_order_whose_answer_died_is_the_same_order_when_asked_again(world: World) -> None:
    guest = world.guest("吴断电")
    wanted, key = world.cup(guest), "web-killed-1"
    port = free_port()
    world.tree.start_web("dying", port, factory="tests.faults.dying:create_app")
    there = Person(f"http://127.0.0.1:{port}", *_rest(guest))

    with pytest.raises(requests.ConnectionError):
        headers = {"Idempotency-Key": key, "X-Die-After-This": "yes"}
        there.request("POST", "orders", json=wanted, headers=headers)
    (committed,) = orders_of(guest)

    again = guest.order(wanted, key=key)
    assert again["no"] == committed.no
    assert [order.no for order in orders_of(guest)] == [committed.no]
    assert_whole(committed)


def test_a_storm_of_orders_survives_a_kill_in_its_middle(world: World) -> None:
    guests = [world.guest(f"风暴{number}") for number in range(BUYERS)]
    wanted = world.cup(guests[0])
    asked = [(guest, secrets.token_hex(8)) for guest in guests for _ in range(EACH)]

    def ask(guest: Person, key: str) -> str | None:
        headers = {"Authorization": f"Bearer {guest.token}", "Idempotency-Key": key}
        url = f"{guest.base_url}/api/v1/orders"
        try:
            answer = requests.post(url, json=wanted, headers=headers, timeout=60)
        except requests.RequestException:
            return None
        assert answer.status_code == 201, answer.text
        return str(answer.json()["no"])

    with ThreadPoolExecutor(BUYERS) as pool:
        first = [pool.submit(ask, guest, key) for guest, key in asked]
        next(f for f in first if f.result())  # they are being answered now
        kill_family(world.tree, "web")
        heard = [future.result() for future in first]
        world.tree.start_web()
        second = list(pool.map(lambda each: ask(*each), asked))

    assert None in heard, "the kill came too late"
    assert None not in second
    assert len(set(second)) == len(asked)
    assert all(before in (None, now) for before, now in zip(heard, second, strict=True))
    made = [order for guest in guests for order in orders_of(guest)]
    assert {order.no for order in made} == set(second)
    for order in made:
        assert_whole(order)


def orders_of(guest: Person) -> list[Order]:
    keys = fetch(select(Order).order_by(Order.id))
    mine = {row["no"] for row in guest.call("GET", "orders?limit=50")["items"]}
    return [order for order in keys if order.no in mine]


def assert_whole(order: Order) -> None:
    """Everything that an order consists of, once."""

    def count(column: object, *where: object) -> int:
        return int(fetch(select(func.count(column)).where(*where))[0])  # type: ignore[arg-type]

    assert count(OrderLine.id, OrderLine.order_id == order.id) == 1
    assert count(Bill.id, Bill.order_id == order.id) == 1
    assert count(StockHold.id, StockHold.order_id == order.id) <= 1  # none where it never runs out
    assert count(OutboxJob.id, OutboxJob.key == f"orders.expire:{order.id}") == 1
    record = IdempotencyRecord
    scope = record.scope == f"orders.place:{order.member_id}"
    results = fetch(select(record.result).where(scope))
    assert results.count({"no": order.no}) == 1


def _rest(guest: Person) -> tuple[object, ...]:
    return guest.sandbox, guest.id, guest.name, guest.official, guest.mini, guest.token
