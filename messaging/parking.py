"""Messages that came while the database was away wait, verified and sealed, in a Redis list.

WeChat gives up after three tries in fifteen seconds, so the body is kept, answered `success` and
put into the inbox when the database is back. The inbox is unique per message, so a message that is
parked twice, or unparked by two sweeps, still counts once.
"""

import json
from typing import Any

from core.crypto import Unreadable, keyring
from core.logs import log
from core.redis import redis
from gateways.wechat.messages import Message
from messaging.receiving import from_body, to_body

KEY = "linli:parked:wechat"


def park(source: str, message: Message) -> None:
    """Keep a message. Raises Unavailable or RedisError when Redis is away too."""
    kept = json.dumps({"source": source, "body": to_body(message), "raw": message.raw})
    redis().rpush(KEY, keyring().seal(kept))


def oldest() -> tuple[Any, str, Message] | None:
    """The message that has waited longest: its ticket for `drop`, its source, itself."""
    while True:
        ticket: Any = redis().lindex(KEY, 0)
        if ticket is None:
            return None
        try:
            kept = json.loads(keyring().open(str(ticket, "ascii")))
            return ticket, kept["source"], from_body(kept["body"], kept["raw"])
        except (Unreadable, ValueError, KeyError, TypeError):
            log.error("parked_message_unreadable")
            drop(ticket)


def drop(ticket: Any) -> None:
    """A parked message is safe in the inbox."""
    redis().lrem(KEY, 1, ticket)


def count() -> int:
    return int(redis().llen(KEY))
