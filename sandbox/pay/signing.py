"""Signatures of requests (checked) and of answers and notices (made), and the cipher of notices."""

import base64
import re
import secrets
import threading
from collections import deque
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from sandbox.clock import Clock
from sandbox.pay.errors import PayError, sign_error
from sandbox.settings import Merchant, Platform

SCHEME = "WECHATPAY2-SHA256-RSA2048"
BRAND_SCHEME = "WECHATPAY-BRAND-SHA256-RSA2048"
SKEW = 300
PROBE = "WECHATPAY/SIGNTEST/"
_PAIR = re.compile(r'(\w+)="([^"]*)"')


@dataclass(frozen=True)
class Request:
    """What the merchant's signature covers, exactly as it was sent."""

    method: str
    targets: tuple[str, ...]  # spellings of path and query, when the server keeps only the decoded
    body: bytes
    authorization: str


class Nonces:
    """Nonces of the last ten minutes: a signed request is good once."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._seen: set[str] = set()
        self._ages: deque[tuple[float, str]] = deque()

    def use(self, nonce: str) -> bool:
        now = self._clock.now()
        with self._lock:
            while self._ages and self._ages[0][0] < now - 2 * SKEW:
                self._seen.discard(self._ages.popleft()[1])
            if nonce in self._seen:
                return False
            self._seen.add(nonce)
            self._ages.append((now, nonce))
            return True


def merchant_of(
    request: Request,
    merchants: dict[str, Merchant],
    clock: Clock,
    nonces: Nonces,
    *,
    brand: bool = False,
) -> Merchant:
    """The merchant, or the brand, that signed this request. Raises PayError (401, or 400 for a
    stranger).
    """
    scheme, _, rest = request.authorization.partition(" ")
    if scheme != (BRAND_SCHEME if brand else SCHEME):
        raise sign_error("Http头Authorization认证类型不正确")
    fields = dict(_PAIR.findall(rest))
    who = "brand_id" if brand else "mchid"
    missing = {who, "nonce_str", "timestamp", "serial_no", "signature"} - set(fields)
    if missing:
        raise sign_error(f"Http头Authorization值格式错误，缺少 {sorted(missing)[0]}")
    merchant = merchants.get(fields[who])
    if merchant is None:
        raise PayError(400, "MCH_NOT_EXISTS", "商户号不存在")
    if fields["serial_no"].upper() != merchant.serial_no.upper():
        raise sign_error("商户证书序列号有误", field="serial_no", location="authorization")
    stamp, nonce = fields["timestamp"], fields["nonce_str"]
    if not stamp.isdigit() or not clock.agrees(int(stamp), SKEW):
        raise sign_error("Http头Authorization中的timestamp与发起请求的时间不得超过5分钟")
    texts = [
        f"{request.method}\n{target}\n{stamp}\n{nonce}\n".encode() + request.body + b"\n"
        for target in request.targets
    ]
    if not any(verify(merchant.public_key, text, fields["signature"]) for text in texts):
        raise sign_error(
            "错误的签名，验签失败",
            field="signature",
            issue="sign not match",
            location="authorization",
            sign_information={
                "method": request.method,
                "url": request.targets[0],
                "truncated_sign_message": texts[0].decode(errors="replace")[:200],
                "sign_message_length": len(texts[0]),
            },
        )
    if not nonce or len(nonce) > 64 or not nonces.use(f"{merchant.mchid}|{nonce}"):
        raise sign_error("nonce_str 已经用过")
    return merchant


def verify(key: rsa.RSAPublicKey, text: bytes, signature: str) -> bool:
    try:
        raw = base64.b64decode(signature, validate=True)
        key.verify(raw, text, padding.PKCS1v15(), hashes.SHA256())
    except (ValueError, InvalidSignature):
        return False
    return True


def sign(key: rsa.RSAPrivateKey, text: bytes) -> str:
    return base64.b64encode(key.sign(text, padding.PKCS1v15(), hashes.SHA256())).decode()


def headers(
    platform: Platform, body: bytes, stamp: float, *, public_key: bool, broken: str = ""
) -> dict[str, str]:
    """The Wechatpay-* headers. `broken`: "forged" or "probe" instead of a good signature."""
    moment, nonce = str(int(stamp)), secrets.token_hex(16)
    text = f"{moment}\n{nonce}\n".encode() + body + b"\n"
    key = platform.public_key_private if public_key else platform.certificate_key
    if broken == "probe":
        signature = PROBE + secrets.token_urlsafe(48)
    else:
        signature = sign(key, b"somebody else's text" if broken else text)
    return {
        "Wechatpay-Timestamp": moment,
        "Wechatpay-Nonce": nonce,
        "Wechatpay-Signature": signature,
        "Wechatpay-Serial": platform.public_key_id if public_key else platform.serial,
        "Wechatpay-Signature-Type": SCHEME,
    }


def encrypt(api_v3_key: str, plain: bytes, associated_data: str) -> dict[str, str]:
    nonce = secrets.token_hex(6)
    sealed = AESGCM(api_v3_key.encode()).encrypt(nonce.encode(), plain, associated_data.encode())
    return {
        "algorithm": "AEAD_AES_256_GCM",
        "ciphertext": base64.b64encode(sealed).decode(),
        "associated_data": associated_data,
        "nonce": nonce,
    }
