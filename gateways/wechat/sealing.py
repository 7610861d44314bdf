"""The signature and the cipher of WeChat's messages (not of Pay).

AES-256-CBC under the key that the 43 characters of EncodingAESKey spell, the key's first half as
the vector, PKCS#7 to blocks of 32; inside: 16 random bytes, the length, the message, the appid.
"""

import base64
import binascii
import hashlib
import hmac
import os
import struct

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

_BLOCK = 32
_HEAD = 20
SIGNATURE_LENGTH = 40
"""Hexadecimal digits of a SHA-1."""


class Unreadable(Exception):
    """The cipher text is not one, or was sealed under another key."""


class WrongReceiver(Exception):
    """Well sealed, but for another appid."""


def signature(*parts: str) -> str:
    """SHA-1 of the parts in alphabetical order: what `signature` and `msg_signature` are."""
    joined = "".join(sorted(parts)).encode("utf-8", "replace")
    return hashlib.sha1(joined, usedforsecurity=False).hexdigest()


def is_signature(given: str, *parts: str) -> bool:
    """Compare in constant time."""
    expected = signature(*parts).encode()
    return hmac.compare_digest(expected, given.encode("utf-8", "replace"))


def aes_key(encoding_aes_key: str) -> bytes:
    """The 32 bytes behind the 43 characters. Raises ValueError."""
    key = base64.b64decode(encoding_aes_key + "=")
    if len(key) != 32:
        raise ValueError("encoding_aes_key must be 43 characters of base64")
    return key


def seal(key: bytes, message: bytes, appid: str, *, random: bytes | None = None) -> str:
    """Encrypt a message to or from `appid`; `random` is for test vectors only."""
    head = random if random is not None else os.urandom(16)
    plain = head + struct.pack(">I", len(message)) + message + appid.encode()
    padding = _BLOCK - len(plain) % _BLOCK
    plain += bytes([padding]) * padding
    encryptor = Cipher(algorithms.AES256(key), modes.CBC(key[:16])).encryptor()
    return base64.b64encode(encryptor.update(plain) + encryptor.finalize()).decode()


def unseal(key: bytes, sealed: str, appid: str) -> bytes:
    """Decrypt and check padding, length and receiver. Raises Unreadable or WrongReceiver."""
    try:
        cipher_text = base64.b64decode(sealed, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Unreadable("not base64") from error
    if not cipher_text or len(cipher_text) % 16:
        raise Unreadable("cut off")
    decryptor = Cipher(algorithms.AES256(key), modes.CBC(key[:16])).decryptor()
    plain = decryptor.update(cipher_text) + decryptor.finalize()

    padding = plain[-1]
    if not 1 <= padding <= _BLOCK or plain[-padding:] != bytes([padding]) * padding:
        raise Unreadable("padding")
    body = plain[:-padding]
    if len(body) < _HEAD:
        raise Unreadable("too short")
    (length,) = struct.unpack(">I", body[16:_HEAD])
    if length > len(body) - _HEAD:
        raise Unreadable("length")
    receiver = body[_HEAD + length :]
    if not hmac.compare_digest(receiver, appid.encode()):
        raise WrongReceiver
    return body[_HEAD : _HEAD + length]
