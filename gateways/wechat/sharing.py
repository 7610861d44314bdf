"""Profit sharing (分账) of WeChat Pay: receivers, sharing, release, return.

All of it is asked as a service provider for one sub-merchant. FINISHED says that every receiver was
decided upon, each for itself.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

from core import clock
from gateways.pay.sharing import (
    Part,
    PartResult,
    Party,
    PartyKind,
    ReturnResult,
    SharingResult,
)
from gateways.wechat import pay_crypto
from gateways.wechat.errors import MalformedMessage, PayError, WechatUnavailable
from gateways.wechat.pay_channel import PayChannel
from gateways.wechat.pay_records import is_name

_ROOT = "/v3/profitsharing"
_UNKNOWN = {"RESOURCE_NOT_EXISTS", "ORDER_NOT_EXIST"}
_KINDS = {PartyKind.merchant: "MERCHANT_ID", PartyKind.person: "PERSONAL_OPENID"}
RETURNED_FOR = "退款，退回分账"
T = TypeVar("T")


class ProfitSharing:
    """Implements `gateways.pay.sharing.SharingChannel`."""

    def __init__(self, channel: PayChannel, account: str, *, mchid: str, sub_mchid: str) -> None:
        self._channel = channel
        self.account = account
        self.provider = mchid
        self.seller = sub_mchid

    def add_party(self, party: Party) -> None:
        body: dict[str, Any] = self._party(party) | {"relation_type": party.relation}
        self._call("POST", f"{_ROOT}/receivers/add", body, party.name)

    def delete_party(self, party: Party) -> None:
        try:
            self._call("POST", f"{_ROOT}/receivers/delete", self._party(party))
        except PayError as error:
            if error.pay_code not in _UNKNOWN:
                raise

    def share(self, out_order_no: str, transaction_id: str, parts: Sequence[Part]) -> SharingResult:
        receivers = [
            {
                "type": _KINDS[part.party.kind],
                "account": part.party.account,
                "amount": part.amount_fen,
                "description": part.description[:80],
            }
            for part in parts
        ]
        body = {
            "sub_mchid": self.seller,
            "appid": parts[0].party.appid,
            "transaction_id": transaction_id,
            "out_order_no": out_order_no,
            "receivers": receivers,
            "unfreeze_unsplit": False,
        }
        target = f"{_ROOT}/orders"
        return _readable(target, _read_sharing, self._channel.call("POST", target, body))

    def release(self, out_order_no: str, transaction_id: str, description: str) -> SharingResult:
        body = {
            "sub_mchid": self.seller,
            "transaction_id": transaction_id,
            "out_order_no": out_order_no,
            "description": description[:80],
        }
        target = f"{_ROOT}/orders/unfreeze"
        return _readable(target, _read_sharing, self._channel.call("POST", target, body))

    def query_sharing(self, out_order_no: str, transaction_id: str) -> SharingResult | None:
        asked = {"sub_mchid": self.seller, "transaction_id": transaction_id}
        return self._find(f"{_ROOT}/orders/{_of(out_order_no)}?{urlencode(asked)}", _read_sharing)

    def give_back(
        self, out_return_no: str, out_order_no: str, party_account: str, amount_fen: int
    ) -> ReturnResult:
        body = {
            "sub_mchid": self.seller,
            "out_order_no": out_order_no,
            "out_return_no": out_return_no,
            "return_mchid": party_account,
            "amount": amount_fen,
            "description": RETURNED_FOR,
        }
        target = f"{_ROOT}/return-orders"
        return _readable(target, _read_return, self._channel.call("POST", target, body))

    def query_return(self, out_return_no: str, out_order_no: str) -> ReturnResult | None:
        asked = {"sub_mchid": self.seller, "out_order_no": out_order_no}
        target = f"{_ROOT}/return-orders/{_of(out_return_no)}?{urlencode(asked)}"
        return self._find(target, _read_return)

    def unshared_fen(self, transaction_id: str) -> int:
        target = f"{_ROOT}/transactions/{_of(transaction_id)}/amounts"
        given = self._channel.call("GET", target)
        return _readable(target, lambda found: _whole(found, "unsplit_amount"), given)

    def most_bp(self) -> int:
        target = f"{_ROOT}/merchant-configs/{_of(self.seller)}"
        given = self._channel.call("GET", target)
        return _readable(target, lambda found: _whole(found, "max_ratio"), given)

    def _party(self, party: Party) -> dict[str, Any]:
        return {
            "sub_mchid": self.seller,
            "appid": party.appid,
            "type": _KINDS[party.kind],
            "account": party.account,
        }

    def _call(self, method: str, target: str, body: dict[str, Any], name: str = "") -> None:
        """With a name, sealed for WeChat's key, which the request has to call by its number."""
        if not name:
            self._channel.call(method, target, body)
            return
        serial, key = self._channel.sealing_key(clock.now())
        sealed = body | {"name": pay_crypto.seal(key, name)}
        self._channel.call(method, target, sealed, serial=serial)

    def _find(self, target: str, read: Callable[[dict[str, Any]], T]) -> T | None:
        try:
            given = self._channel.call("GET", target)
        except PayError as error:
            if error.pay_code in _UNKNOWN:
                return None
            raise
        return _readable(target, read, given)


def _read_sharing(given: dict[str, Any]) -> SharingResult:
    state, parts = given.get("state"), given.get("receivers") or []
    if state not in ("PROCESSING", "FINISHED") or not isinstance(parts, list):
        raise MalformedMessage("分账状态不正确")
    return SharingResult(
        out_order_no=_name(given, "out_order_no"),
        channel_no=_name(given, "order_id"),
        is_finished=state == "FINISHED",
        parts=tuple(_read_part(part) for part in parts),
    )


def _read_part(given: Any) -> PartResult:
    if not isinstance(given, dict) or given.get("result") not in ("PENDING", "SUCCESS", "CLOSED"):
        raise MalformedMessage("分账接收方的结果不正确")
    return PartResult(
        account=_name(given, "account"),
        amount_fen=_whole(given, "amount"),
        result=given["result"],
        fail_reason=str(given.get("fail_reason") or "")[:64],
    )


def _read_return(given: dict[str, Any]) -> ReturnResult:
    if given.get("result") not in ("PROCESSING", "SUCCESS", "FAILED"):
        raise MalformedMessage("分账回退的结果不正确")
    return ReturnResult(
        out_return_no=_name(given, "out_return_no"),
        result=given["result"],
        amount_fen=_whole(given, "amount"),
        fail_reason=str(given.get("fail_reason") or "")[:64],
    )


def _readable(target: str, read: Callable[[dict[str, Any]], T], given: dict[str, Any]) -> T:
    try:
        return read(given)
    except MalformedMessage as error:
        raise WechatUnavailable(target, error.detail) from None


def _name(given: dict[str, Any], key: str) -> str:
    value = given.get(key)
    if not is_name(value):
        raise MalformedMessage(f"缺少 {key} 或其格式不正确")
    return value


def _whole(given: dict[str, Any], key: str) -> int:
    value = given.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise MalformedMessage(f"{key} 不正确")
    return value


def _of(number: str) -> str:
    return quote(number, safe="")
