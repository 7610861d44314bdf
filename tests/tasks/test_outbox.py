"""Jobs run once although rows are pushed again, copied, lost or superseded.

The effect counted here is an audit entry: one for each time that a job committed.
"""

import threading
import time
from collections.abc import Iterator
from datetime import timedelta

import pytest
from flask import Flask
from redis import Redis
from rq import Queue
from rq.serializers import JSONSerializer
from sqlalchemy import func, select, update

from core import audit, clock, outbox
from core.audit import AuditEntry
from core.database import claim, reading, transaction
from core.outbox import JobState, OutboxJob
from tasks import registry, relay, runner, schedule, worker
from tasks.registry import Later, Run

LEASE = timedelta(seconds=90)


def count(run: Run, *, subject: str) -> None:
    with run.finish() as session:
        audit.record(session, actor="system", action="test", subject=subject, now=clock.now())


def fail(_run: Run) -> None:
    raise ValueError("as planned")


def wait(_run: Run) -> None:
    raise Later(60)


def lease(run: Run) -> None:
    """How many seconds are left of this attempt's lease while it runs."""
    until = row(run.job_id).lease_until
    assert until is not None
    count(run, subject=str(round((until - clock.now()).total_seconds())))


@pytest.fixture(autouse=True)
def _jobs() -> Iterator[None]:
    known = registry.jobs()
    names = {"test.count": count, "test.fail": fail, "test.wait": wait, "test.lease": lease}
    for name, handler in names.items():
        known[name] = registry.Job(name, "default", 2, 30, handler)
    known["test.urgent"] = registry.Job("test.urgent", "urgent", 2, 30, count)
    yield
    for name in (*names, "test.urgent"):
        del known[name]


def effects() -> int:
    with reading() as session:
        return session.scalar(select(func.count()).select_from(AuditEntry)) or 0


def enqueue(name: str, **args: str) -> int:
    with transaction() as session:
        outbox.enqueue(session, name, **args)
        session.flush()
        return session.scalars(select(func.max(OutboxJob.id))).one()


def take(job_id: int) -> int:
    with transaction() as session:
        assert outbox.take(session, job_id, lease=LEASE, now=clock.now())
        return session.scalars(select(OutboxJob.attempt).where(OutboxJob.id == job_id)).one()


def row(job_id: int) -> OutboxJob:
    with reading() as session:
        return session.get_one(OutboxJob, job_id)


def test_a_job_and_its_copy_take_effect_once(app: Flask) -> None:
    job_id = enqueue("test.count", subject="a")
    attempt = take(job_id)

    assert runner.execute(job_id, attempt) == "done"
    assert runner.execute(job_id, attempt) == "superseded"

    assert effects() == 1
    assert row(job_id).state == JobState.done


def test_an_attempt_that_was_pushed_again_rolls_back(app: Flask) -> None:
    job_id = enqueue("test.count", subject="a")
    old = Run(job_id, take(job_id))
    with transaction() as session:
        session.execute(update(OutboxJob).values(lease_until=clock.now() - LEASE))
    with transaction() as session:
        assert outbox.overdue(session, now=clock.now(), limit=9) == [(job_id, 1)]
        assert outbox.reclaim(session, [job_id], now=clock.now()) == 1
    new = take(job_id)

    with pytest.raises(registry.Superseded):
        count(old, subject="a")
    assert effects() == 0

    assert runner.execute(job_id, new) == "done"
    assert effects() == 1


def test_a_failure_waits_and_the_last_one_is_dead(app: Flask) -> None:
    job_id = enqueue("test.fail")

    assert runner.execute(job_id, take(job_id)) == "failed"
    assert row(job_id).last_error == "ValueError: as planned"
    assert row(job_id).run_at > clock.now()

    with transaction() as session:
        claim(session, update(OutboxJob).values(run_at=clock.now()))
    assert runner.execute(job_id, take(job_id)) == "dead"
    assert row(job_id).state == JobState.dead


def test_coming_back_later_is_no_failure(app: Flask) -> None:
    job_id = enqueue("test.wait")

    assert runner.execute(job_id, take(job_id)) == "later"

    assert (row(job_id).state, row(job_id).failures) == (JobState.waiting, 0)


def test_a_row_is_taken_by_one_relay(app: Flask) -> None:
    job_id = enqueue("test.count", subject="a")

    with transaction() as session:
        assert outbox.take(session, job_id, lease=LEASE, now=clock.now()) is True
        assert outbox.take(session, job_id, lease=LEASE, now=clock.now()) is False


def test_two_schedulers_enqueue_a_period_once(app: Flask) -> None:
    now = clock.now()

    assert schedule.enqueue_due(now) == len(schedule.SCHEDULE)
    assert schedule.enqueue_due(now) == 0


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four rows at a time, and room for six jobs in each queue."""
    monkeypatch.setattr(relay, "BATCH", 4)
    monkeypatch.setattr(relay, "ROOM", 6)


def queued(redis: Redis, name: str) -> list[str]:
    return Queue(name, connection=redis, serializer=JSONSerializer).get_job_ids()


def test_a_burst_waits_in_the_table_and_hides_no_other_queue(
    app: Flask, redis: Redis, narrow: None
) -> None:
    urgent = [enqueue("test.urgent", subject="a") for _ in range(12)]
    unknown = enqueue("test.nobody_knows")
    other = enqueue("test.count", subject="b")

    pushed = 0
    while number := relay.push_due(redis):
        pushed += number

    assert pushed == 8
    assert queued(redis, "urgent") == [f"{job_id}-1" for job_id in urgent[:6]]
    assert queued(redis, "default") == [f"{unknown}-1", f"{other}-1"]
    assert [row(job_id).attempt for job_id in urgent] == [1] * 6 + [0] * 6

    redis.lpop("rq:queue:urgent")  # somebody worked
    assert relay.push_due(redis) == 1
    assert queued(redis, "urgent") == [f"{job_id}-1" for job_id in urgent[1:7]]


def test_a_job_that_only_lies_behind_others_is_not_pushed_again(app: Flask, redis: Redis) -> None:
    held, lost = enqueue("test.count", subject="a"), enqueue("test.count", subject="b")
    assert relay.push_due(redis) == 2
    redis.lrem("rq:queue:default", 1, f"{lost}-1")
    with transaction() as session:
        session.execute(update(OutboxJob).values(lease_until=clock.now() - LEASE))

    assert relay.sweep(redis) == 1

    assert (row(held).state, row(held).attempt) == (JobState.pushed, 1)
    assert row(held).lease_until > clock.now()  # type: ignore[operator]
    assert row(lost).state == JobState.waiting
    assert queued(redis, "default") == [f"{held}-1"]
    assert runner.execute(held, 1) == "done"


@pytest.mark.parametrize("left", [-5, 40])
def test_a_worker_takes_the_whole_lease_when_it_begins(app: Flask, left: int) -> None:
    job_id = enqueue("test.lease")
    attempt = take(job_id)
    until = clock.now() + timedelta(seconds=left)
    with transaction() as session:
        session.execute(update(OutboxJob).values(lease_until=until))

    assert runner.execute(job_id, attempt) == "done"

    with reading() as session:
        assert session.scalars(select(AuditEntry.subject)).one() == "60"  # its 30 s and the grace


@pytest.mark.mariadb
def test_relay_and_worker_run_what_was_committed(mariadb_app: Flask, redis: Redis) -> None:
    for number in range(5):
        enqueue("test.count", subject=str(number))

    assert relay.push_due(redis) == 5
    assert relay.push_due(redis) == 0
    worker.work(["default"], burst=True)

    assert effects() == 5


@pytest.mark.mariadb
def test_a_flushed_redis_loses_no_job(mariadb_app: Flask, redis: Redis) -> None:
    job_id = enqueue("test.count", subject="a")
    relay.push_due(redis)
    redis.flushall()
    worker.work([], burst=True)
    assert effects() == 0

    with transaction() as session:
        claim(session, update(OutboxJob).values(lease_until=clock.now() - LEASE))
    assert relay.sweep(redis) == 1
    assert relay.push_due(redis) == 1
    worker.work([], burst=True)

    assert effects() == 1
    assert row(job_id).attempt == 2


@pytest.mark.mariadb
def test_jobs_wait_in_json_not_in_pickle(mariadb_app: Flask, redis: Redis) -> None:
    job_id = enqueue("test.count", subject="a")
    relay.push_due(redis)

    queue = Queue("default", connection=redis, serializer=JSONSerializer)
    assert queue.job_ids == [f"{job_id}-1"]
    assert list(queue.jobs[0].args) == [job_id, 1]


@pytest.mark.mariadb
def test_an_idle_relay_sleeps_and_a_commit_wakes_it(mariadb_app: Flask, redis: Redis) -> None:
    began = time.monotonic()
    relay.relay_once(redis, poll_seconds=0.4)
    assert time.monotonic() - began >= 0.4

    def commit() -> None:
        with mariadb_app.app_context():
            enqueue("test.count", subject="a")

    timer = threading.Timer(0.3, commit)
    timer.start()
    began = time.monotonic()
    relay.relay_once(redis, poll_seconds=20)
    timer.join()

    assert time.monotonic() - began < 10
    assert relay.push_due(redis) == 1
