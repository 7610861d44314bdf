"""Rate limits: per address, person and merchant, in one step, and open without Redis."""

from collections.abc import Callable

import pytest
from flask import Flask
from redis import Redis

from app import create_app
from core import limits
from core.config import Config
from core.errors import TooMany

MEMBER = limits.PER_MINUTE["claim"]["member"]


@pytest.fixture
def app(make_config: Callable[..., Config], redis: Redis, redis_url: str) -> Flask:
    return create_app(make_config(redis={"url": redis_url}))


def claim(ip: str = "203.0.113.7", member: int = 1, merchant: int = 1) -> None:
    limits.check("claim", ip=ip, member=member, merchant=merchant)


def test_the_last_allowed_use_passes_and_the_next_waits_for_the_minute(
    app: Flask, redis: Redis
) -> None:
    with app.app_context():
        for _ in range(MEMBER):
            claim()
        with pytest.raises(TooMany) as refused:
            claim()
        claim(member=2)

    assert 1 <= refused.value.retry_after <= 60
    assert refused.value.status == 429
    assert 1 <= redis.ttl("linli:limit:claim:member:1") <= 60


def test_who_is_refused_uses_up_nothing_of_the_others(app: Flask, redis: Redis) -> None:
    """The address is counted first, then the member, then the merchant."""
    with app.app_context():
        for _ in range(MEMBER + 5):
            try:
                claim()
            except TooMany:
                continue

    assert int(redis.get("linli:limit:claim:member:1") or 0) == MEMBER + 5
    assert int(redis.get("linli:limit:claim:merchant:1") or 0) == MEMBER


def test_neighbours_in_one_ipv6_network_are_one_address(app: Flask, redis: Redis) -> None:
    with app.app_context():
        claim("2001:db8:1:2::1")
        claim("2001:db8:1:2:ffff::9", member=2)
        claim("::ffff:203.0.113.9", member=3)

    assert redis.get("linli:limit:claim:ip:2001:db8:1:2::/64") == b"2"
    assert redis.get("linli:limit:claim:ip:203.0.113.9") == b"1"


def test_a_counter_that_lost_its_expiry_gets_a_new_one(app: Flask, redis: Redis) -> None:
    redis.set("linli:limit:claim:member:1", MEMBER)
    with app.app_context(), pytest.raises(TooMany):
        claim()

    assert redis.ttl("linli:limit:claim:member:1") == 60


@pytest.mark.parametrize(("scale", "allowed"), [(0.1, MEMBER // 10), (0, MEMBER * 3)])
def test_the_configuration_scales_them_or_switches_them_off(
    make_config: Callable[..., Config], redis: Redis, redis_url: str, scale: float, allowed: int
) -> None:
    app = create_app(make_config(redis={"url": redis_url}, limits={"scale": scale}))
    with app.app_context():
        for _ in range(allowed):
            claim()
        if scale:
            with pytest.raises(TooMany):
                claim()


def test_without_redis_everything_goes_on(make_config: Callable[..., Config]) -> None:
    with create_app(make_config()).app_context():
        for _ in range(MEMBER + 1):
            claim()


def test_an_act_is_counted_under_what_the_table_says(app: Flask) -> None:
    with app.app_context():
        with pytest.raises(TypeError):
            limits.check("claim", member=1)
        with pytest.raises(KeyError):
            limits.check("nothing", ip="203.0.113.7")
