"""The relay: outbox rows that are due go to RQ, overdue ones again under a new attempt.

Any number of relays may run: a row is taken by compare-and-set. A row is taken first and pushed
after the commit; if the push fails, its lease runs out and it waits again.
"""

import time
from datetime import timedelta

from redis import Redis
from redis.client import PubSub
from redis.exceptions import RedisError
from rq import Queue
from rq.serializers import JSONSerializer
from sqlalchemy.exc import SQLAlchemyError

from core import clock, outbox
from core.database import is_away, reading, transaction
from core.errors import Unavailable
from core.logs import log
from core.redis import redis
from tasks.registry import Job, jobs

BATCH = 200
GRACE = timedelta(seconds=30)  # beyond a job's own time limit, before it is pushed again


def push_due(connection: Redis) -> int:
    """Push what is due, oldest first; the number pushed. Raises RedisError when Redis is away."""
    now = clock.now()
    known = jobs()
    taken: list[tuple[outbox.OutboxJob, Job | None]] = []
    with reading() as session:
        rows = outbox.due(session, now=now, limit=BATCH)
    if not rows:
        return 0
    with transaction() as session:
        for row in rows:
            job = known.get(row.name)
            lease = timedelta(seconds=job.timeout if job else 60) + GRACE
            if outbox.take(session, row.id, lease=lease, now=now):
                taken.append((row, job))
    for position, (row, job) in enumerate(taken):
        try:
            push(connection, row, job)
        except RedisError:
            _put_back([row for row, _ in taken[position:]])
            raise
    return len(taken)


def _put_back(rows: list[outbox.OutboxJob]) -> None:
    now = clock.now()
    with transaction() as session:
        for row in rows:
            outbox.postpone(session, row.id, row.attempt + 1, until=now, error=None)


def push(connection: Redis, row: outbox.OutboxJob, job: Job | None) -> None:
    """Hand one taken row to RQ. `row` is as read before it was taken, so its attempt is one on."""
    attempt = row.attempt + 1
    queue = Queue(job.queue if job else "default", connection=connection, serializer=JSONSerializer)
    queue.enqueue(
        "tasks.runner.execute",
        row.id,
        attempt,
        job_id=f"{row.id}-{attempt}",
        job_timeout=job.timeout if job else 60,
        result_ttl=0,
        failure_ttl=3_600,
    )


def relay_forever(*, poll_seconds: float = 1.0, sweep_seconds: float = 10.0) -> None:
    """Push on every wake-up and at least every `poll_seconds`; never returns.

    A database or a Redis that is away is waited for: it is exactly then that rows pile up.
    """
    swept = 0.0
    while True:
        try:
            if time.monotonic() - swept > sweep_seconds:
                with transaction() as session:
                    outbox.reclaim(session, now=clock.now())
                swept = time.monotonic()
            relay_once(redis(), poll_seconds=poll_seconds)
        except (RedisError, Unavailable, SQLAlchemyError) as error:
            if isinstance(error, SQLAlchemyError) and not is_away(error):
                log.error("relay_failed", exc_info=error)
            else:
                log.warning("relay_waits", error=type(error).__name__)
            time.sleep(poll_seconds)


def relay_once(connection: Redis, *, poll_seconds: float) -> None:
    """Push everything due, then wait for one wake-up.

    Listening starts before looking, so a job that is committed in between wakes us.
    """
    with connection.pubsub(ignore_subscribe_messages=True) as subscription:
        subscription.subscribe(outbox.WAKE_CHANNEL)
        while push_due(connection) == BATCH:
            pass
        _wait(subscription, poll_seconds)


def _wait(subscription: PubSub, seconds: float) -> None:
    """Until somebody wakes us or the time is over.

    The confirmation of the subscription comes first and reads as nothing, which is no wake-up.
    """
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        if subscription.get_message(timeout=left) is not None:
            return
