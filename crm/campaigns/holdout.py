"""Who is drawn: a hash of the member, seeded per campaign, the same in SQL and in Python.

A line modulo a prime, squared, and a line again, all drawn from the seed: each campaign holds out
other people, and the same campaign always the same ones. A line alone is not enough: for an unlucky
factor neighbours fall together. Products stay below 2^62, so that every database computes them in a
plain BIGINT.
"""

import hashlib
from functools import lru_cache
from typing import Any

from sqlalchemy import ColumnElement, false

PRIME = 2**31 - 1
WHOLE = 10_000


def held_out(member_id: Any, *, seed: int, share_bp: int) -> ColumnElement[bool]:
    """Whether a member is held out, as a condition; given a number, it is the answer itself."""
    if share_bp <= 0:
        return false()
    chosen: ColumnElement[bool] = hash_of(member_id, f"holdout:{seed}") < PRIME * share_bp // WHOLE
    return chosen


def hash_of(member_id: Any, salt: str) -> Any:
    """A number below PRIME; another salt draws other people."""
    first, second, third, fourth = _factors(salt)
    line = ((member_id % PRIME) * first + second) % PRIME
    return ((line * line) % PRIME * third + fourth) % PRIME


@lru_cache(maxsize=64)
def _factors(salt: str) -> tuple[int, ...]:
    digest = hashlib.sha256(salt.encode()).digest()
    return tuple(
        int.from_bytes(digest[at : at + 8], "big") % (PRIME - 1) + 1 for at in range(0, 32, 8)
    )
