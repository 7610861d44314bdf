"""Rate limits in Redis. They fail open: without Redis the shop goes on, lockouts still hold."""

from core.errors import TooMany
from core.redis import find_redis


def check(bucket: str, limit: int, per_seconds: int) -> None:
    """Count one use of `bucket`; raise TooMany beyond `limit` uses in a window of `per_seconds`."""
    redis = find_redis()
    if redis is None:
        return
    key = f"linli:limit:{bucket}"
    count = redis.incr(key)
    if count == 1:
        redis.expire(key, per_seconds)
    if count is not None and count > limit:
        remaining = redis.ttl(key)
        if remaining is not None and remaining < 0:  # lost its expiry in a crash between the calls
            redis.expire(key, per_seconds)
        raise TooMany(retry_after=max(1, remaining or per_seconds))
