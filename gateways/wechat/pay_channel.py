"""Signed calls to WeChat Pay and the check of what comes back."""

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import urllib3
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey

from core import clock
from core.config import Brand
from core.config import PayMerchant as Account
from core.logs import log
from gateways.http import Answer, Http, NoAnswer, Writes
from gateways.wechat import pay_crypto
from gateways.wechat.api import encode
from gateways.wechat.errors import PayError, WechatUnavailable
from gateways.wechat.pay_hosts import PayHosts
from gateways.wechat.pay_keys import PlatformKeys

_CERTIFICATES = "/v3/certificates"
_AGENT = "linli"
DOWNLOAD_SECONDS = 300.0
_NOT_THEIRS = (
    WechatUnavailable,
    PayError,
    pay_crypto.Unreadable,
    AttributeError,
    TypeError,
    ValueError,
)


class PayChannel:
    """One merchant's, or one brand's, way to WeChat Pay. Keys are read when first needed."""

    def __init__(
        self, account: Account | Brand, http: Http, hosts: PayHosts, *, read_seconds: float
    ) -> None:
        self._account = account
        self._party = (
            f'{pay_crypto.BRAND_SCHEME} brand_id="{account.brand_id}"'
            if isinstance(account, Brand) and account.mchid is None
            else f'{pay_crypto.SCHEME} mchid="{account.mchid}"'
        )
        self._http = http
        self._hosts = hosts
        self._read_seconds = read_seconds
        self._private_key: RSAPrivateKey | None = None
        self._keys: PlatformKeys | None = None

    def sign(self, text: bytes) -> str:
        """With the merchant's private key."""
        return pay_crypto.sign(self._own_key(), text)

    def open_sealed(self, sealed: str) -> str:
        """What WeChat sealed for this merchant. Raises Unreadable."""
        return pay_crypto.open_sealed(self._own_key(), sealed)

    def _own_key(self) -> RSAPrivateKey:
        if self._private_key is None:
            pem = self._account.private_key_path.read_bytes()
            self._private_key = pay_crypto.load_private_key(pem)
        return self._private_key

    def call(
        self,
        method: str,
        target: str,
        body: Mapping[str, Any] | None = None,
        *,
        serial: str = "",
        repeatable: bool = True,
    ) -> dict[str, Any]:
        """A verified answer as a dict, empty for 204. `serial`: whose key sealed a field of it.

        Where one of WeChat's hosts fails the other is asked the same, which everything here bears
        that is not said to be otherwise (`repeatable`): it is under numbers of ours.
        Raises PayError for a no, WechatUnavailable when nobody can tell what happened.
        """
        raw = encode(body) if body is not None else b""
        answer = self._send(method, target, raw, serial=serial, repeatable=repeatable)
        return self._believed(target, answer)

    def sealing_key(self, now: datetime) -> tuple[str, RSAPublicKey]:
        """WeChat Pay's key for what only it may read, and the key's number."""
        found = self._platform_keys().newest(now)
        if found is None:
            raise WechatUnavailable(_CERTIFICATES, "no key to seal for", sent=False)
        return found

    def upload(self, target: str, filename: str, content: bytes) -> dict[str, Any]:
        """A picture; what is signed is its name and hash. Raises as `call` does."""
        meta = encode({"filename": filename, "sha256": hashlib.sha256(content).hexdigest()})
        picture = "image/png" if filename.endswith("png") else "image/jpeg"
        body, kind = urllib3.encode_multipart_formdata(
            [("meta", meta.decode()), ("file", (filename, content, picture))]
        )
        return self._believed(target, self._send("POST", target, body, signed=meta, kind=kind))

    def download(self, target: str, into: Writes) -> None:
        """A file that an answer named. What comes is not signed: its hash was in that answer.

        Raises WechatUnavailable.
        """
        base = self._hosts.first
        headers = self._headers(base, "GET", target, b"", "application/json")
        try:
            status = self._http.download(
                base + target, into, headers=headers, most_seconds=DOWNLOAD_SECONDS
            )
        except NoAnswer as error:
            raise WechatUnavailable(target.partition("?")[0], str(error)) from None
        if not 200 <= status < 300:
            raise WechatUnavailable(target.partition("?")[0], f"HTTP {status}")

    def _believed(self, target: str, answer: Answer) -> dict[str, Any]:
        if not 200 <= answer.status < 300:
            refusal = _refusal(target, answer)
            _keep(target, answer, str(refusal))
            raise refusal
        if not self.is_authentic(answer.headers, answer.body, clock.now()):
            _keep(target, answer, "signature")
            raise WechatUnavailable(target, "the answer's signature does not hold")
        return _object(target, answer.body) if answer.body else {}

    def is_authentic(self, headers: Mapping[str, str], body: bytes, now: datetime) -> bool:
        """Whether WeChat Pay signed these very bytes, just now."""
        given = {key.lower(): value for key, value in headers.items()}
        signature = given.get("wechatpay-signature", "")
        timestamp = given.get("wechatpay-timestamp", "")
        # Which of the two names a brand's answers carry is not written anywhere; the key decides.
        known = (pay_crypto.SCHEME, pay_crypto.BRAND_SCHEME)
        if given.get("wechatpay-signature-type", pay_crypto.SCHEME) not in known:
            return False
        # The probe could never verify; refused before a key is looked for.
        if not signature or signature.startswith(pay_crypto.PROBE):
            return False
        if not pay_crypto.is_recent(timestamp, now):
            return False
        key = self._platform_keys().find(given.get("wechatpay-serial", ""), now)
        text = pay_crypto.answer_text(timestamp, given.get("wechatpay-nonce", ""), body)
        return key is not None and pay_crypto.is_signed(key, text, signature)

    def _send(
        self,
        method: str,
        target: str,
        body: bytes,
        *,
        signed: bytes | None = None,
        kind: str = "application/json",
        serial: str = "",
        repeatable: bool = True,
    ) -> Answer:
        """`signed`: what stands for the body in the signature, where that is not all of it."""
        text = body if signed is None else signed

        def send(base: str) -> Answer:
            return self._http.send(
                method,
                base + target,
                body=body or None,
                headers=self._headers(base, method, target, text, kind, serial),
                read_seconds=self._read_seconds,
            )

        try:
            return self._hosts.ask(send, repeatable=repeatable)
        except NoAnswer as error:
            raise WechatUnavailable(target, str(error), sent=error.sent) from None

    def _headers(
        self, base: str, method: str, target: str, signed: bytes, kind: str, serial: str = ""
    ) -> dict[str, str]:
        # A base may carry a path of its own, and what is signed is the path as sent.
        signed_target = urlsplit(base).path + target
        timestamp, nonce = str(int(clock.now().timestamp())), pay_crypto.nonce()
        text = pay_crypto.request_text(method, signed_target, timestamp, nonce, signed)
        headers = {
            "Authorization": (
                f'{self._party},nonce_str="{nonce}",'
                f'timestamp="{timestamp}",serial_no="{self._account.serial_no}",'
                f'signature="{self.sign(text)}"'
            ),
            "Accept": "application/json",
            "Content-Type": kind,
            "User-Agent": _AGENT,
        }
        if named := serial or self._account.public_key_id:
            headers["Wechatpay-Serial"] = named
        return headers

    def _platform_keys(self) -> PlatformKeys:
        if self._keys is None:
            path = self._account.public_key_path
            fixed = pay_crypto.load_public_key(path.read_bytes()) if path else None
            self._keys = PlatformKeys(self._account.public_key_id, fixed, self._download)
        return self._keys

    def _download(self, now: datetime) -> dict[str, RSAPublicKey]:
        """The platform's certificates; nothing when they cannot be had or do not prove themselves.

        They come sealed under the APIv3 key, which only WeChat and we know, and the answer must be
        signed by one of them.
        """
        try:
            answer = self._send("GET", _CERTIFICATES, b"")
            if answer.status != 200:
                raise _refusal(_CERTIFICATES, answer)
            listed = _object(_CERTIFICATES, answer.body).get("data") or []
            opened = [self._open_certificate(item, now) for item in listed]
        except _NOT_THEIRS:
            return {}
        found = dict(pair for pair in opened if pair is not None)
        headers = {key.lower(): value for key, value in answer.headers.items()}
        signer = found.get(headers.get("wechatpay-serial", "").upper().lstrip("0"))
        text = pay_crypto.answer_text(
            headers.get("wechatpay-timestamp", ""),
            headers.get("wechatpay-nonce", ""),
            answer.body,
        )
        signature = headers.get("wechatpay-signature", "")
        proven = (
            signer is not None
            and pay_crypto.is_recent(headers.get("wechatpay-timestamp", ""), now)
            and pay_crypto.is_signed(signer, text, signature)
        )
        return found if proven else {}

    def _open_certificate(self, item: Any, now: datetime) -> tuple[str, RSAPublicKey] | None:
        key = self._account.api_v3_key.get_secret_value()
        pem = pay_crypto.unseal(key, item.get("encrypt_certificate"))
        return pay_crypto.load_certificate(pem, now)


def _refusal(target: str, answer: Answer) -> Exception:
    """PayError for a code that says no, WechatUnavailable where it may have been done anyway."""
    try:
        given = json.loads(answer.body)
        code, message = str(given["code"]), str(given.get("message") or "")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return WechatUnavailable(target, f"HTTP {answer.status}")
    error = PayError(answer.status, code, message[:200], api=target.partition("?")[0])
    if error.pay_code == "SYSTEM_ERROR" or (answer.status >= 500 and not error.is_known):
        return WechatUnavailable(target, f"HTTP {answer.status} {error.pay_code}")
    return error


def _keep(target: str, answer: Answer, why: str) -> None:
    """WeChat's number of the call: its support asks for nothing else."""
    request_id = answer.headers.get("Request-ID", "")[:128]
    api = target.partition("?")[0]
    log.info("wechat_pay_refused", api=api, status=answer.status, why=why, request_id=request_id)


def _object(target: str, body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise WechatUnavailable(target, "answer is not an object")
    return value
