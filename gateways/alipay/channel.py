"""Alipay as a payment channel: its page, its page on a phone, a QR, the payer's code."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, NoReturn
from urllib.parse import quote

from core.config_channels import AlipayAccount
from gateways.alipay import wire
from gateways.alipay.bills import AlipayBills
from gateways.alipay.client import AlipayClient
from gateways.alipay.errors import AlipayError, AlipayUnavailable
from gateways.alipay.reading import (
    BEIJING,
    read_notice,
    read_refund,
    read_time,
    read_trade,
    refund_result,
)
from gateways.http import Http
from gateways.pay.errors import BadSignature, MalformedMessage, StaleMessage
from gateways.pay.forms import read_form
from gateways.pay.money import to_yuan
from gateways.pay.records import (
    Ask,
    Asked,
    Notice,
    Opening,
    RefundAsk,
    RefundResult,
    Show,
    Transaction,
    Way,
)

_UNKNOWN_TRADE = "ORDER_NOT_EXIST"
# Alipay repeats a notice for twenty-five hours.
_OLDEST = timedelta(hours=26)
_EARLIEST = timedelta(minutes=10)
_PAGES = {
    Way.page: ("alipay.trade.page.pay", "FAST_INSTANT_TRADE_PAY"),
    Way.wap: ("alipay.trade.wap.pay", "QUICK_WAP_WAY"),
}


class AlipayChannel:
    """One application; implements `gateways.pay.port.PayChannel`.

    A page is opened by the payer's browser alone, so Alipay knows nothing of the trade before the
    payer has come to its cashier, and nothing that could be closed: until `expires_at` the address
    can be paid. Whoever closed such an attempt has to send back what comes after all.
    """

    channel = "alipay"

    def __init__(
        self, account: AlipayAccount, http: Http, gateway: str, *, read_seconds: float
    ) -> None:
        self.settings = account
        self._client = AlipayClient(account, http, gateway, read_seconds=read_seconds)
        self.bills = AlipayBills(self.bill_url, http)

    @property
    def account(self) -> str:
        return self.settings.app_id

    @property
    def ways(self) -> frozenset[Way]:
        return frozenset(Way(each) for each in self.settings.ways)

    def open(self, ask: Ask, now: datetime) -> Opening:
        if ask.way in _PAGES:
            return self.show(ask, {}, now)
        if ask.way is Way.native:
            given = self._client.call("alipay.trade.precreate", _trade(ask), _told(ask))
            code_url = given.get("qr_code")
            if not isinstance(code_url, str) or not code_url:
                raise AlipayUnavailable("alipay.trade.precreate", "no qr_code in the answer")
            kept = {"code_url": code_url}
            return Opening(Show.qr, kept, kept, fresh_until=ask.expires_at)
        if ask.way is Way.code:
            return self._take(ask)
        raise AlipayError("ACQ.ACCESS_FORBIDDEN", f"no way {ask.way}", api="alipay")

    def show(self, ask: Ask, kept: Mapping[str, str], now: datetime) -> Opening:
        if ask.way is Way.native:
            shown = {"code_url": kept["code_url"]}
            return Opening(Show.qr, shown, shown, fresh_until=ask.expires_at)
        method, product = _PAGES[ask.way]
        more = _told(ask)
        content: dict[str, Any] = {**_trade(ask), "product_code": product}
        if ask.return_url:
            more["return_url"] = ask.return_url
            if ask.way is Way.wap:
                content["quit_url"] = ask.return_url
        url = self._client.url(method, content, more, now)
        return Opening(Show.redirect, {"url": url}, {}, fresh_until=ask.expires_at)

    def query(self, asked: Asked) -> Transaction | None:
        waiting = "USERPAYING" if asked.way is Way.code else "NOTPAY"
        try:
            given = self._client.call("alipay.trade.query", {"out_trade_no": asked.out_trade_no})
        except AlipayError as error:
            if error.pay_code == _UNKNOWN_TRADE:
                return None
            raise
        return self._trade_of("alipay.trade.query", given, asked.out_trade_no, waiting)

    def close(self, asked: Asked) -> None:
        try:
            self._client.call("alipay.trade.close", {"out_trade_no": asked.out_trade_no})
        except AlipayError as error:
            if error.pay_code not in (_UNKNOWN_TRADE, "ORDER_CLOSED"):
                raise

    def close_is_final(self, way: Way) -> bool:
        """Of a page or a QR that nobody has come to yet there is nothing to close."""
        return way is Way.code

    def revoke(self, asked: Asked) -> None:
        try:
            given = self._client.call("alipay.trade.cancel", {"out_trade_no": asked.out_trade_no})
        except AlipayError as error:
            if error.pay_code in (_UNKNOWN_TRADE, "ORDER_CLOSED"):
                return
            raise
        if given.get("retry_flag") == "Y":
            raise AlipayUnavailable("alipay.trade.cancel", "to be asked again")

    def refund(self, asked: Asked, ask: RefundAsk) -> RefundResult:
        """`fund_change` N says that this number went back before, or has not yet: a query tells."""
        given = self._client.call(
            "alipay.trade.refund",
            {
                "out_trade_no": asked.out_trade_no,
                "out_request_no": ask.out_refund_no,
                "refund_amount": to_yuan(ask.refund_fen),
                "refund_reason": ask.reason[:128],
            },
        )
        if given.get("fund_change") == "Y":
            at = given.get("gmt_refund_pay")
            return refund_result(ask, self.account, "SUCCESS", _time_of(at))
        known = self.query_refund(asked, ask)
        return known or refund_result(ask, self.account, "PROCESSING")

    def query_refund(self, asked: Asked, ask: RefundAsk) -> RefundResult | None:
        method = "alipay.trade.fastpay.refund.query"
        content = {
            "out_trade_no": asked.out_trade_no,
            "out_request_no": ask.out_refund_no,
            "query_options": ["gmt_refund_pay"],
        }
        try:
            given = self._client.call(method, content)
        except AlipayError as error:
            if error.pay_code == _UNKNOWN_TRADE:
                return None
            raise
        try:
            return read_refund(given, ask, self.account)
        except ValueError as error:
            _unreadable(method, error)

    def bill_url(self, day: str, kind: str = "trade") -> str:
        """Where the bill of a day ("2026-11-22") lies, for thirty seconds. ChannelRefused with
        NO_STATEMENT_EXIST for a day without trades, or one whose bill is not there yet."""
        method = "alipay.data.dataservice.bill.downloadurl.query"
        given = self._client.call(method, {"bill_type": kind, "bill_date": day})
        url = given.get("bill_download_url")
        if not isinstance(url, str) or not url.startswith(("https://", "http://")):
            raise AlipayUnavailable(method, "no address in the answer")
        return url

    def read_notice(self, raw: bytes, now: datetime) -> Notice:
        """A verified notice of this application about a trade.

        Raises BadSignature (forged, old, another's) or MalformedMessage.
        """
        fields = read_form(raw, wire.charset_of)
        self._check_ours(fields, now)
        try:
            told_at = read_time(fields.get("notify_time"))
        except ValueError:
            raise MalformedMessage("缺少 notify_time") from None
        read_notice(fields.get("trade_status", ""), fields)
        if not 0 < len(fields.get("notify_id", "")) <= 128:
            raise MalformedMessage("缺少 notify_id")
        if not now - _OLDEST <= told_at <= now + _EARLIEST:
            raise StaleMessage
        told = {name: text for name, text in fields.items() if name not in ("sign", "sign_type")}
        return Notice(fields["notify_id"], fields["trade_status"], told)

    def read_return(self, raw: bytes, now: datetime) -> str:
        """Whose page it is that a payer came back to; of what was paid a return proves nothing.

        The out_trade_no. Raises BadSignature or MalformedMessage.
        """
        fields = read_form(raw, wire.charset_of)
        self._check_ours(fields, now)
        if not fields.get("out_trade_no"):
            raise MalformedMessage("缺少 out_trade_no")
        return fields["out_trade_no"]

    def _check_ours(self, fields: Mapping[str, str], now: datetime) -> None:
        if not self._client.is_authentic(fields, now):
            raise BadSignature
        seller = self.settings.seller_id
        if fields.get("app_id") != self.account:
            raise BadSignature("通知不是发给这个应用的")
        if seller and fields.get("seller_id", seller) != seller:
            raise BadSignature("通知不是发给这个商家的")

    def _take(self, ask: Ask) -> Opening:
        """By the payer's code: done, or waiting for a password."""
        method = "alipay.trade.pay"
        content = {
            **_trade(ask),
            "scene": "bar_code",
            "auth_code": ask.auth_code,
            "product_code": "FACE_TO_FACE_PAYMENT",
        }
        given = self._client.call(method, content, _told(ask))
        if given.get("code") == "10003":
            return Opening(Show.waiting)
        told = {"trade_status": "TRADE_SUCCESS", **given}
        return Opening(
            Show.done, transaction=self._trade_of(method, told, ask.out_trade_no, "USERPAYING")
        )

    def _trade_of(
        self, method: str, given: Mapping[str, Any], number: str, waiting: str
    ) -> Transaction:
        try:
            known = read_trade(given, self.account, waiting=waiting)
        except ValueError as error:
            _unreadable(method, error)
        if known.out_trade_no != number:
            raise AlipayUnavailable(method, "an answer about another trade")
        return known


def _trade(ask: Ask) -> dict[str, Any]:
    """What every way of opening a trade says; asked again it has to be the same."""
    return {
        "out_trade_no": ask.out_trade_no,
        "total_amount": to_yuan(ask.amount_fen),
        "subject": ask.description[:128],
        "time_expire": ask.expires_at.astimezone(BEIJING).strftime("%Y-%m-%d %H:%M:%S"),
        "store_id": ask.store_no[:32],
        "passback_params": quote(ask.attach, safe=""),
    }


def _told(ask: Ask) -> dict[str, str]:
    return {"notify_url": ask.notify_url}


def _time_of(text: object) -> datetime | None:
    try:
        return read_time(text)
    except ValueError:
        return None


def _unreadable(method: str, error: ValueError) -> NoReturn:
    raise AlipayUnavailable(method, f"unreadable: {error}") from None
