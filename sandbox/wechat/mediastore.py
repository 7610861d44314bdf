"""Files that WeChat keeps: of accounts, for three days or for ever, and what people have sent."""

import secrets
from base64 import b64decode, b64encode
from dataclasses import dataclass
from typing import Any

from sandbox.clock import Clock

THREE_DAYS = 3 * 86_400.0
MOST_LASTING = {"image": 100_000, "thumb": 1_000, "voice": 1_000, "video": 1_000}


@dataclass(frozen=True, slots=True)
class Media:
    """`ends_at` is 0 for what stays."""

    media_id: str
    appid: str
    kind: str
    mime: str
    raw: bytes
    ends_at: float


class MediaStore:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._kept: dict[str, Media] = {}

    def add(self, appid: str, kind: str, mime: str, raw: bytes, *, lasting: bool) -> Media:
        ends_at = 0.0 if lasting else self._clock.now() + THREE_DAYS
        media = Media(secrets.token_urlsafe(32), appid, kind, mime, raw, ends_at)
        self._kept[media.media_id] = media
        return media

    def find(self, media_id: str, appid: str = "") -> Media | None:
        found = self._kept.get(media_id)
        if found is None or (appid and found.appid != appid):
            return None
        return None if 0 < found.ends_at <= self._clock.now() else found

    def drop(self, media_id: str) -> None:
        self._kept.pop(media_id, None)

    def count_lasting(self, appid: str, kind: str) -> int:
        return sum(
            m.appid == appid and m.kind == kind and not m.ends_at for m in self._kept.values()
        )

    def clear(self) -> None:
        self._kept.clear()

    def dump(self) -> list[dict[str, Any]]:
        names = ("media_id", "appid", "kind", "mime", "ends_at")
        return [
            {**{name: getattr(m, name) for name in names}, "raw": b64encode(m.raw).decode()}
            for m in list(self._kept.values())
        ]

    def load(self, data: list[dict[str, Any]]) -> None:
        self._kept = {
            row["media_id"]: Media(**{**row, "raw": b64decode(row["raw"])}) for row in data
        }
