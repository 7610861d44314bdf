"""Access tokens of both endpoints, OAuth tokens and JS tickets."""

import secrets
from collections import deque
from dataclasses import asdict, dataclass
from typing import Any

from sandbox.clock import Clock

EARLY = 300.0  # a stable token is replaced this long before it ends; the old one lives on meanwhile
FORCE_GAP, FORCE_A_DAY = 30.0, 20


@dataclass(slots=True)
class Token:
    kind: str  # stable, plain, oauth, refresh, ticket
    appid: str
    expires_at: float
    openid: str = ""
    scope: str = ""


class Tokens:
    def __init__(self, clock: Clock, life: int) -> None:
        self._clock, self._life = clock, life
        self._tokens: dict[str, Token] = {}
        self._ages: deque[tuple[float, str]] = deque()
        self._current: dict[str, str] = {}
        self._forced: dict[str, list[float]] = {}

    def stable(self, appid: str, *, force: bool) -> tuple[str, int] | None:
        """The current token and its remaining seconds; None when forcing is over its quota."""
        now = self._clock.now()
        current = self._current.get(appid, "")
        token = self._tokens.get(current)
        if force:
            times = [at for at in self._forced.get(appid, []) if at > now - 86_400]
            if len(times) >= FORCE_A_DAY or (times and times[-1] > now - FORCE_GAP):
                return None
            self._forced[appid] = [*times, now]
            self._tokens.pop(current, None)
            token = None
        early = min(EARLY, self._life / 4)
        if token is None or token.expires_at - early <= now:
            current = self.new("stable", appid)
            self._current[appid] = current
            token = self._tokens[current]
        return current, int(token.expires_at - now)

    def new(
        self,
        kind: str,
        appid: str,
        *,
        life: float | None = None,
        openid: str = "",
        scope: str = "",
    ) -> str:
        self._forget_old()
        value = f"{secrets.randbelow(90) + 10}_{secrets.token_urlsafe(96)}"
        expires_at = self._clock.now() + (self._life if life is None else life)
        self._tokens[value] = Token(kind, appid, expires_at, openid, scope)
        self._ages.append((expires_at + 3600, value))
        return value

    def find(self, value: str) -> Token | None:
        return self._tokens.get(value)

    def is_expired(self, token: Token) -> bool:
        return token.expires_at <= self._clock.now()

    def invalidate(self, appid: str) -> None:
        """As if somebody else had forced a new one: the shop's token is dead at once."""
        self._tokens.pop(self._current.pop(appid, ""), None)

    def _forget_old(self) -> None:
        now = self._clock.now()
        while self._ages and self._ages[0][0] < now:
            self._tokens.pop(self._ages.popleft()[1], None)

    def dump(self) -> dict[str, Any]:
        tokens = {value: asdict(token) for value, token in list(self._tokens.items())}
        return {"tokens": tokens, "current": dict(self._current)}

    def load(self, data: dict[str, Any]) -> None:
        self._tokens = {value: Token(**row) for value, row in data["tokens"].items()}
        self._ages = deque((t.expires_at + 3600, v) for v, t in self._tokens.items())
        self._current = dict(data["current"])
