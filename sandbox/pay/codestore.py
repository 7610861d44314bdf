"""The codes that phones show at the counter (付款码)."""

import secrets
from dataclasses import dataclass

from sandbox.clock import Clock
from sandbox.pay.errors import PayError
from sandbox.people import Person

FRESH_SECONDS, GOOD_SECONDS = 60, 120


@dataclass(slots=True)
class Shown:
    person_id: str
    until: float
    used: bool = False


class PayCodes:
    """A code is good for a minute or two, and once."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._shown: dict[str, Shown] = {}

    def new(self, person: Person) -> str:
        now = self._clock.now()
        self._shown = {code: each for code, each in self._shown.items() if each.until > now - 3600}
        code = f"{secrets.choice((10, 11, 12, 13, 14))}{secrets.randbelow(10**16):016d}"
        self._shown[code] = Shown(person.id, now + GOOD_SECONDS)
        return code

    def use(self, code: str) -> str:
        """Whose it is. Raises PayError."""
        if len(code) != 18 or not code.isdigit() or not 10 <= int(code[:2]) <= 15:
            raise PayError(400, "AUTH_CODE_INVALID", "请扫描微信支付被扫条码/二维码")
        shown = self._shown.get(code)
        if shown is None or shown.used:
            raise PayError(400, "AUTH_CODE_ERROR", "付款码无效，请重新扫码")
        if shown.until < self._clock.now():
            raise PayError(400, "AUTHCODEEXPIRE", "二维码已过期，请用户在微信上刷新后再试")
        shown.used = True
        return shown.person_id

    def clear(self) -> None:
        self._shown.clear()
