"""What is wrong with the bills that are given out, and the files that wait to be downloaded."""

import secrets
from dataclasses import dataclass, field

from sandbox.clock import Clock

GOOD_SECONDS = 30.0


@dataclass
class Wrongs:
    """By the shop's number of a payment or a refund: left out, or with another amount.

    `extra`: payments that nobody made, number → fen. `early`: days that are not over have bills.
    """

    missing: set[str] = field(default_factory=set)
    amounts_fen: dict[str, int] = field(default_factory=dict)
    fees_fen: dict[str, int] = field(default_factory=dict)
    extra: dict[str, int] = field(default_factory=dict)
    states: dict[str, str] = field(default_factory=dict)
    wrong_hash: bool = False
    wrong_totals: bool = False
    bom: bool = False
    early: bool = False


class Bills:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._files: dict[str, tuple[bytes, float]] = {}
        self.wrongs = Wrongs()

    def keep(self, content: bytes) -> str:
        """The token under which it can be had for a while."""
        now = self._clock.now()
        self._files = {key: kept for key, kept in self._files.items() if kept[1] > now}
        token = secrets.token_urlsafe(24)
        self._files[token] = (content, now + GOOD_SECONDS)
        return token

    def find(self, token: str) -> bytes | None:
        content, until = self._files.get(token, (None, 0.0))
        return content if until > self._clock.now() else None

    def clear(self) -> None:
        self._files.clear()
        self.wrongs = Wrongs()
