"""One-time codes of five minutes: login, phone number and OAuth, each good for its own purpose."""

import secrets
from collections import deque
from dataclasses import asdict, dataclass
from typing import Any, Literal

from sandbox.clock import Clock

LIFE = 300.0
Refusal = Literal["invalid", "used"]


@dataclass(slots=True)
class Code:
    purpose: str  # login, phone, oauth
    appid: str
    person_id: str
    expires_at: float
    scope: str = ""
    used: bool = False


class Codes:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._codes: dict[str, Code] = {}
        self._ages: deque[tuple[float, str]] = deque()

    def new(self, purpose: str, appid: str, person_id: str, scope: str = "") -> str:
        self._forget_old()
        code = "0" + secrets.token_hex(16)[1:]
        expires_at = self._clock.now() + LIFE
        self._codes[code] = Code(purpose, appid, person_id, expires_at, scope)
        self._ages.append((expires_at + 2 * LIFE, code))
        return code

    def use(self, value: str, purpose: str, appid: str) -> Code | Refusal:
        code = self._codes.get(value)
        if code is None or code.purpose != purpose or code.appid != appid:
            return "invalid"
        if code.used:
            return "used"
        if code.expires_at <= self._clock.now():
            return "invalid"
        code.used = True
        return code

    def _forget_old(self) -> None:
        now = self._clock.now()
        while self._ages and self._ages[0][0] < now:
            self._codes.pop(self._ages.popleft()[1], None)

    def clear(self) -> None:
        self._codes.clear()
        self._ages.clear()

    def dump(self) -> dict[str, Any]:
        return {value: asdict(code) for value, code in list(self._codes.items())}

    def load(self, data: dict[str, Any]) -> None:
        self._codes = {value: Code(**row) for value, row in data.items()}
        self._ages = deque((c.expires_at + 2 * LIFE, v) for v, c in self._codes.items())
