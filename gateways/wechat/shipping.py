"""Shipping information (发货信息管理) of one mini-program's payments."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

from core.clock import local
from gateways.pay.records import number_of
from gateways.pay.shipping import (
    Logistics,
    Parcel,
    Shipping,
    ShippingKey,
    ShippingRefused,
    Trade,
    TradePage,
    TradeState,
    Why,
)
from gateways.wechat.api import Api
from gateways.wechat.errors import WechatError, WechatUnavailable

ROOT = "/wxa/sec/order/"
PAGE_SIZE = 100
NUMBERS = {Logistics.parcel: 1, Logistics.city: 2, Logistics.virtual: 3, Logistics.pickup: 4}
UNSHIPPED = 1
STATES = {
    UNSHIPPED: TradeState.unshipped,
    2: TradeState.shipped,
    3: TradeState.received,
    4: TradeState.settled,
    5: TradeState.refunded,
    6: TradeState.settling,
}
UNKNOWN_ORDER = 10060001
WHYS = {
    UNKNOWN_ORDER: Why.unknown_order,
    10060002: Why.told,
    10060003: Why.used_up,
    10060004: Why.not_shippable,
    10060023: Why.same,
}
_BY_NUMBER = {number: kind for kind, number in NUMBERS.items()}
T = TypeVar("T")


class ShippingCounter:
    """`gateways.pay.shipping.ShippingDesk` at WeChat."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def is_managed(self) -> bool:
        return self._yes("is_trade_managed", "is_trade_managed")

    def is_confirmed(self) -> bool:
        return self._yes("is_trade_management_confirmation_completed", "completed")

    def tell(self, shipping: Shipping, payer: str, at: datetime) -> None:
        body = {**_told(shipping), "upload_time": _moment(at), "payer": {"openid": payer}}
        self._post("upload_shipping_info", body)

    def tell_combined(
        self, key: ShippingKey, parts: Sequence[Shipping], payer: str, at: datetime
    ) -> None:
        body = {
            "order_key": _key(key),
            "sub_orders": [_told(part) for part in parts],
            "upload_time": _moment(at),
            "payer": {"openid": payer},
        }
        self._post("upload_combined_shipping_info", body)

    def find(self, key: ShippingKey) -> Trade | None:
        path = f"{ROOT}get_order"
        try:
            given = self._post("get_order", _named(key))
        except ShippingRefused as refused:
            if refused.why is Why.unknown_order:
                return None
            raise
        order = given.get("order")
        if not isinstance(order, dict):
            raise WechatUnavailable(path, "no order in the answer")
        return _trade(order)

    def list_unshipped(self, since: datetime, until: datetime, last_index: str = "") -> TradePage:
        body: dict[str, Any] = {
            "pay_time_range": {
                "begin_time": int(since.timestamp()),
                "end_time": int(until.timestamp()) + 1,
            },
            "order_state": UNSHIPPED,
            "page_size": PAGE_SIZE,
        }
        if last_index:
            body["last_index"] = last_index
        given = self._post("get_order_list", body)
        rows = given.get("order_list") or []
        trades = tuple(_trade(row) for row in rows if isinstance(row, dict))
        return TradePage(trades, str(given.get("last_index") or ""), given.get("has_more") is True)

    def remind_receipt(self, key: ShippingKey, received_at: datetime) -> None:
        body = {**_named(key), "received_time": int(received_at.timestamp())}
        self._post("notify_confirm_receive", body)

    def set_page(self, path: str) -> None:
        self._post("set_msg_jump_path", {"path": path})

    def _yes(self, name: str, field: str) -> bool:
        return self._post(name, {"appid": self._api.appid}).get(field) is True

    def _post(self, name: str, body: Mapping[str, Any]) -> dict[str, Any]:
        return _refusing(lambda: self._api.post(ROOT + name, body))


def mask(contact: str) -> str:
    """A number as WeChat wants it: the last four digits and nothing else of it."""
    digits = "".join(char for char in contact if char.isascii() and char.isdigit())
    return f"****{digits[-4:]}" if len(digits) >= 4 else ""


def _refusing(call: Callable[[], T]) -> T:
    try:
        return call()
    except WechatError as error:
        why = Why.busy if error.transient else WHYS.get(error.errcode, Why.wrong)
        raise ShippingRefused(why, error.errcode, error.errmsg) from None


def _told(shipping: Shipping) -> dict[str, Any]:
    body: dict[str, Any] = {
        "order_key": _key(shipping.key),
        "logistics_type": NUMBERS[shipping.logistics],
        "delivery_mode": 2 if shipping.split else 1,
        "shipping_list": [_parcel(each, shipping.logistics) for each in shipping.parcels],
    }
    if shipping.split:
        body["is_all_delivered"] = shipping.complete
    return body


def _parcel(parcel: Parcel, logistics: Logistics) -> dict[str, Any]:
    row: dict[str, Any] = {"item_desc": parcel.item}
    if logistics is Logistics.parcel:
        row |= {"tracking_no": parcel.tracking_no, "express_company": parcel.company}
        if contact := mask(parcel.contact):
            row["contact"] = {"receiver_contact": contact}
    return row


def _key(key: ShippingKey) -> dict[str, Any]:
    if key.transaction_id:
        return {"order_number_type": 2, "transaction_id": key.transaction_id}
    return {
        "order_number_type": 1,
        "mchid": number_of(key.account),
        "out_trade_no": key.out_trade_no,
    }


def _named(key: ShippingKey) -> dict[str, Any]:
    if key.transaction_id:
        return {"transaction_id": key.transaction_id}
    return {"merchant_id": number_of(key.account), "merchant_trade_no": key.out_trade_no}


def _moment(at: datetime) -> str:
    return local(at).isoformat(timespec="milliseconds")


def _trade(order: Mapping[str, Any]) -> Trade:
    given = order.get("shipping")
    shipping: Mapping[str, Any] = given if isinstance(given, dict) else {}
    listed = shipping.get("shipping_list") or []
    parcels = [each for each in listed if isinstance(each, dict)]
    items = [str(each.get("goods_desc") or each.get("item_desc") or "") for each in parcels]
    if not any(items) and shipping.get("goods_desc"):
        items = [str(shipping["goods_desc"])]
    return Trade(
        ShippingKey(
            str(order.get("transaction_id") or ""),
            str(order.get("sub_merchant_id") or order.get("merchant_id") or ""),
            str(order.get("merchant_trade_no") or ""),
        ),
        STATES.get(_whole(order.get("order_state")), TradeState.unknown),
        str(order.get("openid") or ""),
        _whole(order.get("paid_amount")),
        _at(order.get("pay_time")),
        order.get("in_complaint") is True,
        _BY_NUMBER.get(_whole(shipping.get("logistics_type"))),
        shipping.get("finish_shipping") is True,
        _whole(shipping.get("finish_shipping_count")),
        tuple(items),
        tuple(str(each.get("tracking_no") or "") for each in parcels),
    )


def _at(value: Any) -> datetime | None:
    seconds = _whole(value)
    return datetime.fromtimestamp(seconds, UTC) if 0 < seconds < 10**11 else None


def _whole(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0
