"""What is happening, one plain sentence per call, the newest kept."""

import json
import threading
from collections import deque
from collections.abc import Iterator
from itertools import count
from typing import Any

from sandbox.clock import Clock, rfc3339

Entry = dict[str, Any]


class Feed:
    """A bounded ring of entries with one condition that wakes the streams."""

    def __init__(self, clock: Clock, size: int = 2000) -> None:
        self._clock = clock
        self._entries: deque[Entry] = deque(maxlen=size)
        self._changed = threading.Condition()
        self._ids = count(1)
        self.last_id = 0

    def add(
        self,
        title: str,
        *,
        direction: str,
        api: str,
        tag: str = "",
        tone: str = "ok",
        detail: str = "",
        ms: float | None = None,
        raw: dict[str, Any] | None = None,
        person: str | None = None,
    ) -> None:
        """`direction`: in (the shop called), out (we called the shop), plan (a fault was set)."""
        entry = {
            "at": self._clock.now(),
            "direction": direction,
            "title": title,
            "tag": tag,
            "tone": tone,
            "detail": detail,
            "api": api,
            "ms": None if ms is None else round(ms, 1),
            "raw": raw or {},
            "person": person,
            "kind": "entry",
        }
        self._append(entry)

    def chat_changed(self, person: str, appid: str) -> None:
        """Tells the phones to read a chat again; it is not a line of the story."""
        self._append({"at": self._clock.now(), "kind": "chat", "person": person, "appid": appid})

    def after(self, last: int = 0, limit: int = 500, *, chats: bool = False) -> list[Entry]:
        with self._changed:
            newer: list[Entry] = []
            for entry in reversed(self._entries):
                if entry["id"] <= last or len(newer) >= limit:
                    break
                if chats or entry["kind"] != "chat":
                    newer.append(entry)
        return [_shown(entry) for entry in reversed(newer)]

    def stream(self, last: int, keep_alive: float = 15.0) -> Iterator[str]:
        """Server-sent events; a comment now and then so that a closed page is noticed."""
        yield "retry: 1000\n\n"
        while True:
            with self._changed:
                if self.last_id <= last:
                    self._changed.wait(keep_alive)
            entries = self.after(last, chats=True)
            if not entries:
                yield ": still here\n\n"
            for entry in entries:
                last = entry["id"]
                body = json.dumps(entry, ensure_ascii=False)
                head = "event: chat\n" if entry["kind"] == "chat" else ""
                yield f"id: {last}\n{head}data: {body}\n\n"

    def clear(self) -> None:
        with self._changed:
            self._entries.clear()

    def _append(self, entry: Entry) -> None:
        with self._changed:
            self.last_id = entry["id"] = next(self._ids)
            self._entries.append(entry)
            self._changed.notify_all()


def _shown(entry: Entry) -> Entry:
    return {**entry, "at": rfc3339(entry["at"])}
