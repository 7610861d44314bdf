"""What benchmarks share: a result with its limit, a private MariaDB, many hands at once."""

import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from flask import Flask

from app import create_app
from core import config, database, embedded_redis
from core.database import Base
from tests.conftest import raw_config
from tests.servers import MariaDB


@dataclass(frozen=True)
class Result:
    """`ours` beside `yardstick` in `unit`; `limit` is for ours / yardstick.

    `at_least`: whether the ratio has to reach the limit (rates) or stay under it (times).
    """

    name: str
    what: str
    ours: float
    yardstick: float
    unit: str
    limit: float
    at_least: bool = True
    note: str = ""

    @property
    def ratio(self) -> float:
        return self.ours / self.yardstick if self.yardstick else 0.0

    @property
    def holds(self) -> bool:
        return self.ratio >= self.limit if self.at_least else self.ratio <= self.limit


@contextmanager
def mariadb_app(*, buffer_pool: str = "2G") -> Iterator[tuple[Flask, MariaDB, str]]:
    """The application on an empty MariaDB with durable commits and a Redis of its own."""
    with tempfile.TemporaryDirectory(prefix="linli-bench-") as folder:
        directory = Path(folder)
        redis = embedded_redis.start(directory / "redis")
        with (
            MariaDB(directory, buffer_pool=buffer_pool, durable=True) as server,
            server.database() as url,
        ):
            raw = raw_config(
                directory,
                database={"url": url, "pool_size": 40},
                redis={"url": embedded_redis.url(directory / "redis")},
            )
            app = create_app(config.parse(raw))
            with app.app_context():
                Base.metadata.create_all(database.db.engine)
                yield app, server, url
                database.db.engine.dispose()
        if redis:
            redis.terminate()
            redis.wait(10)


def together(app: Flask, hands: int, work: Callable[[int], object]) -> float:
    """Run `work(0…hands-1)` on as many threads, released at once; seconds until the last is done.

    An exception in any of them is raised here.
    """
    gate = threading.Barrier(hands + 1)
    errors: list[BaseException] = []

    def run(number: int) -> None:
        with app.app_context():
            gate.wait()
            try:
                work(number)
            except BaseException as error:  # noqa: BLE001  raised again below, in the caller's thread
                errors.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(hands)]
    for thread in threads:
        thread.start()
    gate.wait()
    began = time.perf_counter()
    for thread in threads:
        thread.join()
    took = time.perf_counter() - began
    if errors:
        raise errors[0]
    return took


def alternate(
    rounds: int, ours: Callable[[], float], yardstick: Callable[[], float]
) -> tuple[float, float]:
    """Measure both in turns, so that the machine's moods hit both; the medians."""
    mine, theirs = [], []
    for _ in range(rounds):
        theirs.append(yardstick())
        mine.append(ours())
    return statistics.median(mine), statistics.median(theirs)
