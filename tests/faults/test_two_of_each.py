"""Two schedulers and two workers: every period once, every job once, every effect once."""

from collections import Counter

import pytest
from sqlalchemy import and_, or_, select

from core import clock
from core.outbox import JobState, OutboxJob
from crm.models import Purchase
from orders.models import Order
from tasks.schedule import SCHEDULE
from tests.faults.crowd import check_everybody, gather
from tests.faults.world import World, fetch, get_order, wait

pytestmark = [pytest.mark.faults, pytest.mark.mariadb]

ORDERS, PERIODS = 6, 3
WORKERS = ("worker-1", "worker-2")


def test_each_period_and_each_job_once(world: World) -> None:
    bind_clerk(world)
    world.tree.start_worker("worker-2")
    world.tree.start_scheduler("scheduler-2")
    wait_idle()
    began = clock.now()
    crowd = gather(world, 600)  # two slices, a chunk for each worker
    guests = [world.guest(f"郑成双{number}") for number in range(ORDERS)]
    numbers = [guest.order(world.cup(guest))["no"] for guest in guests]
    for guest, no in zip(guests, numbers, strict=True):
        guest.pay(no)
    for guest, no in zip(guests, numbers, strict=True):
        guest.wait_paid(no, seconds=60)
    crowd.wait_finished()
    for _ in range(PERIODS):
        wait_idle()
        world.sandbox.advance(61)
    wait_idle()

    check_everybody(world, crowd)
    for no in numbers:
        order = get_order(no)
        assert len(fetch(select(Purchase.id).where(Purchase.order_id == order.id))) == 1
        assert told_of(world, order) == 1
    periodic = fetch(
        select(OutboxJob).where(OutboxJob.key.startswith("every:"), OutboxJob.created_at >= began)
    )
    assert {job.state for job in periodic} == {JobState.done}
    often = {entry.name for entry in SCHEDULE if entry.seconds <= 60}
    runs = Counter(job.name for job in periodic)
    assert {name: runs[name] >= PERIODS for name in often} == dict.fromkeys(often, True)

    done = Counter(job_id for worker in WORKERS for job_id in done_by(world, worker))
    assert set(done.values()) == {1}
    assert {job.id for job in periodic} <= set(done)
    assert all(done_by(world, worker) for worker in WORKERS)


def bind_clerk(world: World) -> None:
    """小周 scans the invitation, so that somebody hears of every paid order."""
    clerk = world.person("小周")
    invite = world.sandbox.qr(lambda qr: "邀请" in qr["title"] and "小周" in str(qr), "the invite")
    clerk.scan(invite["text"])
    wait(lambda: "扫码核销" in str(clerk.chat()["menu"]), "the clerk's menu")
    clerk.say("上班了")  # opens the window through which new orders are told


def told_of(world: World, order: Order) -> int:
    """How often the clerk's chat speaks of an order."""
    messages = world.person("小周").chat()["messages"]
    return sum(order.no in str(message) for message in messages if not message.get("mine"))


def wait_idle() -> None:
    """No job is due or being run."""

    def look() -> bool:
        waits = and_(OutboxJob.state == JobState.waiting, OutboxJob.run_at <= clock.now())
        busy = or_(OutboxJob.state == JobState.pushed, waits)
        return not fetch(select(OutboxJob.id).where(busy))

    wait(look, "the workers to be idle")


def done_by(world: World, worker: str) -> list[int]:
    """The jobs that a worker says it has done."""
    lines = world.log(worker)
    return [line["job_id"] for line in lines if line.get("outcome") == "done"]
