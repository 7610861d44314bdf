"""The signatures and the cipher of WeChat Pay v3: pure functions over bytes."""

import base64
import binascii
import secrets
from datetime import datetime
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, OAEP, PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import (
    load_pem_private_key,
    load_pem_public_key,
)

SCHEME = "WECHATPAY2-SHA256-RSA2048"
BRAND_SCHEME = "WECHATPAY-BRAND-SHA256-RSA2048"
# Sent now and then with a wrong signature, to see whether we look.
PROBE = "WECHATPAY/SIGNTEST/"
WINDOW_SECONDS = 300


class Unreadable(Exception):
    """Not sealed under this key, or changed on the way."""


def load_private_key(pem: bytes) -> RSAPrivateKey:
    key = load_pem_private_key(pem, password=None)
    if not isinstance(key, RSAPrivateKey):
        raise ValueError("the merchant's private key must be RSA")
    return key


def load_public_key(pem: bytes) -> RSAPublicKey:
    key = load_pem_public_key(pem)
    if not isinstance(key, RSAPublicKey):
        raise ValueError("WeChat Pay's public key must be RSA")
    return key


def load_certificate(pem: bytes, now: datetime) -> tuple[str, RSAPublicKey] | None:
    """Serial number and key of a platform certificate; None outside its time."""
    certificate = x509.load_pem_x509_certificate(pem)
    key = certificate.public_key()
    in_time = certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc
    if not in_time or not isinstance(key, RSAPublicKey):
        return None
    return f"{certificate.serial_number:X}", key


def request_text(method: str, target: str, timestamp: str, nonce: str, body: bytes) -> bytes:
    """What is signed of a request; `target` is the path with its query, exactly as sent."""
    return f"{method}\n{target}\n{timestamp}\n{nonce}\n".encode() + body + b"\n"


def answer_text(timestamp: str, nonce: str, body: bytes) -> bytes:
    """What is signed of an answer and of a notice."""
    return f"{timestamp}\n{nonce}\n".encode("utf-8", "replace") + body + b"\n"


def sheet_text(appid: str, timestamp: str, nonce: str, package: str) -> bytes:
    """What is signed for the pay sheet of the mini-program and of pages in WeChat."""
    return f"{appid}\n{timestamp}\n{nonce}\n{package}\n".encode()


def nonce() -> str:
    return secrets.token_hex(16).upper()


def sign(key: RSAPrivateKey, text: bytes) -> str:
    return base64.b64encode(key.sign(text, PKCS1v15(), hashes.SHA256())).decode()


def is_signed(key: RSAPublicKey, text: bytes, signature: str) -> bool:
    try:
        key.verify(base64.b64decode(signature, validate=True), text, PKCS1v15(), hashes.SHA256())
    except (InvalidSignature, binascii.Error, ValueError):
        return False
    return True


_PADDING = OAEP(mgf=MGF1(hashes.SHA1()), algorithm=hashes.SHA1(), label=None)  # noqa: S303


def seal(key: RSAPublicKey, text: str) -> str:
    """A name or a card number, for the owner of `key` only (OAEP with SHA-1, as WeChat asks)."""
    return base64.b64encode(key.encrypt(text.encode(), _PADDING)).decode()


def open_sealed(key: RSAPrivateKey, sealed: str) -> str:
    """What WeChat sealed for us alone, under our certificate. Raises Unreadable."""
    try:
        return key.decrypt(base64.b64decode(sealed, validate=True), _PADDING).decode()
    except (ValueError, TypeError) as error:
        raise Unreadable(type(error).__name__) from None


def is_recent(timestamp: str, now: datetime) -> bool:
    """Near in both directions: neither a replay nor a promise."""
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12):
        return False
    return abs(now.timestamp() - int(timestamp)) < WINDOW_SECONDS


def unseal(api_v3_key: str, sealed: Any) -> bytes:
    """Open a `resource` or an `encrypt_certificate`. Raises Unreadable."""
    try:
        nonce, extra = sealed["nonce"].encode(), (sealed.get("associated_data") or "").encode()
        content = base64.b64decode(sealed["ciphertext"], validate=True)
        return AESGCM(api_v3_key.encode()).decrypt(nonce, content, extra)
    except (InvalidTag, KeyError, TypeError, AttributeError, ValueError) as error:
        raise Unreadable(type(error).__name__) from None
