"""Orders, refunds and notices of WeChat Pay."""

from typing import Any

from sandbox.clock import Clock


class Ledger:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def overview(self, limit: int) -> dict[str, Any]:
        return {}

    def clear(self) -> None: ...

    def dump(self) -> dict[str, Any]:
        return {}

    def load(self, data: dict[str, Any]) -> None: ...
