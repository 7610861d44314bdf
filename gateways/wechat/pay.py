"""WeChat Pay v3 for one merchant: prepay, query, close, refund, and the notices.

Every answer that says yes is verified before it is read. A lost, late or unverifiable answer is
WechatUnavailable: the outcome is unknown, and asking again under the same number tells.
"""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta, timezone
from typing import Any, TypeVar
from urllib.parse import quote

from core.config import PayMerchant as Account
from gateways.http import Http
from gateways.wechat import pay_crypto
from gateways.wechat.errors import BadSignature, MalformedMessage, PayError, WechatUnavailable
from gateways.wechat.pay_channel import PayChannel
from gateways.wechat.pay_notices import open_notice
from gateways.wechat.pay_records import (
    Notice,
    RefundResult,
    Transaction,
    read_refund,
    read_transaction,
)

_BEIJING = timezone(timedelta(hours=8))
_ORDERS = "/v3/pay/transactions"
_PARTNER_ORDERS = "/v3/pay/partner/transactions"
_REFUNDS = "/v3/refund/domestic/refunds"
T = TypeVar("T")
_UNKNOWN_ORDER = {"ORDER_NOT_EXIST", "RESOURCE_NOT_EXISTS"}


class PayMerchant:
    """With `sub_mchid` everything is asked as a service provider for that merchant."""

    def __init__(self, account: Account, http: Http, base: str, *, read_seconds: float) -> None:
        self.account = account
        self._channel = PayChannel(account, http, base, read_seconds=read_seconds)
        self._sub = account.sub_mchid
        self._orders = _PARTNER_ORDERS if self._sub else _ORDERS

    def prepay(
        self,
        out_trade_no: str,
        description: str,
        amount_fen: int,
        openid: str,
        appid: str,
        notify_url: str,
        expires_at: datetime,
        attach: str = "",
    ) -> str:
        """The prepay_id for a pay sheet, good for two hours.

        Asking again with the same parameters is safe and gives a fresh one.
        """
        body: dict[str, Any] = {
            **self._parties(),
            "sp_appid" if self._sub else "appid": appid,
            "description": description[:127],
            "out_trade_no": out_trade_no,
            "notify_url": notify_url,
            "time_expire": expires_at.astimezone(_BEIJING).isoformat(timespec="seconds"),
            "amount": {"total": amount_fen, "currency": "CNY"},
            "payer": {"sp_openid" if self._sub else "openid": openid},
        }
        if attach:
            body["attach"] = attach
        target = f"{self._orders}/jsapi"
        prepay_id = self._channel.call("POST", target, body).get("prepay_id")
        if not isinstance(prepay_id, str) or not prepay_id:
            raise WechatUnavailable(target, "no prepay_id in the answer")
        return prepay_id

    def sheet(self, prepay_id: str, appid: str, now: datetime) -> dict[str, str]:
        """What `wx.requestPayment` takes."""
        timestamp, nonce = str(int(now.timestamp())), pay_crypto.nonce()
        package = f"prepay_id={prepay_id}"
        text = pay_crypto.sheet_text(appid, timestamp, nonce, package)
        return {
            "timeStamp": timestamp,
            "nonceStr": nonce,
            "package": package,
            "signType": "RSA",
            "paySign": self._channel.sign(text),
        }

    def query(self, out_trade_no: str) -> Transaction | None:
        """None: WeChat knows no such order."""
        target = f"{self._orders}/out-trade-no/{quote(out_trade_no, safe='')}?{self._party_query()}"
        try:
            given = self._channel.call("GET", target)
        except PayError as error:
            if error.pay_code in _UNKNOWN_ORDER:
                return None
            raise
        return _readable(target, lambda: read_transaction({**self._merchant_of(given), **given}))

    def close(self, out_trade_no: str) -> None:
        """After this nobody can pay the order, known or not. PayError when it is paid: query."""
        target = f"{self._order(out_trade_no)}/close"
        try:
            self._channel.call("POST", target, self._parties())
        except PayError as error:
            if error.pay_code not in _UNKNOWN_ORDER | {"ORDER_CLOSED"}:
                raise

    def refund(
        self,
        out_trade_no: str,
        out_refund_no: str,
        refund_fen: int,
        total_fen: int,
        reason: str,
        notify_url: str,
    ) -> RefundResult:
        """Ask for a refund. The same number again is the same refund; a new number is another."""
        body: dict[str, Any] = {
            "out_trade_no": out_trade_no,
            "out_refund_no": out_refund_no,
            "notify_url": notify_url,
            "amount": {"refund": refund_fen, "total": total_fen, "currency": "CNY"},
        }
        if reason:
            body["reason"] = reason[:80]
        if self._sub:
            body["sub_mchid"] = self._sub
        given = self._channel.call("POST", _REFUNDS, body)
        return _readable(_REFUNDS, lambda: read_refund(given))

    def query_refund(self, out_refund_no: str) -> RefundResult | None:
        """None: WeChat knows no such refund."""
        target = f"{_REFUNDS}/{quote(out_refund_no, safe='')}"
        if self._sub:
            target += f"?sub_mchid={self._sub}"
        try:
            given = self._channel.call("GET", target)
        except PayError as error:
            if error.pay_code in _UNKNOWN_ORDER:
                return None
            raise
        return _readable(target, lambda: read_refund(given))

    def read_notice(self, headers: Mapping[str, str], raw: bytes, now: datetime) -> Notice:
        """Verify on the raw bytes, open, name.

        Raises BadSignature (forged, old, probed, another merchant's) or MalformedMessage.
        """
        notice = open_notice(self._channel, self.account.api_v3_key, headers, raw, now)
        resource = notice.resource
        if (resource.get("mchid") or resource.get("sp_mchid")) != self.account.mchid:
            raise BadSignature("通知不是发给这个商户的")
        if self._sub and resource.get("sub_mchid") != self._sub:
            raise BadSignature("通知不是发给这个特约商户的")
        return notice

    def _order(self, out_trade_no: str) -> str:
        return f"{self._orders}/out-trade-no/{quote(out_trade_no, safe='')}"

    def _parties(self) -> dict[str, str]:
        if self._sub:
            return {"sp_mchid": self.account.mchid, "sub_mchid": self._sub}
        return {"mchid": self.account.mchid}

    def _party_query(self) -> str:
        return "&".join(f"{key}={value}" for key, value in self._parties().items())

    def _merchant_of(self, given: dict[str, Any]) -> dict[str, str]:
        # Unpaid orders are answered without some fields at times.
        return {} if "mchid" in given or "sp_mchid" in given else self._parties()


def _readable(target: str, read: Callable[[], T]) -> T:
    try:
        return read()
    except MalformedMessage as error:
        raise WechatUnavailable(target, error.detail) from None
