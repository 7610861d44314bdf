"""Rate limits in Redis. They fail open: without Redis the shop goes on, lockouts still hold.

Every limit there is stands in PER_MINUTE: an act, and how often a minute each of those it is
counted under may do it. `limits.scale` of the configuration multiplies them all.
"""

from ipaddress import IPv6Address, ip_address

from core import security_events
from core.config import current_config
from core.errors import TooMany
from core.redis import find_redis

SECONDS = 60

PER_MINUTE: dict[str, dict[str, int]] = {
    # The mini-program. Behind one address may sit a whole office or a carrier's customers.
    "login": {"ip": 60, "merchant": 6_000},
    "phone": {"ip": 60, "member": 10},
    "stores": {"ip": 300, "merchant": 30_000},
    "tables": {"ip": 120},
    "quotes": {"ip": 1_200, "member": 120, "merchant": 60_000},
    "orders": {"ip": 600, "member": 20, "merchant": 30_000},
    "payments": {"ip": 600, "member": 30, "merchant": 30_000},
    "gift": {"ip": 300, "member": 30},
    "shares": {"ip": 1_200, "member": 120},
    "jssdk": {"ip": 300},
    "claim": {"ip": 300, "member": 30, "merchant": 30_000},
    # Each event of a batch counts, and an empty batch as one.
    "events": {"ip": 6_000, "member": 120},
    # Tills and other systems.
    "open": {"ip": 1_200, "key": 600, "merchant": 6_000},
    # The console.
    "password": {"ip": 30},
    "oauth": {"ip": 60},
    "invite": {"ip": 30},
    "collect": {"ip": 600, "staff": 120, "merchant": 6_000},
    "redeem": {"ip": 600, "staff": 60, "merchant": 6_000},
    "search": {"ip": 600, "staff": 120, "merchant": 6_000},
}

# Whoever is over one limit is not counted under the next: a single address cannot use up what a
# merchant's other customers may do. The expiry is set with the first use, in one step with it.
_COUNT = """
local times = tonumber(ARGV[2])
for i, key in ipairs(KEYS) do
  local used = redis.call('INCRBY', key, times)
  if used == times or redis.call('TTL', key) < 0 then redis.call('EXPIRE', key, ARGV[1]) end
  if used > tonumber(ARGV[i + 2]) then return {i, redis.call('TTL', key), used} end
end
return false
"""


def check(act: str, *, times: int = 1, **who: object) -> None:
    """Count `act` under each of `who`; raise TooMany beyond a limit of the current minute.

    `times`: how often, for what comes in batches. `who` names exactly what the act is counted
    under: `check("claim", ip=…, member=…, merchant=…)`.
    """
    limits = PER_MINUTE[act]
    if set(limits) != set(who):
        raise TypeError(f"{act} is counted under {', '.join(limits)}")
    redis, scale = find_redis(), current_config().limits.scale
    if redis is None or scale == 0:
        return
    keys = [f"linli:limit:{act}:{kind}:{_name(kind, who[kind])}" for kind in limits]
    most = [max(1, int(limit * scale)) for limit in limits.values()]
    over = redis.eval(_COUNT, len(keys), *keys, SECONDS, times, *most)
    if over:
        place, remaining, used = (int(number) for number in over)
        if used - times <= most[place - 1]:  # once a minute, not once per refusal
            security_events.notice("rate_limited", f"{act}:{list(limits)[place - 1]}")
        raise TooMany(retry_after=max(1, remaining))


def _name(kind: str, value: object) -> str:
    return place(value) if kind == "ip" else str(value)


def place(value: object) -> str:
    """Where an address is. An IPv6 customer owns a /64: its last half says nothing about who."""
    try:
        address = ip_address(str(value))
    except ValueError:
        return "unknown"
    if isinstance(address, IPv6Address):
        return str(address.ipv4_mapped or f"{IPv6Address(int(address) >> 64 << 64)}/64")
    return str(address)
