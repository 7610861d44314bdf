"""Signed calls to UnionPay's gateway and the check of what comes back."""

from collections.abc import Mapping
from datetime import datetime
from urllib.parse import urlencode

from cryptography import x509

from core import clock
from core.config_channels import UnionPay, UnionPayAccount
from gateways.http import Http, NoAnswer
from gateways.unionpay import crypto, wire
from gateways.unionpay.errors import DONE, UnionPayError, UnionPayUnavailable

_FRONT, _BACK, _QUERY = "frontTransReq.do", "backTransReq.do", "queryTrans.do"


class UnionPayClient:
    """One merchant's way to the gateway. Keys and certificates are read when first needed."""

    def __init__(self, settings: UnionPay, account: UnionPayAccount, http: Http) -> None:
        self._settings = settings
        self._account = account
        self._http = http
        self._base = settings.gateway.rstrip("/")
        self._signer: crypto.Signer | None = None
        self._trust: crypto.Trust | None = None

    def form(self, fields: Mapping[str, str]) -> dict[str, str]:
        """What the payer's browser posts, with the `url` that it goes to."""
        return {"url": f"{self._base}/{_FRONT}", **self._signed(fields)}

    def back(self, fields: Mapping[str, str]) -> dict[str, str]:
        """A verified answer that says yes. UnionPayError for a no, UnionPayUnavailable when nobody
        can tell what happened."""
        return self._post(f"{self._base}/{_BACK}", _BACK, fields)

    def query(self, fields: Mapping[str, str]) -> dict[str, str]:
        return self._post(f"{self._base}/{_QUERY}", _QUERY, fields)

    def file(self, fields: Mapping[str, str]) -> dict[str, str]:
        return self._post(self._settings.files, "files", fields)

    def is_authentic(self, fields: Mapping[str, str], now: datetime) -> bool:
        """Whether UnionPay signed these very fields, with a certificate that holds now."""
        if fields.get("signMethod") != "01" or fields.get("version") != "5.1.0":
            return False
        key = self._read_trust().key_of(fields.get("signPubKeyCert", ""), now)
        return key is not None and crypto.is_signed(key, fields)

    def _post(self, url: str, api: str, fields: Mapping[str, str]) -> dict[str, str]:
        try:
            answer = self._http.send(
                "POST",
                url,
                body=urlencode(self._signed(fields)).encode(),
                headers={"Content-Type": "application/x-www-form-urlencoded; charset=UTF-8"},
                read_seconds=self._settings.timeout_seconds,
            )
        except NoAnswer as error:
            raise UnionPayUnavailable(api, str(error), sent=error.sent) from None
        if answer.status != 200:
            raise UnionPayUnavailable(api, f"status {answer.status}")
        try:
            given = wire.read_answer(answer.body)
        except ValueError as error:
            raise UnionPayUnavailable(api, f"unreadable: {type(error).__name__}") from None
        if not self.is_authentic(given, clock.now()):
            raise UnionPayUnavailable(api, "the answer's signature does not hold")
        if given.get("merId") != self._account.mer_id:
            raise UnionPayUnavailable(api, "an answer to another merchant")
        code = given.get("respCode", "")
        if code not in DONE:
            raise UnionPayError(code, given.get("respMsg", ""), api=api)
        return given

    def _signed(self, fields: Mapping[str, str]) -> dict[str, str]:
        signer = self._read_signer()
        told = {
            "version": "5.1.0",
            "encoding": "UTF-8",
            "signMethod": "01",
            "accessType": "0",
            "merId": self._account.mer_id,
            "certId": signer.certificate_id,
            **fields,
        }
        told = {name: value for name, value in told.items() if value}
        return {**told, "signature": signer.sign(told)}

    def _read_signer(self) -> crypto.Signer:
        if self._signer is None:
            pfx = self._account.certificate_path.read_bytes()
            password = self._account.certificate_password.get_secret_value()
            self._signer = crypto.load_signer(pfx, password)
        return self._signer

    def _read_trust(self) -> crypto.Trust:
        if self._trust is None:
            root, middle = (
                x509.load_pem_x509_certificate(path.read_bytes())
                for path in (
                    self._account.root_certificate_path,
                    self._account.middle_certificate_path,
                )
            )
            self._trust = crypto.Trust(root, middle, self._settings.signer)
        return self._trust
