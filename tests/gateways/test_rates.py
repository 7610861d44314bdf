"""The bucket that all workers share, and the day's quota."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask import Flask
from redis import Redis

from app import create_app
from core import clock, config
from core.config import Config
from gateways.wechat import rates
from tests.conftest import raw_config

RATE = 50


@pytest.fixture
def app(tmp_path: Path, redis_url: str, redis: Redis) -> Iterator[Flask]:
    raw = raw_config(tmp_path, redis={"url": redis_url}, wechat={"sends_per_second": RATE})
    app = create_app(config.parse(raw))
    with app.app_context():
        yield app


def test_a_full_bucket_is_granted_and_then_nothing_more(app: Flask) -> None:
    first = rates.take("wx-a", "custom_send", RATE)
    second = rates.take("wx-a", "custom_send", RATE)

    assert first == (RATE, 0)
    assert second.granted < RATE  # what a moment has refilled
    assert 0 < second.wait <= 1


def test_accounts_and_interfaces_have_buckets_of_their_own(app: Flask) -> None:
    for appid in ("wx-a", "wx-b"):
        for api in ("custom_send", "subscribe_send"):
            assert rates.take(appid, api, RATE).granted == RATE


def test_the_days_quota_ends_at_midnight_in_the_shop(app: Flask, redis: Redis) -> None:
    now = clock.local(clock.now())
    most = int(rates.DAILY["custom_send"] * rates.OURS)
    key = f"linli:rate:custom_send:wx-a:{now:%Y%m%d}"
    redis.set(key, most - 3)

    given = rates.take("wx-a", "custom_send", 10)

    assert given.granted == 3
    assert 0 < given.wait <= 24 * 3_600 + 1
    assert int(redis.get(key) or 0) == most
    assert rates.take("wx-a", "subscribe_send", 10) == (10, 0)  # no quota is known of that


def test_without_redis_nobody_counts(make_config: Callable[..., Config]) -> None:
    app = create_app(make_config(wechat={"sends_per_second": 1}))
    with app.app_context():
        assert rates.take("wx-a", "custom_send", 100) == (100, 0)
