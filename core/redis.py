"""Redis: queues, rate limits and caches. Ordering and paying go on without it.

Callers that can do without use `find_redis`, which is None while Redis is away; those that cannot
use `redis`, which raises Unavailable.
"""

import threading
import time
from collections.abc import Sequence
from typing import Any

from flask import Flask, current_app
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisDown
from redis.exceptions import RedisError
from redis.retry import Retry

from core.crier import Crier
from core.errors import Unavailable

AWAY_SECONDS = 2.0


class Connection:
    """One pool per process; remembers for two seconds that Redis was away, so nobody queues up."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.client: Redis = Redis.from_url(
            url,
            socket_timeout=3,
            socket_connect_timeout=1,
            health_check_interval=30,
            retry=Retry(
                NoBackoff(), 1
            ),  # a pooled connection may be stale; more is waiting in vain
        )
        self._away_until = 0.0
        self._lock = threading.Lock()
        self._crier = Crier(self._publish)

    def find(self) -> Redis | None:
        return None if time.monotonic() < self._away_until else self.client

    def away(self) -> None:
        with self._lock:
            self._away_until = time.monotonic() + AWAY_SECONDS

    def announce(self, channel: str) -> None:
        if self.find() is not None:
            self._crier.say(channel)

    def _publish(self, channels: Sequence[str]) -> None:
        try:
            with self.client.pipeline(transaction=False) as together:
                for channel in channels:
                    together.publish(channel, "1")
                together.execute()
        except (RedisError, OSError):
            self.away()


def connect(app: Flask, url: str) -> None:
    app.extensions["linli.redis"] = Connection(url)


def find_redis() -> "Guarded | None":
    """Redis whose calls answer None instead of failing, or None while it is known to be away."""
    connection = _connection()
    client = connection.find()
    return None if client is None else Guarded(connection)


def announce(channel: str) -> None:
    """Wake whoever listens to `channel`, in a moment; lost while Redis is away."""
    _connection().announce(channel)


def redis() -> Redis:
    """Redis, for what makes no sense without it. Its calls may raise RedisError.

    Raises Unavailable while Redis is known to be away.
    """
    client = _connection().find()
    if client is None:
        raise Unavailable("缓存暂时不可用，几秒后再试")
    return client


def is_available() -> bool:
    try:
        return bool(_connection().client.ping())
    except RedisError:
        _connection().away()
        return False


def _connection() -> Connection:
    connection: Connection = current_app.extensions["linli.redis"]
    return connection


class Guarded:
    """Redis for what may be lost: a failing call answers None and marks Redis as away."""

    def __init__(self, connection: Connection) -> None:
        self._redis = connection

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._redis.client, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            try:
                return method(*args, **kwargs)
            except (RedisDown, TimeoutError, OSError, RedisError):
                self._redis.away()
                return None

        return call
