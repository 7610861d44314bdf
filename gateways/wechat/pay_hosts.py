"""WeChat Pay has two hosts: who cannot be reached at one is answered by the other."""

import threading
import time
from collections.abc import Callable, Sequence

from gateways.http import Answer, NoAnswer

_AVOID_SECONDS = 60.0


class PayHosts:
    """The hosts in the order in which they are asked, shared by all who ask them.

    One that did not answer is left alone for a minute, unless the other fails too.
    """

    def __init__(self, bases: Sequence[str]) -> None:
        self._bases = [base.rstrip("/") for base in bases]
        self._failed: dict[str, float] = {}
        self._lock = threading.Lock()

    @property
    def first(self) -> str:
        """Which one is asked now."""
        return self._in_order()[0]

    def ask(self, send: Callable[[str], Answer], *, repeatable: bool) -> Answer:
        """What `send`, which is given a base, is answered. Raises NoAnswer.

        The next host is asked where nothing was sent, or where what was sent may be sent again;
        but not when all the time that somebody waits for us is gone: then it is the next call's.
        """
        first, *others = self._in_order()
        for base in (first, *others):
            try:
                return send(base)
            except NoAnswer as error:
                self._remember(base)
                last = error
                if error.slow or (error.sent and not repeatable):
                    break
        raise last

    def _in_order(self) -> list[str]:
        now = time.monotonic()
        with self._lock:
            return sorted(self._bases, key=lambda base: now < self._failed.get(base, 0.0))

    def _remember(self, base: str) -> None:
        with self._lock:
            self._failed[base] = time.monotonic() + _AVOID_SECONDS
