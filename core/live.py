"""What changed, told to the screens that are open now: published after the commit, heard once.

Redis pub/sub keeps nothing, so what is told is only "look again", never what to see; and whoever
listens looks now and then anyway. Losing a word costs a few seconds.
"""

import time
from collections.abc import Callable, Sequence
from functools import cache

from redis.client import PubSub
from redis.exceptions import RedisError
from sqlalchemy.orm import Session

from core.database import after_commit
from core.errors import Unavailable
from core.redis import announce, redis

PREFIX = "linli:live:"
CONFIRMED_WITHIN = 2.0


def tell(session: Session, topic: str) -> None:
    """Once this transaction is through, wake whoever listens to `topic`."""
    after_commit(session, _teller(topic))


@cache
def _teller(topic: str) -> Callable[[], None]:
    """The same function for the same topic, so that a transaction says it once."""

    def publish() -> None:
        announce(PREFIX + topic)

    return publish


class Ears:
    """One listener. What is told after `open` returned True is heard by the next `wait`."""

    def __init__(self, topics: Sequence[str]) -> None:
        self._channels = [PREFIX + topic for topic in topics]
        self._pubsub: PubSub | None = None

    @property
    def is_open(self) -> bool:
        return self._pubsub is not None

    def open(self) -> bool:
        """Subscribe, if that is not so yet; False while Redis is away. Needs an app context."""
        if self._pubsub is None and self._channels:
            try:
                self._pubsub = _subscribed(redis().pubsub(), self._channels)
            except (RedisError, OSError, Unavailable):
                return False
        return self._pubsub is not None

    def wait(self, seconds: float) -> bool:
        """Up to `seconds`; True as soon as something was told, or when Redis went away."""
        if self._pubsub is None:
            time.sleep(seconds)
            return False
        try:
            heard = self._pubsub.get_message(ignore_subscribe_messages=True, timeout=seconds)
            while heard and self._pubsub.get_message(ignore_subscribe_messages=True, timeout=0):
                pass  # several at once are one reason to look
        except (RedisError, OSError):
            self.close()
            return True
        return heard is not None

    def close(self) -> None:
        if self._pubsub is not None:
            self._pubsub.close()
            self._pubsub = None


def _subscribed(pubsub: PubSub, channels: Sequence[str]) -> PubSub:
    """Redis has said that it listens: only then may the caller look and trust what it saw."""
    try:
        pubsub.subscribe(*channels)
        for _ in channels:
            if pubsub.get_message(timeout=CONFIRMED_WITHIN) is None:
                raise RedisError("no answer to SUBSCRIBE")
    except BaseException:
        pubsub.close()
        raise
    return pubsub
