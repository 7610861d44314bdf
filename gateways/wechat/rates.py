"""How fast and how often a day an account may send: a bucket of tokens that all workers share.

WeChat answers a call too many with 45009 for the rest of the day, and with 45011 for a while. Mass
sending therefore asks here first and leaves a tenth of the day's quota to what cannot wait, the
answers in a chat and the notices about orders, which do not ask. Without Redis nobody counts, and
WeChat's own word is what stops us.
"""

from datetime import timedelta
from typing import NamedTuple

from core import clock
from core.config import current_config
from core.redis import find_redis

DAILY = {"custom_send": 500_000, "template_send": 100_000}
"""Calls a day that an account of the usual size has; others are not published."""
OURS = 0.9
_DAY_SECONDS = 2 * 86_400

# KEYS: bucket, today's count. ARGV: rate a second, burst, wanted, most today (0: no limit), expiry.
# Answers how many may go now, how many milliseconds until the next one may, and if the day is over.
_TAKE = """
local t = redis.call('TIME')
local now = tonumber(t[1]) * 1000 + math.floor(tonumber(t[2]) / 1000)
local rate, burst, wanted = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local kept = redis.call('HMGET', KEYS[1], 'tokens', 'at')
local tokens, at = tonumber(kept[1]) or burst, tonumber(kept[2]) or now
tokens = math.min(burst, tokens + math.max(0, now - at) * rate / 1000)
local granted, over = math.min(wanted, math.floor(tokens)), 0
local most = tonumber(ARGV[4])
if most > 0 then
  local left = math.max(0, most - (tonumber(redis.call('GET', KEYS[2])) or 0))
  if left < wanted then over = 1 end
  granted = math.min(granted, left)
end
tokens = tokens - granted
redis.call('HSET', KEYS[1], 'tokens', tostring(tokens), 'at', now)
redis.call('EXPIRE', KEYS[1], 3600)
if granted > 0 and most > 0 then
  redis.call('INCRBY', KEYS[2], granted)
  redis.call('EXPIRE', KEYS[2], ARGV[5])
end
local wait = 0
if granted < wanted then wait = math.ceil((1 - math.min(1, tokens)) * 1000 / rate) end
return {granted, wait, over}
"""


class Allowance(NamedTuple):
    """`granted` calls may go now; `wait` seconds until more may, 0 when all were granted."""

    granted: int
    wait: float


def take(appid: str, api: str, wanted: int) -> Allowance:
    """Ask for `wanted` calls of `api` (`custom_send`, `subscribe_send`, `template_send`)."""
    redis, rate = find_redis(), current_config().wechat.sends_per_second
    if redis is None or wanted <= 0:
        return Allowance(wanted, 0)
    now = clock.local(clock.now())
    keys = [f"linli:rate:{api}:{appid}", f"linli:rate:{api}:{appid}:{now:%Y%m%d}"]
    most = int(DAILY.get(api, 0) * OURS)
    answer = redis.eval(_TAKE, 2, *keys, rate, max(1, rate), wanted, most, _DAY_SECONDS)
    if answer is None:  # Redis has just gone away
        return Allowance(wanted, 0)
    granted, wait, over = (int(number) for number in answer)
    if granted < wanted and over:
        midnight = now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
        return Allowance(granted, (midnight - now).total_seconds() + 1)
    return Allowance(granted, wait / 1_000)
