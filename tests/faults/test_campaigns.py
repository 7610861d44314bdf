"""Whatever dies in the middle of a campaign: nobody gets two coupons or two messages."""

import pytest
from sqlalchemy import select

from core.outbox import JobState, OutboxJob
from crm.models import RecipientState
from sandbox.demo_config import MINI, OFFICIAL
from tests.faults.crowd import (
    SENDS,
    UNREACHABLE,
    Crowd,
    check_everybody,
    gather,
    slowly,
    wait_in_flight,
)
from tests.faults.world import World, fetch, wait

pytestmark = [pytest.mark.faults, pytest.mark.mariadb]

PAST_EVERY_LEASE = 700  # seconds; the longest job may take ten minutes


def test_a_killed_worker_leaves_one_unknown_and_nobody_is_written_to_twice(world: World) -> None:
    crowd = gather(world, 600)
    crowd.wait_sent(60)
    with slowly(world, 3):
        wait_in_flight(crowd, seconds=3)
        world.tree.kill("worker-1")
    assert crowd.count(RecipientState.sent) < 580, "the worker was faster than the kill"

    world.tree.start_worker("worker-1")
    world.sandbox.advance(PAST_EVERY_LEASE)

    crowd.wait_finished()
    check_everybody(world, crowd, unknown=1)


def test_a_flushed_redis_only_delays(world: World) -> None:
    guest = world.guest("冲水")
    crowd = gather(world, 450)  # three chunks: one is being sent, two wait in Redis
    crowd.wait_sent(20)
    with slowly(world, 1):
        world.redis.flushall()

    assert guest.call("GET", "me")["orders_count"] == 0  # still logged in, as themselves
    wait(lambda: crowd.count(RecipientState.sent) >= 150, "the chunk in hand to go on")
    world.sandbox.advance(PAST_EVERY_LEASE)
    crowd.wait_finished()
    check_everybody(world, crowd)


def test_a_stopped_redis_does_not_stop_the_chunk_in_hand(world: World) -> None:
    crowd = gather(world, 300)
    crowd.wait_sent(20)
    with slowly(world, 0.5):
        world.stop_redis()
    wait(lambda: crowd.count(RecipientState.sent) >= 150, "the chunk in hand to go on")

    world.start_redis()
    world.sandbox.advance(PAST_EVERY_LEASE)

    crowd.wait_finished()
    check_everybody(world, crowd)


def test_a_killed_database_leaves_unknown_only_what_was_in_flight(world: World) -> None:
    crowd = gather(world, 300)
    crowd.wait_sent(20)
    with slowly(world, 3):
        wait_in_flight(crowd, seconds=3)
        world.server.kill()
    world.server.start()
    world.sandbox.advance(PAST_EVERY_LEASE)

    crowd.wait_finished()
    # A server that is back before WeChat has answered takes the answer down: then nobody is.
    in_doubt = crowd.count(RecipientState.unknown)
    assert in_doubt <= 1
    check_everybody(world, crowd, unknown=in_doubt)


def test_a_token_that_another_process_replaced_is_fetched_once(world: World) -> None:
    world.tree.start_worker("worker-2")
    crowd = gather(world, 450)
    crowd.wait_sent(40)
    with slowly(world, 0.2):  # both workers are in the middle of a call
        began = world.sandbox.get("feed")["last"]
        for account in world.sandbox.get("accounts")["accounts"]:
            world.sandbox.post("tokens/invalidate", appid=account["appid"])
    crowd.wait_sent(crowd.count(RecipientState.sent) + 60)
    asked = [call["raw"]["body"]["appid"] for call in world.calls("api.stable_token", after=began)]
    assert sorted(asked) == sorted({MINI, OFFICIAL})

    crowd.wait_finished()
    check_everybody(world, crowd)


@pytest.mark.parametrize(("errcode", "pause"), [(45009, 600), (-1, 15)])
def test_quota_and_busy_are_waited_for(world: World, errcode: int, pause: int) -> None:
    world.fault(SENDS, "error", errcode=errcode, times=3)
    crowd = gather(world, 60)
    for left in (2, 1, 0):
        wait(lambda left=left: refusals_left(world) == left, "a refusal")
        wait(lambda: sending_job(crowd).state is JobState.waiting, "the job to wait")
        assert crowd.count(RecipientState.issued) == 60 - UNREACHABLE
        world.sandbox.advance(pause + 1)

    crowd.wait_finished()
    check_everybody(world, crowd)
    assert (sending_job(crowd).attempt, sending_job(crowd).failures) == (4, 0)


def refusals_left(world: World) -> int:
    return sum(fault["times"] for fault in world.sandbox.get("faults")["faults"])


def sending_job(crowd: Crowd) -> OutboxJob:
    key = f"crm.campaign_send:{crowd.campaign_id}:"
    (job,) = fetch(select(OutboxJob).where(OutboxJob.key.startswith(key)))
    assert isinstance(job, OutboxJob)
    return job
