"""Many at once: run an act in parallel threads, each with its own application context.

The tables are made once per module, since that takes longer than the races, and emptied per test.
A module of races takes the fixtures by name: `shared, app = racing.shared, racing.app`.
"""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest
from flask import Flask
from sqlalchemy import text

from core import config
from core.database import Base, retrying, transaction
from core.errors import LinliError
from tests.conftest import raw_config
from tests.servers import MariaDB
from tests.tables import lease, running

T = TypeVar("T")


@contextmanager
def arena(mariadb: MariaDB, directory: Path, **settings: Any) -> Iterator[Flask]:
    """An application on a MariaDB database of its own, with its context pushed."""
    with lease(mariadb) as url:
        raw = raw_config(directory, database={"url": url, "pool_size": 70}, **settings)
        with running(config.parse(raw)) as app:
            yield app


@pytest.fixture(scope="module")
def shared(mariadb: MariaDB, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    with arena(mariadb, tmp_path_factory.mktemp("races")) as app:
        yield app


@pytest.fixture
def app(shared: Flask) -> Iterator[Flask]:
    yield shared
    sweep()


def sweep() -> None:
    """Empty every table."""
    with transaction() as session:
        session.execute(text("SET FOREIGN_KEY_CHECKS = 0"))
        for table in Base.metadata.tables.values():
            session.execute(table.delete())
        session.execute(text("SET FOREIGN_KEY_CHECKS = 1"))


def race(app: Flask, number: int, act: Callable[[int], T]) -> list[T | LinliError]:
    """What each of `number` parallel calls of `act` answered, or how it was refused.

    Like a door, a call that the database chose as a deadlock's victim runs once more.
    """
    start = threading.Barrier(number)

    def run(i: int) -> T | LinliError:
        with app.app_context():
            start.wait()
            try:
                return retrying(act, i)
            except LinliError as refused:
                return refused

    with ThreadPoolExecutor(number) as pool:
        return list(pool.map(run, range(number)))


def refusals(results: list[T | LinliError]) -> list[str]:
    """The codes of those that were refused."""
    return [result.code for result in results if isinstance(result, LinliError)]
