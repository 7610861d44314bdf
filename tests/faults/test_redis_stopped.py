"""Without Redis the shop sells: jobs wait in the outbox, log-ins are in the database."""

import pytest
from sqlalchemy import select

from core.outbox import JobState, OutboxJob
from tests.faults.world import World, fetch, get_order, wait

pytestmark = [pytest.mark.faults, pytest.mark.mariadb]


def test_ordering_and_paying_go_on_and_jobs_resume(world: World) -> None:
    guest, console = world.guest("陈无缓存"), world.console()
    wanted = world.cup(guest)
    world.stop_redis()

    quote = guest.call("POST", "quotes", json=wanted)
    no = guest.order({**wanted, "expected_payable_fen": quote["payable_fen"]})["no"]
    guest.pay(no)
    guest.wait_paid(no, seconds=60)
    assert no in console.get("orders/")
    console.post(f"orders/{no}/accept")

    later = world.guest("后来的人")  # logging in needs no Redis either
    assert later.call("GET", "me")["no"] != guest.call("GET", "me")["no"]
    after_paid = job_of("orders.after_paid", get_order(no).id)
    assert after_paid.state is JobState.waiting

    world.start_redis()
    wait(
        lambda: job_of("orders.after_paid", get_order(no).id).state is JobState.done,
        "the job that waited",
    )
    assert [name for name, process in world.tree.processes.items() if process.poll()] == []
    assert guest.call("GET", "me")["orders_count"] == 1


def test_a_redis_that_hangs_costs_seconds_not_orders(world: World) -> None:
    guest = world.guest("陈卡住")
    wanted = world.cup(guest)
    with world.frozen("redis"):
        no = guest.order(wanted)["no"]
        guest.pay(no)
        guest.wait_paid(no, seconds=60)
    wait(
        lambda: job_of("orders.after_paid", get_order(no).id).state is JobState.done,
        "the job that waited",
    )


def job_of(name: str, order_id: int) -> OutboxJob:
    rows = fetch(select(OutboxJob).where(OutboxJob.name == name))
    (job,) = [row for row in rows if row.args == {"order_id": order_id}]
    assert isinstance(job, OutboxJob)
    return job
