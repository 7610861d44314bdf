"""Who is held out: a hash of the member, seeded per campaign, the same in SQL and in Python.

An affine map modulo a prime with both factors drawn from the seed: each campaign holds out other
people, and the same campaign always the same ones. Products stay below 2^62, so that every
database computes them in a plain BIGINT.
"""

import hashlib
from typing import NamedTuple

from sqlalchemy import ColumnElement, false

PRIME = 2**31 - 1
WHOLE = 10_000


class _Map(NamedTuple):
    factor: int
    offset: int


def is_held_out(member_id: int, *, seed: int, share_bp: int) -> bool:
    factor, offset = _map(seed)
    return ((member_id % PRIME) * factor + offset) % PRIME < _threshold(share_bp)


def held_out(member_id: ColumnElement[int], *, seed: int, share_bp: int) -> ColumnElement[bool]:
    """`is_held_out` as a condition."""
    if share_bp <= 0:
        return false()
    factor, offset = _map(seed)
    return ((member_id % PRIME) * factor + offset) % PRIME < _threshold(share_bp)


def _threshold(share_bp: int) -> int:
    return PRIME * share_bp // WHOLE


def _map(seed: int) -> _Map:
    digest = hashlib.sha256(f"holdout:{seed}".encode()).digest()
    factor = int.from_bytes(digest[:8], "big") % (PRIME - 1) + 1
    return _Map(factor, int.from_bytes(digest[8:16], "big") % PRIME)
