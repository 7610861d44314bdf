"""The worker: RQ's own, inside the application's context."""

import os
import socket

from rq import Queue, SimpleWorker
from rq.serializers import JSONSerializer

from core.numbers import random_code
from core.redis import redis
from tasks.registry import QUEUES, jobs


def work(queues: list[str], *, burst: bool = False) -> None:
    """Run jobs of `queues` (all when empty, earlier ones first) until stopped.

    Jobs run in this process: they are idempotent and the outbox repeats what a killed worker left,
    so RQ's fork per job would only cost speed.
    """
    unknown = set(queues) - set(QUEUES)
    if unknown:
        raise ValueError(f"no such queue: {', '.join(sorted(unknown))}")
    jobs()
    connection = redis()
    listened = [
        Queue(name, connection=connection, serializer=JSONSerializer) for name in queues or QUEUES
    ]
    name = f"{socket.gethostname()}-{os.getpid()}-{random_code(4)}"
    worker = SimpleWorker(listened, name=name, connection=connection, serializer=JSONSerializer)
    worker.work(burst=burst, logging_level="WARNING")
