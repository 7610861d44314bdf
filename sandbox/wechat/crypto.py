"""The seal of callbacks: AES-256-CBC with a 32-byte block of padding, SHA-1 over sorted parts."""

import base64
import hashlib
import hmac
import os
import struct

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

BLOCK = 32


class Unsealed(ValueError):
    """What came back cannot be opened or was meant for somebody else."""


def signature(*parts: str) -> str:
    return hashlib.sha1("".join(sorted(parts)).encode(), usedforsecurity=False).hexdigest()


def same(left: str, right: str) -> bool:
    return hmac.compare_digest(left.encode(), right.encode())


def seal(encoding_aes_key: str, appid: str, message: bytes, *, random: bytes = b"") -> str:
    key = _key(encoding_aes_key)
    plain = (random or os.urandom(16)) + struct.pack(">I", len(message)) + message + appid.encode()
    pad = BLOCK - len(plain) % BLOCK
    encryptor = Cipher(algorithms.AES(key), modes.CBC(key[:16])).encryptor()
    sealed = encryptor.update(plain + bytes([pad]) * pad) + encryptor.finalize()
    return base64.b64encode(sealed).decode()


def unseal(encoding_aes_key: str, appid: str, sealed: str) -> bytes:
    key = _key(encoding_aes_key)
    try:
        decryptor = Cipher(algorithms.AES(key), modes.CBC(key[:16])).decryptor()
        plain = decryptor.update(base64.b64decode(sealed, validate=True)) + decryptor.finalize()
    except ValueError as error:
        raise Unsealed("not a sealed message") from error
    pad = plain[-1] if plain else 0
    if not 1 <= pad <= BLOCK or plain[-pad:] != bytes([pad]) * pad or len(plain) < 20 + pad:
        raise Unsealed("bad padding")
    length = struct.unpack(">I", plain[16:20])[0]
    end = 20 + length
    if plain[end:-pad] != appid.encode():
        raise Unsealed("sealed for another appid")
    return plain[20:end]


def _key(encoding_aes_key: str) -> bytes:
    return base64.b64decode(encoding_aes_key + "=")
