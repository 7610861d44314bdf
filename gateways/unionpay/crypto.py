"""The signatures of ACP 5.1: over the hex digest of the sorted fields, with certificates that every
message brings along and that must descend from UnionPay's root."""

import base64
import binascii
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.serialization.pkcs12 import load_pkcs12
from cryptography.x509.oid import NameOID

MAX_CERTIFICATE = 8 * 1024


@dataclass(frozen=True)
class Signer:
    """Our own key; `certificate_id` is its certificate's serial in decimal."""

    key: RSAPrivateKey
    certificate_id: str

    def sign(self, fields: Mapping[str, str]) -> str:
        raw = self.key.sign(digest(fields), PKCS1v15(), hashes.SHA256())
        return base64.b64encode(raw).decode()


@dataclass(frozen=True)
class Trust:
    """What UnionPay's certificates have to descend from, and whom they have to name."""

    root: x509.Certificate
    middle: x509.Certificate
    signer: str

    def key_of(self, pem: str, now: datetime) -> RSAPublicKey | None:
        """The key of the certificate in a message; None if it is not UnionPay's, or not now."""
        if len(pem) > MAX_CERTIFICATE:
            return None
        try:
            leaf = x509.load_pem_x509_certificate(pem.encode("ascii"))
        except ValueError:
            return None
        chain = (leaf, self.middle, self.root)
        in_time = all(
            each.not_valid_before_utc <= now <= each.not_valid_after_utc for each in chain
        )
        whole = _issued(leaf, self.middle) and _issued(self.middle, self.root)
        key = leaf.public_key()
        named = _third_part(leaf) == self.signer
        return key if in_time and whole and named and isinstance(key, RSAPublicKey) else None


def load_signer(pfx: bytes, password: str) -> Signer:
    held = load_pkcs12(pfx, password.encode())
    if not isinstance(held.key, RSAPrivateKey) or held.cert is None:
        raise ValueError("the PFX must hold an RSA key and its certificate")
    return Signer(held.key, str(held.cert.certificate.serial_number))


def digest(fields: Mapping[str, str]) -> bytes:
    """What is signed: the hex digits of a SHA-256 over every field that says something."""
    told = sorted(name for name, value in fields.items() if value and name != "signature")
    text = "&".join(f"{name}={fields[name]}" for name in told)
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest().encode()


def is_signed(key: RSAPublicKey, fields: Mapping[str, str]) -> bool:
    try:
        signature = base64.b64decode(fields.get("signature", ""), validate=True)
        key.verify(signature, digest(fields), PKCS1v15(), hashes.SHA256())
    except (InvalidSignature, binascii.Error, ValueError):
        return False
    return True


def _issued(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (InvalidSignature, TypeError, ValueError):
        return False
    return True


def _third_part(certificate: x509.Certificate) -> str:
    """Of "041@Z2026-11-23@中国银联股份有限公司@00000001"."""
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    parts = str(names[0].value).split("@") if names else []
    return parts[2] if len(parts) > 2 else ""
