"""Encryption at rest, look-up hashes and signatures: AES-256-GCM, HMAC-SHA-256, HKDF.

Sealed text is `<version>.<base64 of nonce + ciphertext>`. The newest key seals, any known key
opens, so keys are rotated by putting a new one in front.
"""

import base64
import hashlib
import hmac
import secrets
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from flask import current_app
from sqlalchemy import Dialect, Text, TypeDecorator


class Unreadable(Exception):
    """Sealed text that no key opens: the key is gone or the text was changed."""


class Keyring:
    """The application's keys. `keys` are `"<version>:<base64 of 32 bytes>"`, newest first."""

    def __init__(self, keys: list[str], secret: str) -> None:
        self._ciphers: dict[str, AESGCM] = {}
        for key in keys:
            version, _, material = key.partition(":")
            self._ciphers[version] = AESGCM(base64.b64decode(material))
        self._newest = keys[0].partition(":")[0]
        self._secret = secret.encode()

    def seal(self, text: str) -> str:
        """Encrypt `text` under the newest key."""
        nonce = secrets.token_bytes(12)
        sealed = self._ciphers[self._newest].encrypt(nonce, text.encode(), self._newest.encode())
        return f"{self._newest}.{base64.b64encode(nonce + sealed).decode()}"

    def open(self, sealed: str) -> str:
        """Decrypt what `seal` made. Raises Unreadable."""
        version, _, body = sealed.partition(".")
        try:
            raw = base64.b64decode(body, validate=True)
            opened = self._ciphers[version].decrypt(raw[:12], raw[12:], version.encode())
        except (KeyError, ValueError, InvalidTag):
            raise Unreadable(f"no key opens this text (key version {version!r})") from None
        return opened.decode()

    def blind_index(self, text: str) -> str:
        """A keyed hash, hex: equal texts can be found without being stored in clear."""
        return hmac.new(self._derived("blind-index"), text.encode(), hashlib.sha256).hexdigest()

    def sign(self, payload: str, purpose: str) -> str:
        """A URL-safe signature of `payload`, of no use for another `purpose`."""
        mac = hmac.new(self._derived(purpose), payload.encode(), hashlib.sha256).digest()
        return base64.urlsafe_b64encode(mac[:20]).decode().rstrip("=")

    def is_signed(self, payload: str, purpose: str, signature: str) -> bool:
        expected = self.sign(payload, purpose)
        return hmac.compare_digest(expected.encode(), signature.encode("utf-8", "replace"))

    def _derived(self, purpose: str) -> bytes:
        derive = HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=purpose.encode())
        return derive.derive(self._secret)


def keyring() -> Keyring:
    """The running application's keys."""
    ring: Keyring = current_app.extensions["linli.keyring"]
    return ring


class Sealed(TypeDecorator[str]):
    """A text column that is encrypted at rest and plain in Python. It cannot be searched."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return None if value is None else keyring().seal(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> str | None:
        return None if value is None else keyring().open(value)
