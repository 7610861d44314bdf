"""WeChat Pay v3 for one merchant, as the port wants it: open, query, close, refund; the notices.

Every answer that says yes is verified before it is read. A lost, late or unverifiable answer is
WechatUnavailable: the outcome is unknown, and asking again under the same number tells.
"""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta, timezone
from typing import Any, TypeVar
from urllib.parse import quote

from core.config import PayMerchant as Account
from gateways.http import Http
from gateways.pay.errors import ChannelRefused
from gateways.pay.records import (
    Ask,
    Asked,
    Opening,
    RefundAsk,
    RefundResult,
    Show,
    Transaction,
    Way,
)
from gateways.wechat import pay_crypto
from gateways.wechat.errors import BadSignature, MalformedMessage, PayError, WechatUnavailable
from gateways.wechat.pay_channel import PayChannel
from gateways.wechat.pay_notices import open_notice
from gateways.wechat.pay_records import Notice, read_refund, read_transaction

_BEIJING = timezone(timedelta(hours=8))
_ORDERS = "/v3/pay/transactions"
_PARTNER_ORDERS = "/v3/pay/partner/transactions"
_REFUNDS = "/v3/refund/domestic/refunds"
T = TypeVar("T")
_UNKNOWN_ORDER = {"ORDER_NOT_EXIST", "RESOURCE_NOT_EXISTS"}
# A prepay_id is good for two hours.
PREPAY_FRESH = timedelta(minutes=110)


class PayMerchant:
    """With `sub_mchid` everything is asked as a service provider for that merchant."""

    def __init__(self, account: Account, http: Http, base: str, *, read_seconds: float) -> None:
        self.settings = account
        self._channel = PayChannel(account, http, base, read_seconds=read_seconds)
        self._sub = account.sub_mchid
        self._orders = _PARTNER_ORDERS if self._sub else _ORDERS

    @property
    def channel(self) -> str:
        return "wechat"

    @property
    def account(self) -> str:
        return self.settings.mchid

    @property
    def ways(self) -> frozenset[Way]:
        return frozenset({Way.mini, Way.jsapi})

    def open(self, ask: Ask, now: datetime) -> Opening:
        """A prepay_id for a pay sheet.

        Asking again with the same parameters is safe and gives a fresh one.
        """
        body: dict[str, Any] = {
            **self._parties(),
            "sp_appid" if self._sub else "appid": ask.appid,
            "description": ask.description[:127],
            "out_trade_no": ask.out_trade_no,
            "notify_url": ask.notify_url,
            "time_expire": ask.expires_at.astimezone(_BEIJING).isoformat(timespec="seconds"),
            "amount": {"total": ask.amount_fen, "currency": "CNY"},
            "payer": {"sp_openid" if self._sub else "openid": ask.payer},
        }
        if ask.attach:
            body["attach"] = ask.attach
        if ask.shared:
            body["settle_info"] = {"profit_sharing": True}
        target = f"{self._orders}/jsapi"
        prepay_id = self._channel.call("POST", target, body).get("prepay_id")
        if not isinstance(prepay_id, str) or not prepay_id:
            raise WechatUnavailable(target, "no prepay_id in the answer")
        return Opening(
            Show.sheet,
            self._sheet(prepay_id, ask.appid, now),
            kept={"prepay_id": prepay_id},
            fresh_until=now + PREPAY_FRESH,
        )

    def show(self, ask: Ask, kept: Mapping[str, str], now: datetime) -> Opening:
        """The pay sheet once more, signed anew."""
        return Opening(Show.sheet, self._sheet(kept["prepay_id"], ask.appid, now), kept=kept)

    def _sheet(self, prepay_id: str, appid: str, now: datetime) -> dict[str, str]:
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

    def query(self, asked: Asked) -> Transaction | None:
        """None: WeChat knows no such order."""
        target = f"{self._order(asked.out_trade_no)}?{self._party_query()}"
        try:
            given = self._channel.call("GET", target)
        except PayError as error:
            if error.pay_code in _UNKNOWN_ORDER:
                return None
            raise
        return _readable(target, lambda: read_transaction({**self._merchant_of(given), **given}))

    def close(self, asked: Asked) -> None:
        """After this nobody can pay the order, known or not. PayError when it is paid: query."""
        target = f"{self._order(asked.out_trade_no)}/close"
        try:
            self._channel.call("POST", target, self._parties())
        except PayError as error:
            if error.pay_code not in _UNKNOWN_ORDER | {"ORDER_CLOSED"}:
                raise

    def revoke(self, asked: Asked) -> None:
        """Only what was scanned at a counter can be undone whatever became of it."""
        raise ChannelRefused("INVALID_REQUEST", f"{asked.way} is closed, not revoked", api="revoke")

    def refund(self, asked: Asked, ask: RefundAsk) -> RefundResult:
        """Ask for a refund. The same number again is the same refund; a new number is another."""
        body: dict[str, Any] = {
            "out_trade_no": asked.out_trade_no,
            "out_refund_no": ask.out_refund_no,
            "notify_url": ask.notify_url,
            "amount": {"refund": ask.refund_fen, "total": ask.total_fen, "currency": "CNY"},
        }
        if ask.reason:
            body["reason"] = ask.reason[:80]
        if self._sub:
            body["sub_mchid"] = self._sub
        given = self._channel.call("POST", _REFUNDS, body)
        return _readable(_REFUNDS, lambda: read_refund(given))

    def query_refund(self, asked: Asked, ask: RefundAsk) -> RefundResult | None:
        """None: WeChat knows no such refund."""
        target = f"{_REFUNDS}/{quote(ask.out_refund_no, safe='')}"
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
        notice = open_notice(self._channel, self.settings.api_v3_key, headers, raw, now)
        resource = notice.resource
        if (resource.get("mchid") or resource.get("sp_mchid")) != self.settings.mchid:
            raise BadSignature("通知不是发给这个商户的")
        if self._sub and resource.get("sub_mchid") != self._sub:
            raise BadSignature("通知不是发给这个特约商户的")
        return notice

    def _order(self, out_trade_no: str) -> str:
        return f"{self._orders}/out-trade-no/{quote(out_trade_no, safe='')}"

    def _parties(self) -> dict[str, str]:
        if self._sub:
            return {"sp_mchid": self.settings.mchid, "sub_mchid": self._sub}
        return {"mchid": self.settings.mchid}

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
