"""WeChat Pay v3 for one merchant, as the port wants it: open, query, close, refund; the notices.

Every answer that says yes is verified before it is read. A lost, late or unverifiable answer is
WechatUnavailable: the outcome is unknown, and asking again under the same number tells.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
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
from gateways.pay.redirecting import Card
from gateways.wechat import pay_crypto
from gateways.wechat.errors import BadSignature, MalformedMessage, PayError, WechatUnavailable
from gateways.wechat.pay_asking import DOORS, address, body_of
from gateways.wechat.pay_bills import PayBills
from gateways.wechat.pay_channel import PayChannel
from gateways.wechat.pay_codes import CodePay, CodesV2, CodesV3
from gateways.wechat.pay_hosts import PayHosts
from gateways.wechat.pay_notices import open_notice
from gateways.wechat.pay_records import Notice, read_refund, read_transaction
from gateways.wechat.pay_v2 import PayV2
from gateways.wechat.sharing import ProfitSharing

_ORDERS = "/v3/pay/transactions"
_PARTNER_ORDERS = "/v3/pay/partner/transactions"
_REFUNDS = "/v3/refund/domestic/refunds"
T = TypeVar("T")
_UNKNOWN_ORDER = {"ORDER_NOT_EXIST", "RESOURCE_NOT_EXISTS"}


class PayMerchant:
    """With `sub_mchid` everything is asked as a service provider for that merchant."""

    def __init__(
        self, account: Account, http: Http, hosts: PayHosts, *, read_seconds: float
    ) -> None:
        self.settings = account
        self._channel = PayChannel(account, http, hosts, read_seconds=read_seconds)
        self._sub = account.sub_mchid
        self._orders = _PARTNER_ORDERS if self._sub else _ORDERS
        self._codes: CodePay | None = None
        if account.code_pay == "v2":
            v2 = PayV2(account, http, hosts, read_seconds=read_seconds)
            self._codes = CodesV2(v2, account)
        elif account.code_pay == "v3":
            self._codes = CodesV3(self._channel, account, self._orders, read_transaction)

    @property
    def sharing(self) -> ProfitSharing | None:
        """None: nobody's money but our own comes in here, so there is nothing to share."""
        if self._sub is None:
            return None
        mchid = self.settings.mchid
        return ProfitSharing(self._channel, self.account, mchid=mchid, sub_mchid=self._sub)

    @property
    def channel(self) -> str:
        return "wechat"

    @property
    def account(self) -> str:
        return self.settings.account

    @property
    def ways(self) -> frozenset[Way]:
        taken = {Way.mini, Way.jsapi}
        for way, is_taken in (
            (Way.native, self.settings.native),
            (Way.h5, self.settings.h5),
            (Way.code, self._codes is not None),
        ):
            if is_taken:
                taken.add(way)
        return frozenset(taken)

    @property
    def bills(self) -> PayBills:
        return PayBills(self._channel, self._sub)

    def open(self, ask: Ask, now: datetime) -> Opening:
        """A pay sheet, a code to scan, an address for a browser; or the payer's own code charged.

        Asking again with the same parameters is safe and gives a fresh one; a code is charged once.
        """
        if ask.way is Way.code:
            return self._code_pay().pay(ask)
        door = DOORS[ask.way]
        target = f"{self._orders}/{door.path}"
        given = self._channel.call("POST", target, body_of(ask, self._parties())).get(door.answer)
        if not isinstance(given, str) or not given:
            raise WechatUnavailable(target, f"no {door.answer} in the answer")
        kept = {door.answer: given}
        return replace(self.show(ask, kept, now), fresh_until=now + door.fresh)

    def show(self, ask: Ask, kept: Mapping[str, str], now: datetime) -> Opening:
        """The same once more; a pay sheet is signed anew."""
        if ask.way is Way.code:
            return Opening(Show.waiting)
        door = DOORS[ask.way]
        given = kept[door.answer]
        if door.show is Show.sheet:
            params = self._sheet(given, ask.appid, now)
        elif door.show is Show.redirect:
            params = {"url": address(given, ask.return_url)}
        else:
            params = {door.answer: given}
        return Opening(door.show, params, kept=kept)

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
        if asked.way is Way.code:
            return self._code_pay().query(asked)
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

    def close_is_final(self, way: Way) -> bool:
        return True

    def revoke(self, asked: Asked) -> None:
        """Only what was scanned at a counter can be undone whatever became of it."""
        if asked.way is not Way.code:
            said = f"{asked.way} is closed, not revoked"
            raise ChannelRefused("INVALID_REQUEST", said, api="revoke")
        self._code_pay().reverse(asked)

    def _code_pay(self) -> CodePay:
        if self._codes is None:
            said = f"{self.settings.mchid} takes no payment codes"
            raise ChannelRefused("NO_AUTH", said, api="codes")
        return self._codes

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
        return self._refund(_REFUNDS, given)

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
        return self._refund(target, given)

    def redirect_refund(
        self, refund_id: str, out_refund_no: str, card: Card | None, now: datetime
    ) -> RefundResult:
        """An abnormal refund, to the payer's card or to the merchant's own account."""
        target = f"{_REFUNDS}/{quote(refund_id, safe='')}/apply-abnormal-refund"
        body: dict[str, Any] = {"out_refund_no": out_refund_no, "type": "MERCHANT_BANK_CARD"}
        serial = ""
        if card is not None:
            serial, key = self._channel.sealing_key(now)
            body |= {
                "type": "USER_BANK_CARD",
                "bank_type": card.bank,
                "bank_account": pay_crypto.seal(key, card.number),
                "real_name": pay_crypto.seal(key, card.holder),
            }
        if self._sub:
            body["sub_mchid"] = self._sub
        given = self._channel.call("POST", target, body, serial=serial)
        return self._refund(target, given)

    def _refund(self, target: str, given: dict[str, Any]) -> RefundResult:
        """An answer to us: where it does not say of which merchant, it is ours."""
        found = _readable(target, lambda: read_refund(given))
        unsaid = found.account.rstrip("-") in ("", self.settings.mchid)
        return replace(found, account=self.account) if unsaid else found

    def read_notice(
        self,
        headers: Mapping[str, str],
        raw: bytes,
        now: datetime,
        *,
        subs: Sequence[str | None] = (),
    ) -> Notice:
        """Verify on the raw bytes, open, name. `subs`: all whom this number is told of; nobody but
        this merchant by itself.

        Raises BadSignature (forged, old, probed, another merchant's) or MalformedMessage.
        """
        notice = open_notice(self._channel, self.settings.api_v3_key, headers, raw, now)
        resource = notice.resource
        if (resource.get("mchid") or resource.get("sp_mchid")) != self.settings.mchid:
            raise BadSignature("通知不是发给这个商户的")
        if (resource.get("sub_mchid") or None) not in (subs or (self._sub,)):
            raise BadSignature("通知不是发给这个特约商户的")
        return notice

    def try_out(self, word: str, now: datetime) -> bool:
        """Whether what we sign and seal is read there, and what is signed and sealed there by us.

        An answer without the sealed word counts: not every account is given one.
        """
        serial, key = self._channel.sealing_key(now)
        body = {"echo_message": word, "encrypted_echo_message": pay_crypto.seal(key, word)}
        given = self._channel.call("POST", "/v3/security/echo", body, serial=serial)
        sealed = given.get("encrypted_echo_message")
        try:
            heard = word if sealed is None else self._channel.open_sealed(str(sealed))
        except pay_crypto.Unreadable:
            return False
        return given.get("echo_message") == word == heard

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
