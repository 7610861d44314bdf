"""Keyset cursors: where a page ended, opaque to the caller."""

import base64
import binascii
import json
import math
from datetime import UTC, datetime
from typing import Any

from core.errors import Malformed


def encode(position: list[Any]) -> str:
    """JSON values of the last row's sort key → an opaque, URL-safe text."""
    text = json.dumps(position, separators=(",", ":"), ensure_ascii=False)
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decode(cursor: str, length: int) -> list[Any]:
    """The `length` values that `encode` was given. Raises Malformed for anything else."""
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        position = json.loads(base64.urlsafe_b64decode(padded.encode()).decode())
    except (ValueError, binascii.Error, UnicodeError, RecursionError):
        raise Malformed("分页参数不对") from None
    if not isinstance(position, list) or len(position) != length:
        raise Malformed("分页参数不对")
    if not all(_is_storable(value) for value in position):
        raise Malformed("分页参数不对")
    return list(position)


def moment(value: object) -> datetime:
    """A decoded value as an aware time. Raises Malformed."""
    try:
        at = datetime.fromisoformat(str(value))
        if at.tzinfo is None:
            raise Malformed("分页参数不对")
        return at.astimezone(UTC)
    except (ValueError, OverflowError):
        raise Malformed("分页参数不对") from None


def number(value: object) -> int:
    """A decoded value as a whole number. Raises Malformed."""
    if type(value) is not int:
        raise Malformed("分页参数不对")
    return value


def after(at: datetime, id_: int) -> str:
    """The cursor behind a row of a list by time."""
    return encode([at.isoformat(), id_])


def place(cursor: str) -> tuple[datetime, int] | None:
    """The (at, id) that `after` was given, None at the beginning. Raises Malformed."""
    if not cursor:
        return None
    at, id_ = decode(cursor, 2)
    return moment(at), number(id_)


def _is_storable(value: object) -> bool:
    """Whether a database takes it as a parameter; anybody may write a cursor."""
    if isinstance(value, int):
        return abs(value) < 2**63
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, str) and not any("\ud800" <= char <= "\udfff" for char in value)
