"""Numbers that people and programs see: unguessable where guessing pays, readable everywhere."""

import hashlib
import secrets
from datetime import datetime

from core.clock import local

CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
DIGITS = "0123456789"


def random_code(length: int, alphabet: str = CROCKFORD) -> str:
    """`length` random characters; the default alphabet has no I, L, O or U to misread."""
    return "".join(secrets.choice(alphabet) for _ in range(length))


def order_no(now: datetime) -> str:
    """A public number: the local day and ten random characters, `20261122-…` without the dash."""
    return f"{local(now):%Y%m%d}{random_code(10)}"


def new_token() -> str:
    """An opaque secret of 256 bits for a URL, header or cookie."""
    return secrets.token_urlsafe(32)


def token_hash(token: str) -> str:
    """What is stored of a token: its SHA-256, hex. Tokens carry full entropy, so no salt."""
    return hashlib.sha256(token.encode()).hexdigest()
