"""The relay: outbox rows that are due go to RQ, overdue ones again under a new attempt.

Any number of relays may run: a row is taken by compare-and-set. A row is taken first and pushed
after the commit; if the push fails, its lease runs out and it waits again.

Redis holds the next jobs of each queue and no more (`ROOM`); a burst waits in the table, where it
costs nothing. A row whose lease ran out while Redis still holds it is only behind others: it keeps
its attempt. Pushed again it would leave a stale copy in front of itself, and once the stale copies
take longer than a lease nothing would ever run.
"""

import time
from datetime import datetime, timedelta

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
from tasks.registry import QUEUES, Job, jobs

BATCH = 200
SWEEP = 5_000  # rows looked at by one sweep
ROOM = 5 * BATCH  # how many jobs lie in a queue of Redis
GRACE = timedelta(seconds=30)  # beyond a job's own time limit, before it is pushed again
FALLBACK = "default"  # takes the jobs that nobody knows, to bury them


def lease(job: Job | None) -> timedelta:
    """How long a job belongs to the attempt that was pushed, or that a worker has begun."""
    return timedelta(seconds=job.timeout if job else 60) + GRACE


def push_due(connection: Redis) -> int:
    """Push what is due, oldest first, as far as the queues have room; the number pushed. Raises
    RedisError when Redis is away."""
    now = clock.now()
    known = jobs()
    with reading() as session:
        rows = outbox.due(session, now=now, limit=BATCH)
    if not rows:
        return 0
    room = {queue: ROOM - held for queue, held in _held(connection).items()}
    if len(rows) == BATCH:  # there may be more: a full queue must not hide the others' jobs
        rows = _due_by_queue(room, known, now)
    taken: list[tuple[outbox.OutboxJob, Job | None]] = []
    with transaction() as session:
        for row in rows:
            job = known.get(row.name)
            queue = _queue_of(job)
            if room[queue] > 0 and outbox.take(session, row.id, lease=lease(job), now=now):
                room[queue] -= 1
                taken.append((row, job))
    for position, (row, job) in enumerate(taken):
        try:
            push(connection, row, job)
        except RedisError:
            _put_back([row for row, _ in taken[position:]])
            raise
    return len(taken)


def _held(connection: Redis) -> dict[str, int]:
    """How many jobs lie in each queue."""
    with connection.pipeline(transaction=False) as pipeline:
        for queue in QUEUES:
            pipeline.llen(Queue(queue, connection=connection).key)
        return dict(zip(QUEUES, pipeline.execute(), strict=True))


def _due_by_queue(
    room: dict[str, int], known: dict[str, Job], now: datetime
) -> list[outbox.OutboxJob]:
    """What is due in each queue that has room, the urgent ones first."""
    names: dict[str, list[str]] = {queue: [] for queue in QUEUES}
    for job in known.values():
        names[job.queue].append(job.name)
    found: list[outbox.OutboxJob] = []
    with reading() as session:
        for queue in QUEUES:
            if room[queue] <= 0:
                continue
            limit = min(BATCH, room[queue])
            if queue == FALLBACK:
                others = [name for other in QUEUES if other != FALLBACK for name in names[other]]
                found += outbox.due(session, now=now, limit=limit, without=others)
            elif names[queue]:
                found += outbox.due(session, now=now, limit=limit, only=names[queue])
    return found


def _queue_of(job: Job | None) -> str:
    return job.queue if job else FALLBACK


def sweep(connection: Redis) -> int:
    """Rows whose lease ran out wait again, unless Redis still holds them; how many wait."""
    now = clock.now()
    with reading() as session:
        overdue = outbox.overdue(session, now=now, limit=SWEEP)
    if not overdue:
        return 0
    held: set[str] = set()
    for queue in QUEUES:
        held.update(Queue(queue, connection=connection, serializer=JSONSerializer).get_job_ids())
    lost: list[int] = []
    with transaction() as session:
        for job_id, attempt in overdue:
            if _remote_id(job_id, attempt) in held:
                outbox.renew(session, job_id, attempt, until=now + GRACE)
            else:
                lost.append(job_id)
        return outbox.reclaim(session, lost, now=now) if lost else 0


def _remote_id(job_id: int, attempt: int) -> str:
    return f"{job_id}-{attempt}"


def _put_back(rows: list[outbox.OutboxJob]) -> None:
    now = clock.now()
    with transaction() as session:
        for row in rows:
            outbox.postpone(session, row.id, row.attempt + 1, until=now, error=None)


def push(connection: Redis, row: outbox.OutboxJob, job: Job | None) -> None:
    """Hand one taken row to RQ. `row` is as read before it was taken, so its attempt is one on."""
    attempt = row.attempt + 1
    queue = Queue(_queue_of(job), connection=connection, serializer=JSONSerializer)
    queue.enqueue(
        "tasks.runner.execute",
        row.id,
        attempt,
        job_id=_remote_id(row.id, attempt),
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
                sweep(redis())
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
        while push_due(connection):
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
