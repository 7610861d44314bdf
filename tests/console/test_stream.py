"""The live list: told by Redis when an order moves, and silent towards the database in between."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import event

from core import database, embedded_redis
from core.config import Config
from tests.console.conftest import Browser, Chain
from tests.tables import running


@pytest.fixture
def app(make_config: Callable[..., Config], tmp_path: Path) -> Iterator[Flask]:
    """With a Redis of its own, which a test may end."""
    directory = tmp_path / "redis"
    server = embedded_redis.start(directory)
    assert server is not None
    with running(make_config(redis={"url": embedded_redis.url(directory)})) as app:
        app.extensions["test.redis"] = server
        yield app
    server.terminate()
    server.wait(10)


@contextmanager
def asked() -> Iterator[list[str]]:
    """What the database was asked meanwhile."""
    seen: list[str] = []

    def note(_c: object, _cur: object, statement: str, *_: object) -> None:
        if statement.startswith("SELECT"):
            seen.append(statement)

    event.listen(database.db.engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(database.db.engine, "before_cursor_execute", note)


def open_stream(browser: Browser) -> Iterator[str]:
    """Connected, and past the first look."""
    stream = (chunk.decode() for chunk in browser.get("/stream").iter_encoded())
    assert next(stream) == "retry: 1000\n\n"
    assert next(stream).startswith("id: ")
    return stream


def test_a_stream_hears_of_a_moved_order_and_asks_nothing_in_between(chain: Chain) -> None:
    order = chain.order()
    manager = chain.browser("manager")
    token = manager.token()
    stream = open_stream(chain.browser("clerk"))

    with asked() as quiet:
        assert next(stream) == ": still here\n\n"
    accepted = manager.client.post(
        f"/console/orders/{order.no}/accept", headers={"X-CSRFToken": token, "HX-Request": "true"}
    )
    with asked() as told:
        change = next(stream)

    assert quiet == []
    assert accepted.status_code == 204
    assert "event: orders\n" in change
    assert len(told) == 1


def test_another_stores_order_wakes_nobody_here(chain: Chain) -> None:
    order = chain.order(chain.there)
    manager = chain.browser("manager")
    token = manager.token()
    stream = open_stream(chain.browser("clerk"))

    accepted = manager.client.post(
        f"/console/orders/{order.no}/accept", headers={"X-CSRFToken": token, "HX-Request": "true"}
    )
    with asked() as seen:
        assert next(stream) == ": still here\n\n"

    assert accepted.status_code == 204
    assert seen == []


def test_without_redis_a_stream_looks_by_itself(chain: Chain, app: Flask) -> None:
    order = chain.order()
    manager = chain.browser("manager")
    token = manager.token()
    stream = open_stream(chain.browser("clerk"))

    app.extensions["test.redis"].kill()
    app.extensions["test.redis"].wait(10)
    accepted = manager.client.post(
        f"/console/orders/{order.no}/accept", headers={"X-CSRFToken": token, "HX-Request": "true"}
    )
    heard = [next(stream) for _ in range(2)]

    assert accepted.status_code == 204
    assert any("event: orders\n" in chunk for chunk in heard)


def test_one_session_holds_four_streams_and_no_more(chain: Chain) -> None:
    manager, other = chain.browser("manager"), chain.browser("clerk")
    held = [manager.client.get("/console/stream") for _ in range(4)]

    refused = manager.get("/stream")

    assert [stream.status_code for stream in held] == [200] * 4
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "55")
    assert other.client.get("/console/stream").status_code == 200
    held[0].close()
    assert manager.client.get("/console/stream").status_code == 200
    assert manager.get("/stream").status_code == 429
