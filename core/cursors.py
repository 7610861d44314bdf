"""Keyset cursors: where a page ended, opaque to the caller."""

import base64
import binascii
import json
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
    except (ValueError, binascii.Error, UnicodeError):
        raise Malformed("分页参数不对") from None
    simple = isinstance(position, list) and all(
        isinstance(value, str | int | float) for value in position
    )
    if not simple or len(position) != length:
        raise Malformed("分页参数不对")
    return list(position)
