"""The payer's code (付款码), scanned at the counter: pay, ask, take back.

WeChat sends no notice of such a payment, so whoever asked goes on asking. The older interface is
what every merchant has; the one of v3 is opened for some.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Protocol
from urllib.parse import quote

from core.config import PayMerchant as Account
from gateways.pay.records import Ask, Asked, Opening, Show, Transaction
from gateways.wechat.errors import MalformedMessage, PayError, WechatUnavailable
from gateways.wechat.pay_v2 import PayV2

_BEIJING = timezone(timedelta(hours=8))
_UNKNOWN_ORDER = {"ORDER_NOT_EXIST", "RESOURCE_NOT_EXISTS"}
_REVERSALS = 2
# What these say of a refund is the merchant's affair; said of a code they speak of the payer.
_ABOUT_PAYER = {"NOT_ENOUGH": "PAYER_NOT_ENOUGH"}


class CodePay(Protocol):
    """Raises PayError for a no and WechatUnavailable where it may be paid nevertheless: ask."""

    def pay(self, ask: Ask) -> Opening: ...

    def query(self, asked: Asked) -> Transaction | None: ...

    def reverse(self, asked: Asked) -> None: ...


class CodesV2:
    """By `/pay/micropay`."""

    def __init__(self, v2: PayV2, account: Account) -> None:
        self._v2 = v2
        self._account = account

    def pay(self, ask: Ask) -> Opening:
        fields = {
            "appid": ask.appid,
            "body": ask.description[:42],
            "out_trade_no": ask.out_trade_no,
            "total_fee": str(ask.amount_fen),
            "spbill_create_ip": ask.client_ip or "127.0.0.1",
            "auth_code": ask.auth_code,
            "device_info": ask.store_no[:32],
            "attach": ask.attach,
            "profit_sharing": "Y" if ask.shared else "",
        }
        try:
            # Not repeated by ourselves: the same code a second time is a no that hides a yes.
            given = self._v2.call("/pay/micropay", fields, repeatable=False)
        except PayError as error:
            if error.pay_code == "USERPAYING":
                return Opening(Show.waiting)
            raise _of_payer(error) from None
        return Opening(Show.done, transaction=self._read(given, "SUCCESS"))

    def query(self, asked: Asked) -> Transaction | None:
        fields = {"appid": asked.appid, "out_trade_no": asked.out_trade_no}
        try:
            given = self._v2.call("/pay/orderquery", fields)
        except PayError as error:
            if error.pay_code in _UNKNOWN_ORDER:
                return None
            raise
        return self._read(given, given.get("trade_state", ""))

    def reverse(self, asked: Asked) -> None:
        fields = {"appid": asked.appid, "out_trade_no": asked.out_trade_no}
        for _ in range(_REVERSALS):
            try:
                given: Mapping[str, Any] = self._v2.call(
                    "/secapi/pay/reverse", fields, certified=True
                )
            except PayError as error:
                if error.pay_code in _UNKNOWN_ORDER | {"ORDER_REVERSED", "ORDER_CLOSED"}:
                    return
                if error.answer.get("recall") != "Y":
                    raise
                continue
            if given.get("recall") != "Y":
                return
        raise WechatUnavailable("/secapi/pay/reverse", "asked to call again")

    def _read(self, given: Mapping[str, str], state: str) -> Transaction:
        try:
            total = given.get("total_fee")
            return Transaction(
                out_trade_no=given["out_trade_no"],
                transaction_id=given.get("transaction_id") or None,
                state=state,
                amount_fen=int(total) if total else None,
                currency=given.get("fee_type") or "CNY",
                account=self._account.account,
                appid=given.get("appid", ""),
                payer=given.get("openid", ""),
                success_at=_time_of(given.get("time_end", "")),
                attach=given.get("attach", ""),
            )
        except (KeyError, ValueError) as error:
            raise WechatUnavailable("/pay", f"unreadable: {type(error).__name__}") from None


class Caller(Protocol):
    """Signed calls of v3."""

    def call(
        self,
        method: str,
        target: str,
        body: Mapping[str, Any] | None = None,
        *,
        repeatable: bool = True,
    ) -> dict[str, Any]: ...


class Reader(Protocol):
    def __call__(self, given: dict[str, Any]) -> Transaction: ...


class CodesV3:
    """By `/v3/pay/transactions/codepay`, for whom WeChat has opened it."""

    def __init__(self, channel: Caller, account: Account, orders: str, read: Reader) -> None:
        self._channel = channel
        self._sub = account.sub_mchid
        self._account = account
        self._orders = orders
        self._read = read

    def pay(self, ask: Ask) -> Opening:
        body: dict[str, Any] = {
            **self._parties(ask.appid),
            "description": ask.description[:127],
            "out_trade_no": ask.out_trade_no,
            "amount": {"total": ask.amount_fen, "currency": "CNY"},
            "payer": {"auth_code": ask.auth_code},
            "scene_info": {"store_info": {"id": ask.store_no[:32] or "0"}},
        }
        if ask.attach:
            body["attach"] = ask.attach
        if ask.shared:
            body["settle_info"] = {"profit_sharing": True}
        target = f"{self._orders}/codepay"
        try:
            given = self._channel.call("POST", target, body, repeatable=False)
        except PayError as error:
            if error.pay_code == "USERPAYING":
                return Opening(Show.waiting)
            raise _of_payer(error) from None
        if given.get("code") == "USERPAYING":  # with 202, which is a yes for whoever reads numbers
            return Opening(Show.waiting)
        found = self._transaction(target, given)
        if found.state == "USERPAYING":
            return Opening(Show.waiting)
        return Opening(Show.done, transaction=found)

    def query(self, asked: Asked) -> Transaction | None:
        parties = self._parties("")
        named = "&".join(f"{key}={value}" for key, value in parties.items())
        target = f"{self._orders}/out-trade-no/{quote(asked.out_trade_no, safe='')}?{named}"
        try:
            return self._transaction(target, self._channel.call("GET", target))
        except PayError as error:
            if error.pay_code in _UNKNOWN_ORDER:
                return None
            raise

    def reverse(self, asked: Asked) -> None:
        target = f"{self._orders}/out-trade-no/{quote(asked.out_trade_no, safe='')}/reverse"
        try:
            self._channel.call("POST", target, self._parties(asked.appid))
        except PayError as error:
            if error.pay_code not in _UNKNOWN_ORDER | {"ORDER_REVERSED", "ORDER_CLOSED"}:
                raise

    def _parties(self, appid: str) -> dict[str, str]:
        if self._sub:
            named = {"sp_mchid": self._account.mchid, "sub_mchid": self._sub}
            return {"sp_appid": appid, **named} if appid else named
        return (
            {"appid": appid, "mchid": self._account.mchid}
            if appid
            else {"mchid": self._account.mchid}
        )

    def _transaction(self, target: str, given: dict[str, Any]) -> Transaction:
        try:
            return self._read(given)
        except MalformedMessage as error:
            raise WechatUnavailable(target, error.detail) from None


def _of_payer(error: PayError) -> PayError:
    named = _ABOUT_PAYER.get(error.pay_code)
    return error if named is None else PayError(200, named, error.message, api=error.api)


def _time_of(text: str) -> datetime | None:
    """`20261122183000`, in Beijing."""
    if len(text) != 14 or not (text.isascii() and text.isdigit()):
        return None
    return datetime.strptime(text, "%Y%m%d%H%M%S").replace(tzinfo=_BEIJING).astimezone(UTC)
