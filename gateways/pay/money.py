"""Yuan as channels write them, and fen as we count them: exact, both ways."""

import re

_YUAN = re.compile(r"(-?)(\d{1,12})(?:\.(\d{1,2}))?")


def to_yuan(fen: int) -> str:
    """1234 → "12.34"."""
    sign = "-" if fen < 0 else ""
    return f"{sign}{abs(fen) // 100}.{abs(fen) % 100:02d}"


def to_fen(yuan: object) -> int:
    """ "12.3" → 1230. Raises ValueError for anything that is no amount in whole fen."""
    found = _YUAN.fullmatch(yuan) if isinstance(yuan, str) else None
    if found is None or not found.group(0).isascii():
        raise ValueError("not an amount in yuan")
    sign, whole, part = found.groups()
    fen = int(whole) * 100 + int((part or "").ljust(2, "0"))
    return -fen if sign else fen
