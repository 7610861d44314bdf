"""Broadcasts that the shop asked for, whom they reached, and what everybody has left this month."""

import secrets
from collections import Counter
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from sandbox.clock import SHANGHAI, Clock

PER_MONTH, CALLS_A_DAY, PREVIEWS_A_DAY = 4, 100, 100
REMEMBERED, TOO_SOON = 24 * 3600.0, 60.0


@dataclass(slots=True)
class Mass:
    """`touser` in the order given; the counts are there once it is done."""

    msg_id: int
    appid: str
    at: float
    content: dict[str, Any]
    touser: list[str] = field(default_factory=list)
    to_all: bool = False
    status: str = "SENDING"
    total: int = 0
    filtered: int = 0
    sent: int = 0
    errors: int = 0


class Masses:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._by_id: dict[int, Mass] = {}
        self._used: Counter[str] = Counter()  # "appid|openid|month", and calls of a day
        self._client_ids: dict[str, tuple[float, float, int]] = {}  # first and last try
        self._drafts: dict[str, dict[str, Any]] = {}

    def add(self, mass: Mass) -> None:
        self._by_id[mass.msg_id] = mass

    def find(self, msg_id: object) -> Mass | None:
        return self._by_id.get(int(msg_id)) if str(msg_id).isdigit() else None  # type: ignore[call-overload]

    def list(self) -> list[Mass]:
        return list(self._by_id.values())

    def repeated(self, key: str) -> tuple[int, bool] | None:
        """The number that a client id was sent under, and whether this try comes too soon."""
        found, now = self._client_ids.get(key), self._clock.now()
        if found is None or now - found[0] > REMEMBERED:
            return None
        first, last, msg_id = found
        self._client_ids[key] = (first, now, msg_id)
        return msg_id, now - last < TOO_SOON

    def remember(self, key: str, msg_id: int) -> None:
        now = self._clock.now()
        self._client_ids[key] = (now, now, msg_id)

    def spend_call(self, appid: str, kind: str, limit: int) -> bool:
        """One of the calls that an account has in a day."""
        key = f"{appid}|{kind}|{self._date('%Y-%m-%d')}"
        if self._used[key] >= limit:
            return False
        self._used[key] += 1
        return True

    def spend(self, appid: str, openid: str) -> bool:
        """One of the four broadcasts that a follower takes in a calendar month."""
        key = f"{appid}|{openid}|{self._date('%Y-%m')}"
        if self._used[key] >= PER_MONTH:
            return False
        self._used[key] += 1
        return True

    def used_today(self, appid: str) -> int:
        return self._used[f"{appid}|calls|{self._date('%Y-%m-%d')}"]

    def keep_draft(self, article: dict[str, Any]) -> str:
        media_id = f"draft-{secrets.token_urlsafe(24)}"
        self._drafts[media_id] = article
        return media_id

    def draft(self, media_id: object) -> dict[str, Any] | None:
        return self._drafts.get(str(media_id))

    def _date(self, form: str) -> str:
        return datetime.fromtimestamp(self._clock.now(), SHANGHAI).strftime(form)

    def clear(self) -> None:
        for store in (self._by_id, self._used, self._client_ids, self._drafts):
            store.clear()

    def dump(self) -> dict[str, Any]:
        return {
            "masses": [asdict(mass) for mass in self._by_id.values()],
            "used": dict(self._used),
            "client_ids": self._client_ids,
            "drafts": self._drafts,
        }

    def load(self, data: dict[str, Any]) -> None:
        self.clear()
        for row in data["masses"]:
            self.add(Mass(**row))
        self._used.update(data["used"])
        self._client_ids.update({key: tuple(row) for key, row in data["client_ids"].items()})
        self._drafts.update(data["drafts"])
