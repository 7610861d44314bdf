"""Signed calls to Alipay's gateway and the check of what comes back."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey

from core import clock
from core.config_channels import AlipayAccount
from gateways.alipay import crypto, wire
from gateways.alipay.errors import AlipayUnavailable, refusal
from gateways.alipay.reading import BEIJING
from gateways.http import Answer, Http, NoAnswer

_YES = ("10000", "10003")


@dataclass(frozen=True)
class _Keys:
    """Of one account. `certificates`: the parameters that certificate mode adds; `theirs` then maps
    the serial of Alipay's certificate to its key, otherwise "" to the one key."""

    ours: RSAPrivateKey
    theirs: Mapping[str, RSAPublicKey]
    certificates: Mapping[str, str]


class AlipayClient:
    """One application's way to the gateway. Keys are read when first needed."""

    def __init__(
        self, account: AlipayAccount, http: Http, gateway: str, *, read_seconds: float
    ) -> None:
        self._account = account
        self._http = http
        self._gateway = gateway
        self._read_seconds = read_seconds
        self._keys: _Keys | None = None

    def call(
        self, method: str, content: Mapping[str, Any], more: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """A verified answer that says yes (10000, or 10003: the payer is at it).

        Raises AlipayError for a no, AlipayUnavailable when nobody can tell what happened.
        """
        params = self._signed(method, content, more or {}, clock.now())
        body = urlencode({"biz_content": params.pop("biz_content")}).encode()
        try:
            answer = self._http.send(
                "POST",
                self._gateway,
                params=params,
                body=body,
                headers={"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"},
                read_seconds=self._read_seconds,
            )
        except NoAnswer as error:
            raise AlipayUnavailable(method, str(error), sent=error.sent) from None
        return self._believed(method, answer)

    def url(
        self, method: str, content: Mapping[str, Any], more: Mapping[str, str], now: datetime
    ) -> str:
        """A signed address that the payer's browser opens; `more`: notify_url, return_url."""
        return f"{self._gateway}?{urlencode(self._signed(method, content, more, now))}"

    def is_authentic(self, fields: Mapping[str, str], now: datetime) -> bool:
        """Whether Alipay signed these fields of a notice or a return."""
        signature, sign_type = fields.get("sign", ""), fields.get("sign_type", "")
        if not signature or sign_type != "RSA2":
            return False
        key = self._their_key(fields.get("alipay_cert_sn", ""), now)
        texts = crypto.notice_texts(fields)
        return key is not None and any(crypto.is_signed(key, each, signature) for each in texts)

    def _signed(
        self, method: str, content: Mapping[str, Any], more: Mapping[str, str], now: datetime
    ) -> dict[str, str]:
        keys = self._read_keys()
        params = {
            "app_id": self._account.app_id,
            "method": method,
            "format": "JSON",
            "charset": "utf-8",
            "sign_type": "RSA2",
            "timestamp": now.astimezone(BEIJING).strftime("%Y-%m-%d %H:%M:%S"),
            "version": "1.0",
            **keys.certificates,
            **more,
            "biz_content": json.dumps(
                {k: v for k, v in content.items() if v not in (None, "")},
                ensure_ascii=False,
                separators=(",", ":"),
            ),
        }
        params["sign"] = crypto.sign(keys.ours, crypto.sign_text(params))
        return params

    def _believed(self, method: str, answer: Answer) -> dict[str, Any]:
        headers = {key.lower(): value for key, value in answer.headers.items()}
        if answer.status != 200:
            raise AlipayUnavailable(method, f"status {answer.status}")
        charset = wire.charset_of(headers.get("content-type", ""))
        try:
            signed, given, beside = wire.split_answer(answer.body, charset)
        except wire.Unreadable as error:
            raise AlipayUnavailable(method, str(error)) from None
        code, sub_code = str(given.get("code", "")), str(given.get("sub_code") or "")
        key = self._their_key(beside.get("alipay_cert_sn", ""), clock.now())
        signature = beside.get("sign", "")
        # The gateway does not always sign its own refusals; what a service says it always does.
        must_hold = signature or code in (*_YES, "40004")
        if must_hold and (key is None or not crypto.is_signed(key, signed, signature)):
            raise AlipayUnavailable(method, "the answer's signature does not hold")
        if code not in _YES:
            message = str(given.get("sub_msg") or given.get("msg") or "")
            raise refusal(method, code, sub_code, message)
        return given

    def _their_key(self, serial: str, now: datetime) -> RSAPublicKey | None:
        keys = self._read_keys()
        if not keys.certificates:
            return keys.theirs[""]
        # A notice names no certificate: then it is the one that we hold.
        return keys.theirs.get(serial) if serial else next(iter(keys.theirs.values()))

    def _read_keys(self) -> _Keys:
        if self._keys is None:
            self._keys = _read_keys(self._account, clock.now())
        return self._keys


def _read_keys(account: AlipayAccount, now: datetime) -> _Keys:
    ours = crypto.load_private_key(account.private_key_path.read_bytes())
    if account.certificates is None:
        assert account.public_key_path is not None
        theirs = crypto.load_public_key(account.public_key_path.read_bytes())
        return _Keys(ours, {"": theirs}, {})
    own, alipay, roots = (_certificates(path) for path in account.certificates)
    leaf, key = alipay[0], alipay[0].public_key()
    if not isinstance(key, RSAPublicKey):
        raise ValueError("Alipay's certificate must be RSA")
    if not crypto.is_issued_by(leaf, [*alipay[1:], *roots], now):
        raise ValueError("Alipay's certificate does not descend from the roots, or is out of time")
    serials = {
        "app_cert_sn": crypto.certificate_sn(own[0]),
        "alipay_root_cert_sn": crypto.root_sn(roots),
    }
    return _Keys(ours, {crypto.certificate_sn(leaf): key}, serials)


def _certificates(path: Path) -> list[x509.Certificate]:
    return x509.load_pem_x509_certificates(path.read_bytes())
