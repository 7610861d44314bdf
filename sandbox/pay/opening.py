"""A payment is made known: for a pay sheet, as a code to scan, for a browser. Re-entry included."""

import re
from typing import Any
from urllib.parse import quote, urlsplit

from sandbox.acts import PAY_CODE
from sandbox.clock import parse_rfc3339
from sandbox.pay import parties, schema
from sandbox.pay.door import Body, Call, pay_api
from sandbox.pay.errors import PayError, bad_parameter
from sandbox.pay.ledger import Order
from sandbox.pay.parties import DIRECT, PARTNER
from sandbox.pay.schema import Flag, Group, Many, Rule, Text, Whole

NUMBER = re.compile(r"[0-9A-Za-z_\-|*]{6,32}")
GOODS = Group(
    {
        "merchant_goods_id": Text(32, required=True),
        "wechatpay_goods_id": Text(32),
        "goods_name": Text(256),
        "quantity": Whole(1, required=True),
        "unit_price": Whole(0, required=True),
    }
)
STORE = Group(
    {
        "id": Text(32, required=True),
        "name": Text(256),
        "area_code": Text(32),
        "address": Text(512),
    }
)
H5_INFO = Group(
    {
        "type": Text(32, required=True),
        "app_name": Text(64),
        "app_url": Text(128),
        "bundle_id": Text(128),
        "package_name": Text(128),
    },
    required=True,
)
COMMON: dict[str, Rule] = {
    "description": Text(127, required=True),
    "out_trade_no": Text(32, required=True),
    "time_expire": Text(64),
    "attach": Text(128),
    "notify_url": Text(255, required=True),
    "goods_tag": Text(32),
    "support_fapiao": Flag(),
    "amount": Group({"total": Whole(1, required=True), "currency": Text(16)}, required=True),
    "detail": Group({"cost_price": Whole(), "invoice_id": Text(32), "goods_detail": Many(GOODS)}),
    "settle_info": Group({"profit_sharing": Flag()}),
    "limit_pay": Many(Text(32)),
}


def _rules(trade_type: str, partner: bool) -> dict[str, Rule]:
    scene: dict[str, Rule] = {
        "payer_client_ip": Text(45, required=True),
        "device_id": Text(32),
        "store_info": STORE,
    }
    if trade_type == "MWEB":
        scene["h5_info"] = H5_INFO
    rules = {
        **parties.rules(partner),
        **COMMON,
        "sp_appid" if partner else "appid": Text(32, required=True),
        "scene_info": Group(scene, required=trade_type == "MWEB"),
    }
    if partner:
        rules["sub_appid"] = Text(32)
    if trade_type == "JSAPI":
        payer = "sp_openid" if partner else "openid"
        rules["payer"] = Group({payer: Text(128, required=True)}, required=True)
    return rules


@pay_api("prepay", f"{DIRECT}/jsapi", method="POST", title="申请付款单")
def prepay(call: Call) -> Body:
    return {"prepay_id": call.world.ledger.new_prepay(_order(call, "JSAPI"))}


@pay_api("prepay", f"{PARTNER}/jsapi", method="POST", title="服务商申请付款单")
def prepay_as_partner(call: Call) -> Body:
    order = _order(call, "JSAPI", partner=True)
    return {"prepay_id": call.world.ledger.new_prepay(order)}


@pay_api("native", f"{DIRECT}/native", method="POST", title="申请付款二维码")
def native(call: Call) -> Body:
    return {"code_url": _code_url(call, _order(call, "NATIVE"))}


@pay_api("native", f"{PARTNER}/native", method="POST", title="服务商申请付款二维码")
def native_as_partner(call: Call) -> Body:
    return {"code_url": _code_url(call, _order(call, "NATIVE", partner=True))}


@pay_api("h5", f"{DIRECT}/h5", method="POST", title="申请浏览器付款")
def h5(call: Call) -> Body:
    return {"h5_url": _h5_url(call, _order(call, "MWEB"))}


@pay_api("h5", f"{PARTNER}/h5", method="POST", title="服务商申请浏览器付款")
def h5_as_partner(call: Call) -> Body:
    return {"h5_url": _h5_url(call, _order(call, "MWEB", partner=True))}


def _code_url(call: Call, order: Order) -> str:
    return PAY_CODE + call.world.ledger.new_prepay(order)


def _h5_url(call: Call, order: Order) -> str:
    prepay_id = call.world.ledger.new_prepay(order, seconds=300)
    return f"{call.world.settings.sandbox_url}/sandbox/h5pay?prepay_id={quote(prepay_id)}"


def _order(call: Call, trade_type: str, *, partner: bool = False) -> Order:
    """The order that is asked for: new, or the same as before."""
    schema.check(call.body, _rules(trade_type, partner))
    body, world = call.body, call.world
    sub_mchid = parties.check(call, body, partner=partner)
    appid = body["sp_appid" if partner else "appid"]
    openid = body.get("payer", {}).get("sp_openid" if partner else "openid", "")
    expires_at = check_terms(call, appid, openid)
    _check_notify_url(body["notify_url"])
    order = world.ledger.find_order(call.merchant.mchid, body["out_trade_no"])
    if order is None:
        order = Order(
            call.merchant.mchid,
            body["out_trade_no"],
            appid,
            openid,
            body["amount"]["total"],
            body,
            world.clock.now(),
            expires_at,
            trade_type=trade_type,
            sub_mchid=sub_mchid,
        )
        world.ledger.add_order(order)
    elif order.state == "CLOSED":
        raise PayError(400, "ORDER_CLOSED", "该订单已关闭", number=268447914)
    elif order.state != "NOTPAY":
        raise PayError(403, "OUT_TRADE_NO_USED", "该订单已支付", number=268498689)
    elif (order.request, order.trade_type) != (body, trade_type):
        raise PayError(
            400,
            "INVALID_REQUEST",
            "请求重入时，参数与首次请求时不一致，请核实后再试",
            number=268498688,
        )
    call.title = f"向微信支付申请{_NAMES[trade_type]} ¥{order.total_fen / 100:.2f}"
    call.detail = f"商户单号 {order.out_trade_no}"
    return order


_NAMES = {"JSAPI": "付款单", "NATIVE": "付款二维码", "MWEB": "浏览器付款"}


def check_terms(call: Call, appid: str, openid: str = "") -> float | None:
    """Everything that types and lengths do not say; the order's deadline on our clock."""
    body, world = call.body, call.world
    if not NUMBER.fullmatch(body["out_trade_no"]):
        raise bad_parameter("/out_trade_no", "商户订单号不符合规则", body["out_trade_no"])
    if body["amount"].get("currency", "CNY") != "CNY":
        raise bad_parameter("/amount/currency", "只支持 CNY", body["amount"]["currency"])
    account = world.settings.accounts.get(appid)
    owners = {call.merchant.merchant, account.merchant if account else None} - {None}
    if account is None or len(owners) > 1:  # an account or merchant number without owner is shared
        raise PayError(400, "APPID_MCHID_NOT_MATCH", "appid和mchid不匹配", number=268445527)
    if openid:
        person = world.people.owner_of(openid, appid)
        if person is None:
            raise PayError(400, "INVALID_REQUEST", "无效的openid", number=268501013)
        call.person = person.id
    return _deadline(call, body.get("time_expire"))


def _check_notify_url(text: str) -> None:
    url = urlsplit(text)
    local = url.hostname in ("127.0.0.1", "localhost", "::1")
    if url.query or not (url.scheme == "https" or (url.scheme == "http" and local)):
        raise bad_parameter("/notify_url", "通知地址须为 https，且不带参数", text)


def _deadline(call: Call, text: Any) -> float | None:
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
