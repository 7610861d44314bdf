"""The worker: RQ's own, inside the application's context."""

import os
import signal
import socket
import time
from typing import Any

from redis.exceptions import RedisError
from rq import Queue, SimpleWorker
from rq.serializers import JSONSerializer

from core.errors import Unavailable
from core.logs import log
from core.numbers import random_code
from core.redis import redis
from tasks.registry import QUEUES, jobs

WAIT_SECONDS = 2.0


class Worker(SimpleWorker):
    """RQ's, asking for Redis again every few seconds while it is away, not every minute."""

    max_connection_wait_time = 4.0
    was_told_to_stop = False

    def request_stop(self, signum: int, frame: Any) -> None:
        self.was_told_to_stop = True
        super().request_stop(signum, frame)


def work(queues: list[str], *, burst: bool = False) -> None:
    """Run jobs of `queues` (all when empty, earlier ones first) until stopped.

    Jobs run in this process: they are idempotent and the outbox repeats what a killed worker left,
    so RQ's fork per job would only cost speed.
    """
    unknown = set(queues) - set(QUEUES)
    if unknown:
        raise ValueError(f"no such queue: {', '.join(sorted(unknown))}")
    jobs()
    if burst:
        _make_worker(queues).work(burst=True, logging_level="WARNING")
        return
    while _work_until_redis_is_away(queues):
        time.sleep(WAIT_SECONDS)


def _work_until_redis_is_away(queues: list[str]) -> bool:
    """RQ waits for Redis between jobs, but gives up when it goes away during one.

    True: come back; False: we were told to stop.
    """
    worker = None
    try:
        worker = _make_worker(queues)
        worker.work(logging_level="WARNING")
    except (RedisError, Unavailable) as error:
        log.warning("worker_waits", error=type(error).__name__)
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)  # nothing in hand: RQ's would only complain
    return worker is None or not worker.was_told_to_stop


def _make_worker(queues: list[str]) -> Worker:
    connection = redis()
    listened = [
        Queue(name, connection=connection, serializer=JSONSerializer) for name in queues or QUEUES
    ]
    name = f"{socket.gethostname()}-{os.getpid()}-{random_code(4)}"
    return Worker(listened, name=name, connection=connection, serializer=JSONSerializer)
