"""发货信息管理: what was paid in a mini-program is held back until it is told as shipped.

Told once completely and once more at most; then the buyer confirms, or time does, and the money is
the shop's. Everything that happens is told to the shop as an event.
"""

from datetime import datetime
from typing import Any

from sandbox.acts import NotPossible
from sandbox.pay.ledger import Order
from sandbox.people import Person
from sandbox.state import World
from sandbox.wechat import tradeevents
from sandbox.wechat.door import ApiError, Body, Call, wechat_api
from sandbox.wechat.tradestore import (
    RECEIVED,
    REFUNDED,
    SETTLED,
    SHIPPED,
    UNSHIPPED,
    Trade,
)

ROOT = "/wxa/sec/order/"
PARCEL, PICKUP = 1, 4
UNIFIED, SPLIT = 1, 2
MOST_TELLINGS, MOST_PARCELS, LONGEST = 2, 15, 120


@wechat_api("upload_shipping_info", f"{ROOT}upload_shipping_info", title="录入发货信息")
def upload(call: Call) -> Body:
    at = _upload_time(call.body)
    order = _order(call, call.body.get("order_key"))
    _check_payer(call, order)
    trade = _take(call, order, call.body, at)
    call.after.append(lambda: tradeevents.shipped(call.world, trade))
    return {}


@wechat_api(
    "upload_combined_shipping_info",
    f"{ROOT}upload_combined_shipping_info",
    title="录入合单发货信息",
)
def upload_combined(call: Call) -> Body:
    """The combined order itself is named as its parts are."""
    at = _upload_time(call.body)
    key, parts = call.body.get("order_key"), call.body.get("sub_orders")
    if not isinstance(parts, list) or not parts:
        raise ApiError(47001)
    kinds = [(part.get("order_key") or {}).get("order_number_type") for part in parts]
    if not isinstance(key, dict) or set(kinds) != {key.get("order_number_type")}:
        raise ApiError(268485194)
    orders = [_order(call, part.get("order_key")) for part in parts]
    for order, part in zip(orders, parts, strict=True):
        _check_payer(call, order)
        _check(part)
    trades = [_take(call, order, part, at) for order, part in zip(orders, parts, strict=True)]

    def tell() -> None:
        for trade in trades:
            tradeevents.shipped(call.world, trade)

    call.after.append(tell)
    return {}


@wechat_api("get_order", f"{ROOT}get_order", title="查发货订单")
def get_order(call: Call) -> Body:
    return {"order": _shown(call.world, _order(call, _as_key(call.body)))}


@wechat_api("get_order_list", f"{ROOT}get_order_list", title="查发货订单列表")
def get_order_list(call: Call) -> Body:
    world, body = call.world, call.body
    span = body.get("pay_time_range") or {}
    size = body.get("page_size", 100)
    if not isinstance(size, int) or not 1 <= size <= 100:
        raise ApiError(10060014)
    found = [
        _shown(world, order)
        for order in world.ledger.orders.values()
        if _is_known(world, order, call.own.appid)
        and span.get("begin_time", 0) <= order.success_at <= span.get("end_time", 10**12)
    ]
    for name in ("order_state", "openid"):
        if name in body:
            found = [each for each in found if each[name] == body[name]]
    begin = int(body.get("last_index") or 0)
    page = found[begin : begin + size]
    return {
        "order_list": page,
        "last_index": str(begin + len(page)),
        "has_more": begin + len(page) < len(found),
    }


@wechat_api("notify_confirm_receive", f"{ROOT}notify_confirm_receive", title="提醒确认收货")
def remind_receipt(call: Call) -> Body:
    order = _order(call, _as_key(call.body))
    trade = call.world.shippings.by_transaction.get(order.transaction_id)
    if trade is None or trade.logistics != PARCEL:
        raise ApiError(10060030)
    if trade.reminded:
        raise ApiError(10060029)
    received = call.body.get("received_time")
    if not trade.shipped_at or not isinstance(received, int) or received < int(trade.shipped_at):
        raise ApiError(10060028 if trade.shipped_at else 10060032)
    trade.reminded = True
    tradeevents.show(call.world, trade, order, "包裹到了，收到的话请确认收货")
    return {}


@wechat_api("set_msg_jump_path", f"{ROOT}set_msg_jump_path", title="设置发货消息跳转页")
def set_page(call: Call) -> Body:
    call.world.shippings.control(call.own.appid).page = call.text("path", 10060014)
    return {}


@wechat_api("is_trade_managed", f"{ROOT}is_trade_managed", title="是否在发货管理下")
def is_managed(call: Call) -> Body:
    _check_own(call)
    return {"is_trade_managed": call.world.shippings.control(call.own.appid).managed}


@wechat_api(
    "is_trade_management_confirmation_completed",
    f"{ROOT}is_trade_management_confirmation_completed",
    title="历史资金确认是否完成",
)
def is_confirmed(call: Call) -> Body:
    _check_own(call)
    return {"completed": call.world.shippings.control(call.own.appid).confirmed}


def confirm(world: World, person: Person, transaction_id: str) -> Trade:
    """The buyer has it. Raises NotPossible with what the phone shows."""
    trade = world.shippings.by_transaction.get(transaction_id)
    order = world.ledger.find_paid(transaction_id)
    mine = order is not None and world.people.owner_of(order.openid, order.appid) == person
    if trade is None or not mine or not trade.complete:
        raise NotPossible("openBusinessView:fail 订单不存在或还没发货")
    if trade.confirmed_at:
        raise NotPossible("openBusinessView:fail 已经确认过收货")
    tradeevents.confirm(world, trade, tradeevents.BY_HAND)
    return trade


def state_of(world: World, order: Order) -> int:
    if order.refunded_fen >= order.total_fen:
        return REFUNDED
    trade = world.shippings.by_transaction.get(order.transaction_id)
    if trade is None or not trade.complete:
        return UNSHIPPED
    if trade.settled_at:
        return SETTLED
    return RECEIVED if trade.confirmed_at else SHIPPED


def _take(call: Call, order: Order, told: dict[str, Any], at: datetime) -> Trade:
    """Keep what was told of one payment. Raises ApiError; then nothing has changed."""
    _check(told)
    world, mode, kind = call.world, told["delivery_mode"], told["logistics_type"]
    state = state_of(world, order)
    if state == REFUNDED:
        raise ApiError(10060004)
    if state in (RECEIVED, SETTLED):
        raise ApiError(10060002)
    trade = world.shippings.by_transaction.get(order.transaction_id)
    if trade is not None and datetime.fromisoformat(trade.upload_time) >= at:
        raise ApiError(268485216)
    parcels = told["shipping_list"]
    complete = mode == UNIFIED or told["is_all_delivered"]
    anew = trade is not None and (trade.complete or trade.mode != mode)
    if anew and trade is not None:
        if trade.told >= MOST_TELLINGS:
            raise ApiError(10060003)
        if (trade.logistics, trade.mode, trade.parcels) == (kind, mode, parcels):
            raise ApiError(10060023)
    if trade is None or anew:
        fresh = Trade(order.transaction_id, order.appid, kind, mode, parcels, at.isoformat())
        fresh.told = trade.told if trade is not None else 0
        trade = world.shippings.by_transaction[order.transaction_id] = fresh
    elif len(trade.parcels) + len(parcels) > MOST_PARCELS:
        raise ApiError(10060024)
    else:
        trade.parcels = trade.parcels + parcels
        trade.upload_time = at.isoformat()
    if complete:
        trade.complete, trade.shipped_at = True, world.clock.stamp()
        trade.told += 1
    person = world.people.owner_of(order.openid, order.appid)
    call.person = person.id if person else None
    call.detail = f"{parcels[0]['item_desc']}，第 {trade.told} 次" if complete else "还有包裹没发"
    return trade


def _check(told: dict[str, Any]) -> None:
    kind, mode = told.get("logistics_type"), told.get("delivery_mode")
    parcels = told.get("shipping_list")
    if kind not in (1, 2, 3, 4):
        raise ApiError(10060005)
    if mode not in (UNIFIED, SPLIT):
        raise ApiError(268485224)
    if mode == SPLIT and kind != PARCEL:
        raise ApiError(10060006)
    if mode == SPLIT and not isinstance(told.get("is_all_delivered"), bool):
        raise ApiError(10060007)
    if not isinstance(parcels, list) or not all(isinstance(each, dict) for each in parcels):
        raise ApiError(47001)
    if mode == UNIFIED and len(parcels) != 1:
        raise ApiError(268485228)
    if not 1 <= len(parcels) <= MOST_PARCELS:
        raise ApiError(10060024)
    for parcel in parcels:
        _check_parcel(parcel, kind)


def _check_parcel(parcel: dict[str, Any], kind: int) -> None:
    item = parcel.get("item_desc")
    if not isinstance(item, str) or not item:
        raise ApiError(10060008)
    if len(item) > LONGEST:
        raise ApiError(10060020)
    if kind != PARCEL:
        return
    if not parcel.get("tracking_no"):
        raise ApiError(268485226)
    if not parcel.get("express_company"):
        raise ApiError(268485227)
    contact = (parcel.get("contact") or {}).get("receiver_contact", "")
    if parcel["express_company"] == "SF" and not contact:
        raise ApiError(10060014)
    if contact and (not contact[-4:].isdigit() or any(char.isdigit() for char in contact[:-4])):
        raise ApiError(10060014)


def _order(call: Call, key: Any) -> Order:
    """A paid order of this mini-program, a while after it was paid."""
    world, ledger = call.world, call.world.ledger
    if call.own.kind != "mini":
        raise ApiError(48001)
    if not isinstance(key, dict):
        raise ApiError(268485194)
    if key.get("order_number_type") == 2:
        order = ledger.find_paid(str(key.get("transaction_id")))
    elif key.get("order_number_type") == 1:
        order = ledger.find_order(str(key.get("mchid")), str(key.get("out_trade_no")))
    else:
        raise ApiError(268485195)
    if order is None or not _is_known(world, order, call.own.appid):
        raise ApiError(10060001)
    return order


def _is_known(world: World, order: Order, appid: str) -> bool:
    age = world.clock.stamp() - order.success_at
    paid = bool(order.transaction_id) and (order.appid, order.trade_type) == (appid, "JSAPI")
    return paid and age >= world.settings.trade_known_seconds


def _as_key(body: Body) -> dict[str, Any]:
    if body.get("transaction_id"):
        return {"order_number_type": 2, "transaction_id": body["transaction_id"]}
    named = {"mchid": body.get("merchant_id"), "out_trade_no": body.get("merchant_trade_no")}
    return {"order_number_type": 1, **named}


def _check_payer(call: Call, order: Order) -> None:
    payer = call.body.get("payer")
    if not isinstance(payer, dict) or payer.get("openid") != order.openid:
        raise ApiError(10060031)


def _check_own(call: Call) -> None:
    if call.body.get("appid") != call.own.appid:
        raise ApiError(40013)


def _upload_time(body: Body) -> datetime:
    try:
        at = datetime.fromisoformat(str(body.get("upload_time")))
    except ValueError:
        raise ApiError(268485216) from None
    if at.tzinfo is None:
        raise ApiError(268485216)
    return at


def _shown(world: World, order: Order) -> dict[str, Any]:
    trade = world.shippings.by_transaction.get(order.transaction_id)
    shipping: dict[str, Any] = {"finish_shipping": False, "finish_shipping_count": 0}
    if trade is not None:
        shipping = {
            "delivery_mode": trade.mode,
            "logistics_type": trade.logistics,
            "finish_shipping": trade.complete,
            "finish_shipping_count": trade.told,
            "goods_desc": trade.parcels[0]["item_desc"],
            "shipping_list": [
                {
                    "tracking_no": parcel.get("tracking_no", ""),
                    "express_company": parcel.get("express_company", ""),
                    "goods_desc": parcel["item_desc"],
                    "upload_time": int(trade.shipped_at or order.success_at),
                }
                for parcel in trade.parcels
            ],
        }
    return {
        "transaction_id": order.transaction_id,
        "merchant_id": order.mchid,
        "merchant_trade_no": order.out_trade_no,
        "description": order.request.get("description", ""),
        "paid_amount": order.total_fen,
        "openid": order.openid,
        "trade_create_time": int(order.created_at),
        "pay_time": int(order.success_at),
        "order_state": state_of(world, order),
        "in_complaint": False,
        "shipping": shipping,
    }
