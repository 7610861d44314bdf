"""Coupon codes: unguessable numbers with a check digit, and the rotating forms of them.

A code is 12 digits, 11 of them random. What the member shows rotates every STEP seconds: in the QR
a signed token, under it the code and four digits that only this step knows, so that a screenshot
is useless a minute later. The bare code still names the coupon; whoever accepts it is told that it
was not fresh.
"""

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from core.crypto import keyring
from coupons.errors import CodeExpired, CouponNotFound

STEP = 60
LENGTH = 12
PROOF = 4
PREFIX = "LL1"


@dataclass(frozen=True)
class Reading:
    """What was scanned or typed: the coupon's code, and whether it was a rotating form of it.

    `stale`: it was one, but more than a step old.
    """

    code: str
    fresh: bool
    stale: bool = False


def new_code() -> str:
    digits = f"{secrets.randbelow(10 ** (LENGTH - 1)):0{LENGTH - 1}d}"
    return digits + check_digit(digits)


def check_digit(digits: str) -> str:
    """ISO 7064 MOD 11,10: finds every wrong digit and nearly every swap of neighbours."""
    product = 10
    for digit in digits:
        product = ((product + int(digit)) % 10 or 10) * 2 % 11
    return str((11 - product) % 10)


def is_code(text: str) -> bool:
    return (
        len(text) == LENGTH
        and text.isascii()
        and text.isdigit()
        and check_digit(text[:-1]) == text[-1]
    )


def rotating(code: str, now: datetime) -> tuple[str, datetime]:
    """The token for the QR now, and when the next one begins."""
    step = _step(now)
    return f"{PREFIX}.{code}.{step}.{_mac(code, step)}", _end(step)


def typed(code: str, now: datetime) -> str:
    """What to show under the QR, in groups of four: the code and this step's four digits."""
    digits = code + _proof(code, _step(now))
    return " ".join(digits[i : i + 4] for i in range(0, len(digits), 4))


def read(text: str, now: datetime) -> Reading:
    """A token, a typed number or a bare code. CodeExpired: right, but more than a step old.

    Raises CouponNotFound for anything that cannot be a code of ours.
    """
    reading = parse(text, now)
    if reading.stale:
        raise CodeExpired
    return reading


def parse(text: str, now: datetime, slack: timedelta = timedelta()) -> Reading:
    """`read` for who may also take a stale one: a repeat of what was done while it was fresh.

    `slack`: how far the clock that says `now` may be from ours.
    """
    accepted = _accepted(now, slack)
    text = text.strip()
    if text.startswith(f"{PREFIX}."):
        return _read_token(text, accepted)
    digits = "".join(char for char in text if char not in " -\t")
    if len(digits) == LENGTH + PROOF and is_code(digits[:LENGTH]):
        code, proof = digits[:LENGTH], digits[LENGTH:]
        fresh = any(_same(proof, _proof(code, step)) for step in accepted)
        return Reading(code, fresh, stale=not fresh)
    if is_code(digits):
        return Reading(digits, fresh=False)
    raise CouponNotFound("券码不对，看看有没有输错")


def _read_token(text: str, accepted: range) -> Reading:
    parts = text.split(".")
    well_formed = len(parts) == 4 and is_code(parts[1]) and parts[2].isascii()
    if not well_formed or not parts[2].isdigit() or len(parts[2]) > 12:
        raise CouponNotFound("这不是我们的券码")
    code, step = parts[1], int(parts[2])
    if not _same(parts[3], _mac(code, step)):
        raise CouponNotFound("这不是我们的券码")
    fresh = step in accepted
    return Reading(code, fresh, stale=not fresh)


def _step(now: datetime) -> int:
    return int(now.timestamp()) // STEP


def _end(step: int) -> datetime:
    return datetime.fromtimestamp((step + 1) * STEP, UTC)


def _accepted(now: datetime, slack: timedelta) -> range:
    """This step and the one before: a code read at its last second must still work."""
    more = int(slack.total_seconds()) // STEP
    return range(_step(now) - 1 - more, _step(now) + 1 + more)


def _mac(code: str, step: int) -> str:
    return keyring().sign(f"{code}.{step}", "coupons.code")


def _proof(code: str, step: int) -> str:
    digest = hashlib.sha256(_mac(code, step).encode()).digest()
    return f"{int.from_bytes(digest[:8], 'big') % 10**PROOF:0{PROOF}d}"


def _same(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "replace"), expected.encode())
