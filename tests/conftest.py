"""What every test may ask for: an application on SQLite or MariaDB, a client, Redis, the present.

No network but loopback, real databases, our own code never patched. A missing program is a failure
in CI and named loudly elsewhere.
"""

import base64
import os
import shutil
import socket
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import HealthCheck, settings
from redis import Redis
from sqlalchemy.orm import Session

from core import config, database, embedded_redis
from core.config import Config
from tests.servers import MariaDB
from tests.tables import lease, running

# A busy machine is slow, not wrong.
settings.register_profile("linli", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("linli")

KEY = base64.b64encode(b"k" * 32).decode()
NOW = datetime(2026, 11, 22, 4, 0, tzinfo=UTC)  # noon on a Sunday in Shanghai


def raw_config(directory: Path, **sections: dict[str, Any]) -> dict[str, Any]:
    """A complete configuration for tests; each keyword replaces keys of its section."""
    raw: dict[str, Any] = {
        "app": {
            "secret_key": "a-secret-key-for-tests-of-48-characters-length!!",
            "encryption_keys": [f"1:{KEY}"],
            "var": str(directory),
        },
        "database": {"url": f"sqlite:///{directory}/test.db"},
        "redis": {"url": "redis://127.0.0.1:1/0"},
        "logging": {"level": "error"},
        "wechat": {},
    }
    for name, values in sections.items():
        raw[name] = {**raw.get(name, {}), **values}
    return raw


@pytest.fixture(autouse=True)
def _only_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    real = socket.socket.connect

    def connect(self: socket.socket, address: Any) -> Any:
        if self.family in (socket.AF_INET, socket.AF_INET6) and address[0] not in (
            "127.0.0.1",
            "::1",
            "localhost",
        ):
            raise AssertionError(f"a test reached for {address[0]}")
        return real(self, address)

    monkeypatch.setattr(socket.socket, "connect", connect)


@pytest.fixture
def now() -> datetime:
    return NOW


@pytest.fixture
def make_config(tmp_path: Path) -> Callable[..., Config]:
    def make(**sections: dict[str, Any]) -> Config:
        return config.parse(raw_config(tmp_path, **sections))

    return make


@pytest.fixture
def app(make_config: Callable[..., Config]) -> Iterator[Flask]:
    """An application on a fresh SQLite file, with its context pushed and without Redis."""
    with running(make_config()) as app:
        yield app


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def session(app: Flask) -> Iterator[Session]:
    """A transaction for tests of verbs; it is rolled back. Doors cannot see what it did."""
    with database.Session(database.db.engine, expire_on_commit=False) as session:
        yield session
        session.rollback()


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A private Redis for the whole run."""
    directory = tmp_path_factory.mktemp("redis")
    process = embedded_redis.start(directory)
    yield embedded_redis.url(directory)
    if process:
        process.terminate()
        process.wait(10)


@pytest.fixture
def redis(redis_url: str) -> Iterator[Redis]:
    client = Redis.from_url(redis_url)
    client.flushall()
    yield client
    client.flushall()
    client.close()


@pytest.fixture(scope="session")
def mariadb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MariaDB]:
    """A private MariaDB for the whole run. Missing: a failure in CI, a loud skip elsewhere."""
    if not (shutil.which("mariadbd") or Path("/usr/sbin/mariadbd").exists()):
        message = "MariaDB is missing: apt-get install mariadb-server"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    with MariaDB(tmp_path_factory.mktemp("mariadb")) as server:
        yield server


@pytest.fixture
def mariadb_app(
    mariadb: MariaDB, redis_url: str, redis: Redis, make_config: Callable[..., Config]
) -> Iterator[Flask]:
    """An application on an empty MariaDB database with Redis, its context pushed."""
    with lease(mariadb) as url:
        settings = make_config(database={"url": url, "pool_size": 40}, redis={"url": redis_url})
        with running(settings) as app:
            yield app


@pytest.fixture(scope="session")
def wechat(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The sandbox as WeChat, one for the whole run; `shop` talks to it."""
    from tests.wechat_world import run_sandbox

    with run_sandbox(tmp_path_factory.mktemp("wechat")) as wechat:
        yield wechat


@pytest.fixture
def shop(wechat: Any, tmp_path: Path) -> Iterator[Any]:
    """An application on SQLite whose WeChat is the sandbox, its context pushed; see `Shop`."""
    from tests.wechat_world import run_shop

    wechat.reset()
    with run_shop(wechat, tmp_path) as shop:
        yield shop
