"""Things that happen later on the sandbox clock: retries, refunds that arrive, planned delays."""

import heapq
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import count
from typing import Any

from sandbox.clock import Clock


class Timer:
    """One thread waits, a pool works. Advancing the clock makes due what has become due."""

    def __init__(self, clock: Clock, workers: int = 16) -> None:
        self._clock = clock
        self._heap: list[tuple[float, int, Callable[[], object]]] = []
        self._order = count()
        self._changed = threading.Condition()
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="sandbox")
        self._stopped = False
        clock.on_advance(self._wake)
        threading.Thread(target=self._run, name="sandbox-timer", daemon=True).start()

    def after(self, seconds: float, work: Callable[[], object]) -> None:
        self.at(self._clock.now() + seconds, work)

    def at(self, due: float, work: Callable[[], object]) -> None:
        with self._changed:
            heapq.heappush(self._heap, (due, next(self._order), work))
            self._changed.notify()

    def soon(self, work: Callable[[], Any]) -> Future[Any]:
        return self._pool.submit(work)

    def clear(self) -> None:
        with self._changed:
            self._heap.clear()

    def stop(self) -> None:
        with self._changed:
            self._stopped = True
            self._heap.clear()
            self._changed.notify()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify()

    def _run(self) -> None:
        while True:
            with self._changed:
                if self._stopped:
                    return
                wait = self._heap[0][0] - self._clock.now() if self._heap else None
                if wait is None or wait > 0:
                    self._changed.wait(wait)
                    continue
                work = heapq.heappop(self._heap)[2]
            self.soon(work)
