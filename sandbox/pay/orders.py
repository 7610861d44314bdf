"""Orders before and after payment: prepay with its re-entry rule, query, close."""

import re
from typing import Any
from urllib.parse import urlsplit

from sandbox.clock import parse_rfc3339, rfc3339
from sandbox.pay import schema
from sandbox.pay.door import Body, Call, pay_api
from sandbox.pay.errors import PayError, bad_parameter
from sandbox.pay.ledger import Order
from sandbox.pay.schema import Flag, Group, Many, Rule, Text, Whole

NUMBER = re.compile(r"[0-9A-Za-z_\-|*]{6,32}")
STATES = {
    "NOTPAY": "订单未支付",
    "SUCCESS": "支付成功",
    "REFUND": "订单发生过退款",
    "CLOSED": "订单已关闭",
}
SAID = {"NOTPAY": "还没付", "SUCCESS": "付好了", "REFUND": "付过，退过款", "CLOSED": "已经关了"}
"""The same for the feed."""

GOODS = Group(
    {
        "merchant_goods_id": Text(32, required=True),
        "wechatpay_goods_id": Text(32),
        "goods_name": Text(256),
        "quantity": Whole(1, required=True),
        "unit_price": Whole(0, required=True),
    }
)
PREPAY: dict[str, Rule] = {
    "appid": Text(32, required=True),
    "mchid": Text(32, required=True),
    "description": Text(127, required=True),
    "out_trade_no": Text(32, required=True),
    "time_expire": Text(64),
    "attach": Text(128),
    "notify_url": Text(255, required=True),
    "goods_tag": Text(32),
    "support_fapiao": Flag(),
    "amount": Group({"total": Whole(1, required=True), "currency": Text(16)}, required=True),
    "payer": Group({"openid": Text(128, required=True)}, required=True),
    "detail": Group({"cost_price": Whole(), "invoice_id": Text(32), "goods_detail": Many(GOODS)}),
    "scene_info": Group(
        {
            "payer_client_ip": Text(45, required=True),
            "device_id": Text(32),
            "store_info": Group(
                {
                    "id": Text(32, required=True),
                    "name": Text(256),
                    "area_code": Text(32),
                    "address": Text(512),
                }
            ),
        }
    ),
    "settle_info": Group({"profit_sharing": Flag()}),
    "limit_pay": Many(Text(32)),
}


@pay_api("prepay", "/v3/pay/transactions/jsapi", method="POST", title="申请付款单")
def prepay(call: Call) -> Body:
    schema.check(call.body, PREPAY)
    body, world = call.body, call.world
    expires_at = _check(call)
    order = world.ledger.find_order(body["mchid"], body["out_trade_no"])
    if order is None:
        order = Order(
            body["mchid"],
            body["out_trade_no"],
            body["appid"],
            body["payer"]["openid"],
            body["amount"]["total"],
            body,
            world.clock.now(),
            expires_at,
        )
        world.ledger.add_order(order)
    elif order.state == "CLOSED":
        raise PayError(400, "ORDER_CLOSED", "该订单已关闭", number=268447914)
    elif order.state != "NOTPAY":
        raise PayError(403, "OUT_TRADE_NO_USED", "该订单已支付", number=268498689)
    elif order.request != body:
        raise PayError(
            400,
            "INVALID_REQUEST",
            "请求重入时，参数与首次请求时不一致，请核实后再试",
            number=268498688,
        )
    call.title = f"向微信支付申请付款单 ¥{order.total_fen / 100:.2f}"
    call.detail = f"商户单号 {order.out_trade_no}"
    return {"prepay_id": world.ledger.new_prepay(order)}


@pay_api("query", "/v3/pay/transactions/out-trade-no/<no>", method="GET", title="查询付款单")
def query(call: Call) -> Body:
    _own_mchid(call, call.query.get("mchid"))
    order = call.world.ledger.find_order(call.merchant.mchid, call.path["no"])
    return _found(call, order)


@pay_api("query", "/v3/pay/transactions/id/<no>", method="GET", title="查询付款单")
def query_by_transaction(call: Call) -> Body:
    _own_mchid(call, call.query.get("mchid"))
    return _found(call, call.world.ledger.find_transaction(call.merchant.mchid, call.path["no"]))


@pay_api("close", "/v3/pay/transactions/out-trade-no/<no>/close", method="POST", title="关闭付款单")
def close(call: Call) -> None:
    schema.check(call.body, {"mchid": Text(32, required=True)})
    _own_mchid(call, call.body["mchid"])
    order = call.world.ledger.find_order(call.merchant.mchid, call.path["no"])
    if order is None:
        raise _no_order()
    if order.state not in ("NOTPAY", "CLOSED"):
        raise PayError(403, "TRADE_ERROR", "该订单已支付，不能关闭", number=268449538)
    order.state = "CLOSED"
    call.title = "关掉了一张没付的付款单"
    call.detail = f"商户单号 {order.out_trade_no}"


def describe(order: Order) -> Body:
    """The order as a query and a notice tell it."""
    request = order.request
    body: Body = {
        "appid": order.appid,
        "mchid": order.mchid,
        "out_trade_no": order.out_trade_no,
        "trade_state": order.state,
        "trade_state_desc": STATES[order.state],
        "promotion_detail": [],
        "attach": request.get("attach", ""),
        "amount": {"total": order.total_fen, "currency": "CNY"},
        "payer": {"openid": order.openid},
    }
    if order.success_at:
        body |= {
            "transaction_id": order.transaction_id,
            "trade_type": "JSAPI",
            "bank_type": "OTHERS",
            "success_time": rfc3339(order.success_at),
        }
        body["amount"] |= {"payer_total": order.total_fen, "payer_currency": "CNY"}
    device = request.get("scene_info", {}).get("device_id")
    return {**body, "scene_info": {"device_id": device}} if device else body


def _check(call: Call) -> float | None:
    """Everything that types and lengths do not say; the order's deadline on our clock."""
    body, world = call.body, call.world
    _own_mchid(call, body["mchid"])
    if not NUMBER.fullmatch(body["out_trade_no"]):
        raise bad_parameter("/out_trade_no", "商户订单号不符合规则", body["out_trade_no"])
    if body["amount"].get("currency", "CNY") != "CNY":
        raise bad_parameter("/amount/currency", "只支持 CNY", body["amount"]["currency"])
    account = world.settings.accounts.get(body["appid"])
    owners = {call.merchant.merchant, account.merchant if account else None} - {None}
    if account is None or len(owners) > 1:  # an account or merchant number without owner is shared
        raise PayError(400, "APPID_MCHID_NOT_MATCH", "appid和mchid不匹配", number=268445527)
    person = world.people.owner_of(body["payer"]["openid"], body["appid"])
    if person is None:
        raise PayError(400, "INVALID_REQUEST", "无效的openid", number=268501013)
    call.person = person.id
    url = urlsplit(body["notify_url"])
    local = url.hostname in ("127.0.0.1", "localhost", "::1")
    if url.query or not (url.scheme == "https" or (url.scheme == "http" and local)):
        raise bad_parameter("/notify_url", "通知地址须为 https，且不带参数", body["notify_url"])
    return _deadline(call, body.get("time_expire"))


def _deadline(call: Call, text: str | None) -> float | None:
    if text is None:
        return None
    try:
        at = call.world.clock.deadline(parse_rfc3339(text))
    except ValueError:
        raise bad_parameter("/time_expire", "应为 RFC3339 格式", text) from None
    known = call.world.ledger.find_order(call.merchant.mchid, call.body["out_trade_no"])
    if at <= call.world.clock.now() and known is None:
        raise bad_parameter("/time_expire", "订单失效时间早于现在", text)
    return at


def _own_mchid(call: Call, mchid: Any) -> None:
    if mchid != call.merchant.mchid:
        raise PayError(403, "NO_AUTH", "商户号与签名的商户号不一致", number=268447843)


def _found(call: Call, order: Order | None) -> Body:
    if order is None:
        raise _no_order()
    call.title = f"店里来问一张付款单：{SAID[order.state]}"
    call.detail = f"商户单号 {order.out_trade_no}"
    return describe(order)


def _no_order() -> PayError:
    return PayError(404, "ORDER_NOT_EXIST", "订单不存在", number=268512771)
