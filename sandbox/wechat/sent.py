"""What the shop sent: the newest messages in full, and counters of everything."""

from collections import Counter, deque
from typing import Any

from sandbox.clock import Clock, rfc3339

KEEP = 50_000


class Sent:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._messages: deque[tuple[float, str, str, str, int, Any]] = deque(maxlen=KEEP)
        self.counts: Counter[str] = Counter()
        self.client_ids: dict[str, tuple[float, int]] = {}
        self._client_ages: deque[tuple[float, str]] = deque()

    def add(self, channel: str, appid: str, openid: str, errcode: int, body: Any) -> None:
        self._messages.append((self._clock.stamp(), channel, appid, openid, errcode, body))
        self.counts[f"{channel}:{errcode}"] += 1

    def list(self, limit: int, openid: str | None = None) -> list[dict[str, Any]]:
        """Newest last."""
        names = ("at", "channel", "appid", "openid", "errcode", "body")
        rows: list[dict[str, Any]] = []
        for message in reversed(self._messages):
            if len(rows) >= limit:
                break
            if openid is None or message[3] == openid:
                rows.append(dict(zip(names, (rfc3339(message[0]), *message[1:]), strict=True)))
        return rows[::-1]

    def seen_client_id(self, key: str) -> int | None:
        """The message id under which this client id was sent in the last ten minutes."""
        now = self._clock.now()
        while self._client_ages and self._client_ages[0][0] <= now:
            self.client_ids.pop(self._client_ages.popleft()[1], None)
        found = self.client_ids.get(key)
        return found[1] if found and found[0] > now else None

    def remember_client_id(self, key: str, message_id: int) -> None:
        expires_at = self._clock.now() + 600
        self.client_ids[key] = (expires_at, message_id)
        self._client_ages.append((expires_at, key))

    def clear(self) -> None:
        self._messages.clear()
        self.counts.clear()
        self.client_ids.clear()
        self._client_ages.clear()

    def dump(self) -> dict[str, Any]:
        return {"messages": list(self._messages), "counts": dict(self.counts)}

    def load(self, data: dict[str, Any]) -> None:
        self.clear()
        self._messages.extend(tuple(row) for row in data["messages"])
        self.counts.update(data["counts"])
