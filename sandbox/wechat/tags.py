"""Tags of an official account: create, get, and put on followers."""

from typing import Any

MAX_TAGS, NAME_LENGTH, PER_PERSON, BATCH = 100, 30, 20, 50


class Tags:
    """Names by id per account; 0, 1 and 2 belong to WeChat."""

    def __init__(self) -> None:
        self._tags: dict[str, dict[int, str]] = {}
        self._last = 99

    def of(self, appid: str) -> dict[int, str]:
        return self._tags.setdefault(appid, {2: "星标组"})

    def create(self, appid: str, name: str) -> int:
        self._last += 1
        self.of(appid)[self._last] = name
        return self._last

    def clear(self) -> None:
        self._tags.clear()

    def dump(self) -> dict[str, Any]:
        return {
            "tags": {appid: list(tags.items()) for appid, tags in self._tags.items()},
            "last": self._last,
        }

    def load(self, data: dict[str, Any]) -> None:
        self._tags = {appid: dict(map(tuple, rows)) for appid, rows in data["tags"].items()}
        self._last = data["last"]
