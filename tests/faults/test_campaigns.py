"""Whatever dies in the middle of a campaign: nobody gets two coupons or two messages."""

import pytest
from sqlalchemy import select

from core.outbox import JobState, OutboxJob
from crm.campaigns.batching import BATCH
from crm.campaigns.sending import GROUP
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


def test_a_killed_worker_leaves_its_group_unknown_and_nobody_is_written_to_twice(
    world: World,
) -> None:
    crowd = gather(world, 600)
    crowd.wait_sent(60)
    with slowly(world, 3):
        wait_in_flight(crowd, seconds=3)
        world.tree.kill("worker-1")
    in_doubt = crowd.count(RecipientState.sending)
    assert 1 <= in_doubt <= GROUP, "the worker was not in the middle of a group"

    world.tree.start_worker("worker-1")
    world.sandbox.advance(PAST_EVERY_LEASE)

    crowd.wait_finished()
    check_everybody(world, crowd, unknown=in_doubt)


def test_a_worker_killed_while_it_issues_gives_nobody_two_coupons(world: World) -> None:
    crowd = gather(world, 900)
    for slices in (0, 1):  # in the first slice, and in the second after the first was committed
        wait(lambda least=slices * BATCH: crowd.coupons() >= least, "a slice")
        wait(lambda: batch_is_at_work(crowd), "the next slice to begin")
        world.tree.kill("worker-1")
        assert crowd.coupons() in (slices * BATCH, 900 - UNREACHABLE)
        world.tree.start_worker("worker-1")
        world.sandbox.advance(PAST_EVERY_LEASE)

    crowd.wait_finished()
    check_everybody(world, crowd, unknown=crowd.count(RecipientState.unknown))


def test_a_flushed_redis_only_delays(world: World) -> None:
    guest = world.guest("冲水")
    crowd = gather(world, 600)  # two chunks: one is being sent, the other waits in Redis
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
    assert in_doubt <= GROUP
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
    world.fault(SENDS, "error", errcode=errcode, times=None)
    crowd = gather(world, 60)
    for attempt in (1, 2):
        wait(lambda n=attempt: is_waiting_after(crowd, n), "the job to wait")
        assert crowd.count(RecipientState.issued) == 60 - UNREACHABLE
        if attempt == 2:
            world.sandbox.delete("faults")
        world.sandbox.advance(pause + 1)

    crowd.wait_finished()
    check_everybody(world, crowd)
    assert (sending_job(crowd).attempt, sending_job(crowd).failures) == (3, 0)


def is_waiting_after(crowd: Crowd, attempts: int) -> bool:
    waiting = select(OutboxJob.id).where(
        OutboxJob.key.startswith(f"crm.campaign_send:{crowd.campaign_id}:"),
        OutboxJob.state == JobState.waiting,
        OutboxJob.attempt == attempts,
    )
    return bool(fetch(waiting))


def batch_is_at_work(crowd: Crowd) -> bool:
    """A worker has a slice in hand, unless everybody has been issued to."""
    key = f"crm.campaign_batch:{crowd.campaign_id}:"
    states = fetch(select(OutboxJob.state).where(OutboxJob.key.startswith(key)))
    return JobState.pushed in states or crowd.issued_all()


def sending_job(crowd: Crowd) -> OutboxJob:
    key = f"crm.campaign_send:{crowd.campaign_id}:"
    (job,) = fetch(select(OutboxJob).where(OutboxJob.key.startswith(key)))
    assert isinstance(job, OutboxJob)
    return job
