"""WeChat Pay's older interface, which the payer's code at the counter still needs.

XML instead of JSON, a shared key instead of certificates; what takes money back also shows the
merchant's certificate to the other side.
"""

import hashlib
import hmac
from collections.abc import Mapping
from typing import Any
from xml.sax.saxutils import escape

from core.config import PayMerchant as Account
from gateways.http import Answer, Http, NoAnswer
from gateways.wechat import pay_crypto, wire
from gateways.wechat.errors import MalformedMessage, PayError, WechatUnavailable
from gateways.wechat.pay_hosts import PayHosts

HMAC, MD5 = "HMAC-SHA256", "MD5"
_UNKNOWN_OUTCOME = {"SYSTEM_ERROR", "BANK_ERROR"}


def sign(fields: Mapping[str, str], key: str, kind: str = HMAC) -> str:
    """Over the fields that say something, by name, with the key behind them."""
    pairs = sorted((name, value) for name, value in fields.items() if value and name != "sign")
    text = "&".join(f"{name}={value}" for name, value in [*pairs, ("key", key)]).encode()
    if kind == MD5:  # WeChat's choice; nothing of ours depends on it
        return hashlib.md5(text, usedforsecurity=False).hexdigest().upper()
    return hmac.new(key.encode(), text, hashlib.sha256).hexdigest().upper()


def is_signed(fields: Mapping[str, Any], key: str) -> bool:
    """Either kind: which one comes back is not written anywhere, both need the key."""
    if not all(isinstance(value, str) for value in fields.values()):
        return False
    given = str(fields.get("sign", ""))
    kind = MD5 if len(given) == 32 else HMAC
    return hmac.compare_digest(given.encode(), sign(fields, key, kind).encode())


def to_xml(fields: Mapping[str, str]) -> bytes:
    inside = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in fields.items())
    return f"<xml>{inside}</xml>".encode()


class PayV2:
    """One merchant's way to the older interface."""

    def __init__(
        self, account: Account, http: Http, hosts: PayHosts, *, read_seconds: float
    ) -> None:
        if account.api_v2_key is None or account.client_certificate_path is None:
            raise ValueError(f"{account.mchid}: no keys for WeChat Pay v2")
        self._account = account
        self._key = account.api_v2_key.get_secret_value()
        self._certificate = account.client_certificate_path
        self._http = http
        self._certified: Http | None = None
        self._hosts = hosts
        self._read_seconds = read_seconds

    def call(
        self,
        path: str,
        fields: Mapping[str, str],
        *,
        certified: bool = False,
        repeatable: bool = True,
    ) -> dict[str, str]:
        """A verified yes as a dict. Raises PayError (with `answer`) for a no, WechatUnavailable
        when nobody can tell what happened."""
        asked = {
            **{name: value for name, value in fields.items() if value},
            "mch_id": self._account.mchid,
            "nonce_str": pay_crypto.nonce(),
            "sign_type": HMAC,
        }
        if self._account.sub_mchid:
            asked["sub_mch_id"] = self._account.sub_mchid
        body = to_xml({**asked, "sign": sign(asked, self._key)})
        http = self._with_certificate() if certified else self._http

        def send(base: str) -> Answer:
            return http.send(
                "POST",
                base + path,
                body=body,
                headers={"Content-Type": "text/xml; charset=utf-8", "User-Agent": "linli"},
                read_seconds=self._read_seconds,
            )

        try:
            answer = self._hosts.ask(send, repeatable=repeatable)
        except NoAnswer as error:
            raise WechatUnavailable(path, str(error), sent=error.sent) from None
        return self._believed(path, answer)

    def _believed(self, path: str, answer: Answer) -> dict[str, str]:
        try:
            given = wire.read_xml(answer.body)
        except MalformedMessage:
            raise WechatUnavailable(path, f"HTTP {answer.status}") from None
        if answer.status != 200:
            raise WechatUnavailable(path, f"HTTP {answer.status}")
        if given.get("return_code") != "SUCCESS":
            # Unsigned: a no that proves nothing, so what it says of the payment is not heard.
            raise PayError(200, "FAIL", str(given.get("return_msg") or "")[:200], api=path)
        if not is_signed(given, self._key) or given.get("mch_id") != self._account.mchid:
            raise WechatUnavailable(path, "the answer's signature does not hold")
        if given.get("result_code") != "SUCCESS":
            said = str(given.get("err_code_des") or "")[:200]
            error = PayError(200, str(given.get("err_code") or "FAIL"), said, api=path)
            error.answer = given
            if error.pay_code in _UNKNOWN_OUTCOME:
                raise WechatUnavailable(path, error.pay_code) from None
            raise error
        return given

    def _with_certificate(self) -> Http:
        if self._certified is None:
            identity = (self._certificate, self._account.private_key_path)
            self._certified = Http(pool=4, identity=identity)
        return self._certified
