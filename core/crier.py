"""Words for whoever listens on Redis now, said by a thread: who has committed does not wait for it.

The same word to the same channel is said once for all that happened in a few milliseconds. What is
said may be lost, and so may be what was not said yet when the process ends.
"""

import threading
import time
from collections.abc import Callable, Sequence

GATHER_SECONDS = 0.005
IDLE_SECONDS = 30.0  # a thread that has had nothing to say for so long ends


class Crier:
    """`publish` is given the channels that something was said to; it must not raise."""

    def __init__(self, publish: Callable[[Sequence[str]], None]) -> None:
        self._publish = publish
        self._due: dict[str, None] = {}
        self._said = threading.Condition()
        self._runs = False

    def say(self, channel: str) -> None:
        with self._said:
            if not self._runs:
                self._runs = True
                threading.Thread(target=self._run, name="crier", daemon=True).start()
            elif not self._due:
                self._said.notify()
            self._due[channel] = None

    def _run(self) -> None:
        while channels := self._next():
            self._publish(channels)
            time.sleep(GATHER_SECONDS)

    def _next(self) -> list[str]:
        with self._said:
            if not self._due:
                self._said.wait(IDLE_SECONDS)
            self._runs = bool(self._due)
            channels = list(self._due)
            self._due.clear()
            return channels
