"""Codes that can be scanned: parametric QR codes of official accounts, mini-program codes."""

import hashlib
import secrets
from dataclasses import asdict, dataclass
from typing import Any

from sandbox.clock import Clock


@dataclass(slots=True)
class Qr:
    """`content` is what a camera reads; `scene` what the account is told."""

    kind: str  # official, mini
    appid: str
    scene: str
    content: str
    ticket: str
    expires_at: float | None = None
    page: str = ""
    scans: int = 0  # that the shop has heard of
    title: str = ""
    note: str = ""


class Qrs:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._by_ticket: dict[str, Qr] = {}
        self._by_content: dict[str, Qr] = {}
        self._words: dict[str, tuple[str, str]] = {}
        self.permanent = 0

    def name(self, scene: str, title: str, note: str) -> None:
        """The words under the codes of this scene, made already or to be made."""
        self._words[scene] = (title, note)
        for qr in self._by_ticket.values():
            if qr.scene == scene:
                qr.title, qr.note = title, note

    def create_official(self, appid: str, scene: str, seconds: float | None) -> Qr:
        expires_at = None if seconds is None else self._clock.now() + seconds
        ticket = "gQ" + secrets.token_urlsafe(66)
        if expires_at is None:
            # A permanent code asked for again is the same code.
            ticket = "gQ" + _name(appid, scene) * 3
            if ticket in self._by_ticket:
                return self._by_ticket[ticket]
            self.permanent += 1
        content = f"http://weixin.qq.com/q/{_name(ticket)[:22]}"
        return self._keep(Qr("official", appid, scene, content, ticket, expires_at))

    def create_mini(self, appid: str, scene: str, page: str) -> Qr:
        ticket = _name("mini", appid, scene, page)
        content = f"https://mp.weixin.qq.com/a/{ticket[:22]}"
        return self._keep(Qr("mini", appid, scene, content, ticket, None, page))

    def by_ticket(self, ticket: str) -> Qr | None:
        return self._by_ticket.get(ticket)

    def read(self, content: str) -> Qr | None:
        """What a camera that reads this content finds; an expired code is found too."""
        return self._by_content.get(content)

    def is_expired(self, qr: Qr) -> bool:
        return qr.expires_at is not None and qr.expires_at <= self._clock.now()

    def list(self, limit: int = 200) -> list[Qr]:
        """Newest first."""
        return list(reversed(self._by_ticket.values()))[:limit]

    def _keep(self, qr: Qr) -> Qr:
        if qr.scene in self._words:
            qr.title, qr.note = self._words[qr.scene]
        self._by_ticket[qr.ticket] = qr
        self._by_content[qr.content] = qr
        return qr

    def clear(self) -> None:
        self._by_ticket.clear()
        self._by_content.clear()
        self._words.clear()
        self.permanent = 0

    def dump(self) -> dict[str, Any]:
        return {
            "qrs": [asdict(qr) for qr in list(self._by_ticket.values())],
            "words": {scene: list(words) for scene, words in self._words.items()},
        }

    def load(self, data: dict[str, Any]) -> None:
        self.clear()
        self._words = {scene: (t, n) for scene, (t, n) in data.get("words", {}).items()}
        for row in data["qrs"]:
            qr = self._keep(Qr(**row))
            self.permanent += qr.kind == "official" and qr.expires_at is None


def _name(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]
