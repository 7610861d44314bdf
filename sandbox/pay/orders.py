"""Orders after they were opened: query, close, and how they are told."""

from sandbox.clock import rfc3339
from sandbox.pay import parties, schema
from sandbox.pay.door import Body, Call, pay_api
from sandbox.pay.errors import PayError
from sandbox.pay.ledger import Order
from sandbox.pay.parties import DIRECT, PARTNER

STATES = {
    "NOTPAY": "订单未支付",
    "SUCCESS": "支付成功",
    "REFUND": "订单发生过退款",
    "CLOSED": "订单已关闭",
    "USERPAYING": "用户支付中，需要输入密码",
    "REVOKED": "订单已撤销",
    "PAYERROR": "支付失败",
}
SAID = {
    "NOTPAY": "还没付",
    "SUCCESS": "付好了",
    "REFUND": "付过，退过款",
    "CLOSED": "已经关了",
    "USERPAYING": "顾客正在输密码",
    "REVOKED": "撤销了",
    "PAYERROR": "没有付成",
}
"""The same for the feed."""
CODES = frozenset({"MICROPAY"})
"""Paid by the payer's code: these are taken back, not closed."""


@pay_api("query", f"{DIRECT}/out-trade-no/<no>", method="GET", title="查询付款单")
def query(call: Call) -> Body:
    sub = parties.check(call, call.query, partner=False)
    return _found(call, call.world.ledger.find_order(call.merchant.mchid, call.path["no"]), sub)


@pay_api("query", f"{PARTNER}/out-trade-no/<no>", method="GET", title="服务商查询付款单")
def query_as_partner(call: Call) -> Body:
    sub = parties.check(call, call.query, partner=True)
    return _found(call, call.world.ledger.find_order(call.merchant.mchid, call.path["no"]), sub)


@pay_api("query", f"{DIRECT}/id/<no>", method="GET", title="查询付款单")
def query_by_transaction(call: Call) -> Body:
    sub = parties.check(call, call.query, partner=False)
    return _found(
        call, call.world.ledger.find_transaction(call.merchant.mchid, call.path["no"]), sub
    )


@pay_api("query", f"{PARTNER}/id/<no>", method="GET", title="服务商查询付款单")
def query_by_transaction_as_partner(call: Call) -> Body:
    sub = parties.check(call, call.query, partner=True)
    return _found(
        call, call.world.ledger.find_transaction(call.merchant.mchid, call.path["no"]), sub
    )


@pay_api("close", f"{DIRECT}/out-trade-no/<no>/close", method="POST", title="关闭付款单")
def close(call: Call) -> None:
    _close(call, partner=False)


@pay_api("close", f"{PARTNER}/out-trade-no/<no>/close", method="POST", title="服务商关闭付款单")
def close_as_partner(call: Call) -> None:
    _close(call, partner=True)


def _close(call: Call, *, partner: bool) -> None:
    schema.check(call.body, parties.rules(partner))
    sub = parties.check(call, call.body, partner=partner)
    order = call.world.ledger.find_order(call.merchant.mchid, call.path["no"])
    if order is None or order.sub_mchid != sub:
        raise no_order()
    if order.trade_type in CODES:
        raise PayError(400, "INVALID_REQUEST", "付款码订单请调用撤销接口", number=268449641)
    if order.state not in ("NOTPAY", "CLOSED"):
        raise PayError(403, "TRADE_ERROR", "该订单已支付，不能关闭", number=268449538)
    order.state = "CLOSED"
    call.title = "关掉了一张没付的付款单"
    call.detail = f"商户单号 {order.out_trade_no}"


def describe(order: Order) -> Body:
    """The order as a query and a notice tell it."""
    request = order.request
    body: Body = {
        **whose(order),
        "out_trade_no": order.out_trade_no,
        "trade_state": order.state,
        "trade_state_desc": STATES[order.state],
        "promotion_detail": [],
        "attach": request.get("attach", ""),
        "amount": {"total": order.total_fen, "currency": "CNY"},
    }
    if order.openid:
        body["payer"] = {"sp_openid" if order.sub_mchid else "openid": order.openid}
    if order.success_at:
        body |= {
            "transaction_id": order.transaction_id,
            "trade_type": order.trade_type,
            "bank_type": "OTHERS",
            "success_time": rfc3339(order.success_at),
        }
        body["amount"] |= {"payer_total": order.total_fen, "payer_currency": "CNY"}
    device = request.get("scene_info", {}).get("device_id")
    return {**body, "scene_info": {"device_id": device}} if device else body


def whose(order: Order) -> dict[str, str]:
    """The names of a merchant, or of a provider and the merchant it looks after."""
    if order.sub_mchid:
        return {
            "sp_appid": order.appid,
            "sp_mchid": order.mchid,
            "sub_mchid": order.sub_mchid,
        }
    return {"appid": order.appid, "mchid": order.mchid}


def _found(call: Call, order: Order | None, sub_mchid: str) -> Body:
    if order is None or order.sub_mchid != sub_mchid:
        raise no_order()
    call.title = f"店里来问一张付款单：{SAID[order.state]}"
    call.detail = f"商户单号 {order.out_trade_no}"
    return describe(order)


def no_order() -> PayError:
    return PayError(404, "ORDER_NOT_EXIST", "订单不存在", number=268512771)
