"""The access token of one account: fetched once, shared by all processes, healed when it dies.

Kept in Redis and in this process. Whoever finds none takes a lock in Redis and fetches; everybody
else waits for the result. Without Redis each process keeps its own: the stable token interface
hands all of them the same one.
"""

import json
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from core import clock
from core.redis import Guarded, find_redis

LOCK_SECONDS = 15
_POLL_SECONDS = 0.05
# WeChat makes the next token 5 minutes before the end; both work in between.
_MARGIN_SECONDS = 200.0

# Release the lock only if it is still ours.
_UNLOCK = "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) end"

Fetch = Callable[[], tuple[str, int]]


@dataclass(frozen=True)
class Token:
    value: str
    fetched_at: float
    expires_at: float

    def is_usable(self, now: float) -> bool:
        """Short-lived tokens (tests, a stricter WeChat) keep a proportionate margin."""
        margin = min(_MARGIN_SECONDS, (self.expires_at - self.fetched_at) / 10)
        return now < self.expires_at - margin


class Tokens:
    """`fetch` asks WeChat and returns the token and its lifetime in seconds."""

    def __init__(self, appid: str, fetch: Fetch) -> None:
        self._fetch = fetch
        self._key = f"wechat:token:{appid}"
        self._lock_key = f"wechat:token-lock:{appid}"
        self._local: Token | None = None
        self._one_thread = threading.Lock()

    def get(self) -> str:
        """A token that should work."""
        local = self._local
        if local is not None and local.is_usable(_now()):
            return local.value
        return self._obtain(lambda token: token.is_usable(_now()))

    def renew(self, refused: str, *, since: float) -> str:
        """Another token than the refused one, or one fetched after `since`: whoever is first
        fetches, the others take what they got."""

        def good(token: Token) -> bool:
            fresh = token.value != refused or token.fetched_at >= since
            return fresh and token.is_usable(_now())

        return self._obtain(good)

    def _obtain(self, good: Callable[[Token], bool]) -> str:
        with self._one_thread:
            if self._local is None or not good(self._local):
                self._local = self._shared(good)
            return self._local.value

    def _shared(self, good: Callable[[Token], bool]) -> Token:
        mine = secrets.token_hex(16)
        give_up = time.monotonic() + LOCK_SECONDS
        while (redis := find_redis()) is not None and time.monotonic() < give_up:
            token = _load(redis.get(self._key))
            if token is not None and good(token):
                return token
            if not redis.set(self._lock_key, mine, nx=True, px=LOCK_SECONDS * 1000):
                time.sleep(_POLL_SECONDS)
                continue
            try:
                # Somebody may have finished between our look and our lock.
                token = _load(redis.get(self._key))
                return token if token is not None and good(token) else self._ask_and_keep(redis)
            finally:
                redis.eval(_UNLOCK, 1, self._lock_key, mine)
        return self._ask()

    def _ask_and_keep(self, redis: Guarded) -> Token:
        token = self._ask()
        lifetime = max(1, int(token.expires_at - token.fetched_at))
        record = json.dumps([token.value, token.fetched_at, token.expires_at])
        redis.set(self._key, record, ex=lifetime)
        return token

    def _ask(self) -> Token:
        began = _now()
        value, lifetime = self._fetch()
        return Token(value, _now(), began + lifetime)


def _now() -> float:
    return clock.now().timestamp()


def _load(record: Any) -> Token | None:
    try:
        value, fetched_at, expires_at = json.loads(record)
        return Token(str(value), float(fetched_at), float(expires_at))
    except (TypeError, ValueError):
        return None
