"""The payer's code by the older interface: pay, ask, take back."""

from datetime import datetime

from sandbox.clock import SHANGHAI
from sandbox.pay import codes
from sandbox.pay.errors import PayError
from sandbox.pay.ledger import Order
from sandbox.pay.opening import NUMBER
from sandbox.pay.orders import CODES, SAID, STATES
from sandbox.pay.v2 import Call, Fields, v2_api

_NEEDED = ("appid", "body", "out_trade_no", "total_fee", "spbill_create_ip", "auth_code")


@v2_api("micropay", "/pay/micropay", title="扫付款码收款")
def micropay(call: Call) -> Fields:
    given, world = call.fields, call.world
    if missing := [name for name in _NEEDED if not given.get(name)]:
        raise PayError(200, "LACK_PARAMS", f"缺少参数 {missing[0]}")
    number, total = given["out_trade_no"], given["total_fee"]
    if not NUMBER.fullmatch(number) or not total.isdigit() or int(total) < 1:
        raise PayError(200, "PARAM_ERROR", "参数错误")
    account = world.settings.accounts.get(given["appid"])
    owners = {call.merchant.merchant, account.merchant if account else None} - {None}
    if account is None or len(owners) > 1:
        raise PayError(200, "APPID_MCHID_NOT_MATCH", "appid和mch_id不匹配")
    if known := world.ledger.find_order(call.merchant.mchid, number):
        raise PayError(200, *_KNOWN.get(known.state, ("OUT_TRADE_NO_USED", "商户订单号重复")))
    order = Order(
        call.merchant.mchid,
        number,
        given["appid"],
        "",
        int(total),
        {
            "description": given["body"],
            "attach": given.get("attach", ""),
            "settle_info": {"profit_sharing": given.get("profit_sharing") == "Y"},
        },
        world.clock.now(),
        trade_type="MICROPAY",
        sub_mchid=given.get("sub_mch_id", ""),
    )
    codes.charge(world, order, given["auth_code"])
    call.title = f"扫付款码收 ¥{order.total_fen / 100:.2f}"
    call.detail = f"商户单号 {number}"
    if order.state == "USERPAYING":
        raise PayError(200, "USERPAYING", STATES["USERPAYING"])
    return _told(order)


_KNOWN = {
    "SUCCESS": ("ORDERPAID", "订单已支付"),
    "REFUND": ("ORDERPAID", "订单已支付"),
    "REVOKED": ("ORDERREVERSED", "订单已撤销"),
    "USERPAYING": ("USERPAYING", "用户支付中，需要输入密码"),
}


@v2_api("orderquery", "/pay/orderquery", title="查询付款码收款")
def orderquery(call: Call) -> Fields:
    order = _order(call)
    call.title = f"店里来问一笔付款码收款：{SAID[order.state]}"
    call.detail = f"商户单号 {order.out_trade_no}"
    said = {"trade_state": order.state, "trade_state_desc": STATES[order.state]}
    told = _told(order) if order.success_at else {"out_trade_no": order.out_trade_no}
    return {**told, **said}


@v2_api("reverse_v2", "/secapi/pay/reverse", title="撤销付款码收款")
def reverse(call: Call) -> Fields:
    call.more = {"recall": "N"}
    order = _order(call)
    if order.trade_type not in CODES:
        raise PayError(200, "INVALID_REQUEST", "只有付款码订单可以撤销")
    codes.take_back(call.world, order)
    call.title = "撤销了一笔付款码收款"
    call.detail = f"商户单号 {order.out_trade_no}"
    return {"recall": "N"}


def _order(call: Call) -> Order:
    number = call.fields.get("out_trade_no", "")
    order = call.world.ledger.find_order(call.merchant.mchid, number)
    if order is None or order.sub_mchid != call.fields.get("sub_mch_id", ""):
        raise PayError(200, "ORDERNOTEXIST", "此交易订单号不存在")
    return order


def _told(order: Order) -> Fields:
    at = datetime.fromtimestamp(order.success_at, SHANGHAI)
    return {
        "openid": order.openid,
        "is_subscribe": "N",
        "trade_type": order.trade_type,
        "bank_type": "OTHERS",
        "fee_type": "CNY",
        "total_fee": str(order.total_fen),
        "cash_fee": str(order.total_fen),
        "transaction_id": order.transaction_id,
        "out_trade_no": order.out_trade_no,
        "attach": order.request.get("attach", ""),
        "time_end": f"{at:%Y%m%d%H%M%S}",
    }
