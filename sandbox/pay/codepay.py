"""The payer's code by v3, for merchants that it was opened for: pay and take back."""

from sandbox.pay import codes, parties, schema
from sandbox.pay.door import Body, Call, Made, pay_api
from sandbox.pay.errors import PayError
from sandbox.pay.ledger import Order
from sandbox.pay.opening import COMMON, STORE, check_terms
from sandbox.pay.orders import CODES, describe, no_order
from sandbox.pay.parties import DIRECT, PARTNER
from sandbox.pay.schema import Group, Rule, Text

_NAMES = ("description", "out_trade_no", "attach", "goods_tag", "amount", "detail", "settle_info")


def _rules(partner: bool) -> dict[str, Rule]:
    rules = {
        **parties.rules(partner),
        **{name: COMMON[name] for name in _NAMES},
        "sp_appid" if partner else "appid": Text(32, required=True),
        "payer": Group({"auth_code": Text(32, required=True)}, required=True),
        "scene_info": Group({"device_id": Text(32), "store_info": STORE}, required=True),
    }
    return {**rules, "sub_appid": Text(32)} if partner else rules


@pay_api("codepay", f"{DIRECT}/codepay", method="POST", title="扫付款码收款")
def codepay(call: Call) -> Body | Made:
    return _pay(call, partner=False)


@pay_api("codepay", f"{PARTNER}/codepay", method="POST", title="服务商扫付款码收款")
def codepay_as_partner(call: Call) -> Body | Made:
    return _pay(call, partner=True)


@pay_api("reverse", f"{DIRECT}/out-trade-no/<no>/reverse", method="POST", title="撤销付款")
def reverse(call: Call) -> Body:
    return _reverse(call, partner=False)


@pay_api("reverse", f"{PARTNER}/out-trade-no/<no>/reverse", method="POST", title="服务商撤销付款")
def reverse_as_partner(call: Call) -> Body:
    return _reverse(call, partner=True)


def _pay(call: Call, *, partner: bool) -> Body | Made:
    schema.check(call.body, _rules(partner))
    body, world = call.body, call.world
    sub_mchid = parties.check(call, body, partner=partner)
    appid = body["sp_appid" if partner else "appid"]
    check_terms(call, appid)
    if world.ledger.find_order(call.merchant.mchid, body["out_trade_no"]):
        raise PayError(403, "OUT_TRADE_NO_USED", "商户订单号重复", number=268498689)
    order = Order(
        call.merchant.mchid,
        body["out_trade_no"],
        appid,
        "",
        body["amount"]["total"],
        {name: value for name, value in body.items() if name != "payer"},
        world.clock.now(),
        trade_type="MICROPAY",
        sub_mchid=sub_mchid,
    )
    codes.charge(world, order, body["payer"]["auth_code"])
    call.title = f"扫付款码收 ¥{order.total_fen / 100:.2f}"
    call.detail = f"商户单号 {order.out_trade_no}"
    if order.state == "USERPAYING":
        return Made({"code": "USERPAYING", "message": "用户支付中，需要输入密码"}, 202)
    return describe(order)


def _reverse(call: Call, *, partner: bool) -> Body:
    own = "sp_appid" if partner else "appid"
    schema.check(call.body, {**parties.rules(partner), own: Text(32, required=True)})
    parties.check(call, call.body, partner=partner)
    order = call.world.ledger.find_order(call.merchant.mchid, call.path["no"])
    if order is None:
        raise no_order()
    if order.trade_type not in CODES:
        raise PayError(400, "INVALID_REQUEST", "只有付款码订单可以撤销")
    codes.take_back(call.world, order)
    call.title = "撤销了一笔付款码收款"
    call.detail = f"商户单号 {order.out_trade_no}"
    return {"out_trade_no": order.out_trade_no, "trade_state": order.state}
