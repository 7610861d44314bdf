"""What each person's phone shows in the chat with an account."""

import threading
from collections import defaultdict
from typing import Any

from sandbox.clock import Clock, rfc3339
from sandbox.feed import Feed
from sandbox.people import Person

KEEP = 300


class Chats:
    """Messages per (appid, person), oldest dropped. `from`: me, account or system."""

    def __init__(self, clock: Clock, feed: Feed) -> None:
        self._clock, self._feed = clock, feed
        self._messages: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self._lock = threading.Lock()  # replies arrive on delivery threads
        self._last = 0

    def changed(self, person: Person, appid: str) -> None:
        """Have the phones read the chat again: a message, or another menu."""
        if person.role != "crowd":
            self._feed.chat_changed(person.id, appid)

    def add(self, person: Person, appid: str, /, *, sender: str, kind: str, **content: Any) -> None:
        if person.role == "crowd":
            return
        message = {"at": rfc3339(self._clock.now()), "from": sender, "kind": kind, **content}
        with self._lock:
            self._last += 1
            messages = self._messages[f"{appid}|{person.id}"]
            messages.append({"id": self._last, **message})
            if len(messages) > KEEP:
                del messages[: KEEP // 3]
        self.changed(person, appid)

    def replace(
        self, person: Person, appid: str, mark: str, /, *, sender: str, kind: str, **content: Any
    ) -> None:
        """As `add`, and what stood there under the same mark is gone."""
        with self._lock:
            messages = self._messages[f"{appid}|{person.id}"]
            messages[:] = [each for each in messages if each.get("mark") != mark]
        self.add(person, appid, sender=sender, kind=kind, mark=mark, **content)

    def list(self, person: Person, appid: str) -> list[dict[str, Any]]:
        return list(self._messages.get(f"{appid}|{person.id}", ()))

    def clear(self) -> None:
        self._messages.clear()

    def dump(self) -> dict[str, Any]:
        return {"messages": {k: list(v) for k, v in self._messages.items()}, "last": self._last}

    def load(self, data: dict[str, Any]) -> None:
        self._messages.clear()
        self._messages.update(data["messages"])
        self._last = data["last"]
