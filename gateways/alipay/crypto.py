"""The signatures of Alipay's gateway and the serials of its certificates: pure functions."""

import base64
import binascii
import hashlib
from collections.abc import Mapping
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.serialization import (
    load_der_private_key,
    load_der_public_key,
    load_pem_private_key,
    load_pem_public_key,
)

_RSA_SIGNATURES = "1.2.840.113549.1.1."
"""Every signature algorithm of RSA has this prefix; Alipay's root file holds SM2 roots beside."""


def load_private_key(raw: bytes) -> RSAPrivateKey:
    """PEM, or the bare base64 that Alipay's key tool writes (PKCS #1 or #8)."""
    der = _bare(raw)
    key = load_der_private_key(der, None) if der else load_pem_private_key(raw, None)
    if not isinstance(key, RSAPrivateKey):
        raise ValueError("the application's private key must be RSA")
    return key


def load_public_key(raw: bytes) -> RSAPublicKey:
    """PEM, or the bare base64 that Alipay's pages show."""
    der = _bare(raw)
    key = load_der_public_key(der) if der else load_pem_public_key(raw)
    if not isinstance(key, RSAPublicKey):
        raise ValueError("Alipay's public key must be RSA")
    return key


def sign_text(params: Mapping[str, str]) -> bytes:
    """What is signed of a request: sorted, nothing empty, `sign_type` stays in."""
    return _joined({k: v for k, v in params.items() if v and k != "sign"})


def notice_texts(params: Mapping[str, str]) -> list[bytes]:
    """What may be signed of a notice or a return: without `sign_type`; an empty value has been seen
    both counted and left out, and means the same."""
    told = {k: v for k, v in params.items() if k not in ("sign", "sign_type")}
    filled = {k: v for k, v in told.items() if v}
    return [_joined(each) for each in ([told] if filled == told else [told, filled])]


def sign(key: RSAPrivateKey, text: bytes) -> str:
    return base64.b64encode(key.sign(text, PKCS1v15(), hashes.SHA256())).decode()


def is_signed(key: RSAPublicKey, text: bytes, signature: str) -> bool:
    try:
        key.verify(base64.b64decode(signature, validate=True), text, PKCS1v15(), hashes.SHA256())
    except (InvalidSignature, binascii.Error, ValueError):
        return False
    return True


def certificate_sn(certificate: x509.Certificate) -> str:
    """`app_cert_sn`: MD5 over the issuer as Java writes it and the serial in decimal."""
    text = f"{certificate.issuer.rfc4514_string()}{certificate.serial_number}"
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def root_sn(certificates: list[x509.Certificate]) -> str:
    """`alipay_root_cert_sn`: those of all RSA roots in the file, in their order."""
    return "_".join(
        certificate_sn(each)
        for each in certificates
        if each.signature_algorithm_oid.dotted_string.startswith(_RSA_SIGNATURES)
    )


def is_issued_by(
    certificate: x509.Certificate, roots: list[x509.Certificate], now: datetime
) -> bool:
    """Whether a certificate descends from one of these, all of them in their time."""
    current, left = certificate, len(roots)
    while left >= 0:
        if not current.not_valid_before_utc <= now <= current.not_valid_after_utc:
            return False
        issuer = next((each for each in roots if _issued(current, each)), None)
        if issuer is None:
            return False
        if issuer.issuer == issuer.subject:
            return issuer.not_valid_before_utc <= now <= issuer.not_valid_after_utc
        current, left = issuer, left - 1
    return False


def _issued(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (InvalidSignature, TypeError, ValueError):
        return False
    return True


def _joined(params: Mapping[str, str]) -> bytes:
    return "&".join(f"{key}={params[key]}" for key in sorted(params)).encode("utf-8", "replace")


def _bare(raw: bytes) -> bytes | None:
    text = raw.strip()
    return None if text.startswith(b"-----") else base64.b64decode(b"".join(text.split()))
