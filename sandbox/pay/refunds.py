"""Refunds: the same number is the same refund, the sum never exceeds the payment."""

import re

from sandbox.clock import rfc3339
from sandbox.pay import notices, parties, schema
from sandbox.pay.door import Body, Call, pay_api
from sandbox.pay.errors import PayError, bad_parameter
from sandbox.pay.ledger import Order, Refund
from sandbox.pay.schema import Group, Many, Rule, Text, Whole
from sandbox.state import World

NUMBER = re.compile(r"[0-9A-Za-z_\-|*@]{1,64}")
MOST, YEAR = 50, 365 * 86_400
RECEIVED = "支付用户零钱"
END_STATES = ("SUCCESS", "ABNORMAL", "CLOSED")
REFUND: dict[str, Rule] = {
    "sub_mchid": Text(32),
    "transaction_id": Text(32),
    "out_trade_no": Text(32),
    "out_refund_no": Text(64, required=True),
    "reason": Text(80),
    "notify_url": Text(256),
    "funds_account": Text(32),
    "amount": Group(
        {
            "refund": Whole(1, required=True),
            "total": Whole(1, required=True),
            "currency": Text(16, required=True),
            "from": Many(
                Group({"account": Text(32, required=True), "amount": Whole(1, required=True)})
            ),
        },
        required=True,
    ),
    "goods_detail": Many(
        Group(
            {
                "merchant_goods_id": Text(32, required=True),
                "wechatpay_goods_id": Text(32),
                "goods_name": Text(256),
                "unit_price": Whole(0, required=True),
                "refund_amount": Whole(0, required=True),
                "refund_quantity": Whole(1, required=True),
            }
        )
    ),
}


@pay_api("refund", "/v3/refund/domestic/refunds", method="POST", title="申请退款")
def create(call: Call) -> Body:
    schema.check(call.body, REFUND)
    body, world = call.body, call.world
    order = _order(call)
    number, amount = body["out_refund_no"], body["amount"]
    if not NUMBER.fullmatch(number):
        raise bad_parameter("/out_refund_no", "商户退款单号不符合规则", number)
    refund = world.ledger.find_refund(order.mchid, number)
    if refund is not None:
        same = (order.out_trade_no, amount["refund"], amount["total"])
        if (refund.out_trade_no, refund.refund_fen, refund.total_fen) != same:
            raise PayError(
                400, "INVALID_REQUEST", "订单金额或退款金额与之前请求不一致，请核实后再试"
            )
        return describe(refund)
    _check_amounts(world, order, amount)
    refund = Refund(
        order.mchid,
        number,
        order.out_trade_no,
        order.transaction_id,
        world.ledger.new_refund_id(),
        amount["refund"],
        amount["total"],
        body.get("reason", ""),
        body.get("notify_url") or order.request["notify_url"],
        world.clock.stamp(),
        sub_mchid=order.sub_mchid,
    )
    world.ledger.add_refund(refund)
    order.refunded_fen += refund.refund_fen
    order.refunds += 1
    order.last_refund_at = world.clock.now()
    order.state = "REFUND"
    decide_later(world, refund)
    person = world.people.owner_of(order.openid, order.appid)
    call.title = f"申请退 ¥{refund.refund_fen / 100:.2f} 给{person.name if person else '付款人'}"
    call.detail = f"退款单号 {number}"
    return describe(refund)


@pay_api("query_refund", "/v3/refund/domestic/refunds/<no>", method="GET", title="查询退款")
def query(call: Call) -> Body:
    sub = parties.check_sub(call, call.query.get("sub_mchid"))
    refund = call.world.ledger.find_refund(call.merchant.mchid, call.path["no"])
    if refund is None or refund.sub_mchid != sub:
        raise PayError(404, "RESOURCE_NOT_EXISTS", "退款单不存在")
    call.title = f"店里来问一笔退款：{_SAID.get(refund.status, refund.status)}"
    call.detail = f"退款单号 {refund.out_refund_no}"
    return describe(refund)


def finish(world: World, refund: Refund, status: str) -> bool:
    """The bank's verdict, final unless ABNORMAL: money back on success, a notice in any case."""
    with world.lock:
        order = world.ledger.find_order(refund.mchid, refund.out_trade_no)
        if refund.status not in ("PROCESSING", "ABNORMAL") or order is None:
            return False
        refund.status = status
        person = world.people.owner_of(order.openid, order.appid)
        if status == "SUCCESS":
            refund.success_at = world.clock.stamp()
            if person:
                person.balance_fen += refund.refund_fen
        elif status == "CLOSED":
            order.refunded_fen -= refund.refund_fen
        name = person.name if person else "付款人"
        notices.create(
            world,
            refund.mchid,
            refund.notify_url,
            event_type=f"REFUND.{status}",
            original_type="refund",
            summary={"SUCCESS": "退款成功", "CLOSED": "退款关闭"}.get(status, "退款异常"),
            plain=_plain(refund),
            title=f"通知：退给{name}的 ¥{refund.refund_fen / 100:.2f} {_WORDS[status]}",
            person=person.id if person else None,
        )
    return True


_SAID = {"PROCESSING": "还在路上", "SUCCESS": "到账了", "CLOSED": "关了", "ABNORMAL": "退不进去"}
_WORDS = {"SUCCESS": "到账了", "CLOSED": "没有退成，已关闭", "ABNORMAL": "退不进去，需要处理"}


def resume(world: World) -> None:
    """After a restart: what the bank had not decided yet."""
    for refund in world.ledger.refunds.values():
        if refund.status == "PROCESSING":
            decide_later(world, refund)


def decide_later(world: World, refund: Refund) -> None:
    def decide() -> None:
        if refund.status == "PROCESSING":  # nobody decided by hand meanwhile
            finish(world, refund, "SUCCESS")

    world.timer.after(world.settings.refund_seconds, decide)


def describe(refund: Refund) -> Body:
    body: Body = {
        "refund_id": refund.refund_id,
        "out_refund_no": refund.out_refund_no,
        "transaction_id": refund.transaction_id,
        "out_trade_no": refund.out_trade_no,
        "channel": "ORIGINAL",
        "user_received_account": RECEIVED,
        "create_time": rfc3339(refund.create_at),
        "status": refund.status,
        "funds_account": "AVAILABLE",
        "amount": {
            "total": refund.total_fen,
            "refund": refund.refund_fen,
            "from": [],
            "payer_total": refund.total_fen,
            "payer_refund": refund.refund_fen,
            "settlement_refund": refund.refund_fen,
            "settlement_total": refund.total_fen,
            "discount_refund": 0,
            "currency": "CNY",
        },
        "promotion_detail": [],
    }
    if refund.success_at:
        body["success_time"] = rfc3339(refund.success_at)
    return body


def _plain(refund: Refund) -> Body:
    body: Body = {
        **(
            {"sp_mchid": refund.mchid, "sub_mchid": refund.sub_mchid}
            if refund.sub_mchid
            else {"mchid": refund.mchid}
        ),
        "transaction_id": refund.transaction_id,
        "out_trade_no": refund.out_trade_no,
        "refund_id": refund.refund_id,
        "out_refund_no": refund.out_refund_no,
        "refund_status": refund.status,
        "user_received_account": RECEIVED,
        "amount": {
            "total": refund.total_fen,
            "refund": refund.refund_fen,
            "payer_total": refund.total_fen,
            "payer_refund": refund.refund_fen,
        },
    }
    if refund.success_at:
        body["success_time"] = rfc3339(refund.success_at)
    return body


def _order(call: Call) -> Order:
    sub = parties.check_sub(call, call.body.get("sub_mchid"))
    ledger, mchid = call.world.ledger, call.merchant.mchid
    number, transaction = call.body.get("out_trade_no"), call.body.get("transaction_id")
    if bool(number) == bool(transaction):
        raise bad_parameter("/out_trade_no", "transaction_id 与 out_trade_no 二选一")
    order = (
        ledger.find_order(mchid, number)
        if number
        else ledger.find_transaction(mchid, str(transaction))
    )
    if order is None or order.sub_mchid != sub:
        raise PayError(404, "RESOURCE_NOT_EXISTS", "订单不存在", number=268512771)
    if not order.success_at:
        raise PayError(400, "INVALID_REQUEST", "订单未支付，不能退款")
    return order


def _check_amounts(world: World, order: Order, amount: Body) -> None:
    if amount["currency"] != "CNY":
        raise bad_parameter("/amount/currency", "只支持 CNY", amount["currency"])
    if amount["total"] != order.total_fen:
        raise PayError(
            400,
            "INVALID_REQUEST",
            f"订单金额与原单不一致：原单 {order.total_fen} 分，请求 {amount['total']} 分",
        )
    left = order.total_fen - order.refunded_fen
    if amount["refund"] > left:
        raise PayError(
            400,
            "INVALID_REQUEST",
            f"退款金额大于可退金额：可退 {left} 分，请求 {amount['refund']} 分，"
            f"订单状态 {order.state}",
        )
    if world.clock.stamp() - order.success_at > YEAR:
        raise PayError(403, "RULE_LIMIT", "订单已超过可退款的最大期限（365 天）")
    if order.refunds >= MOST:
        raise PayError(403, "RULE_LIMIT", f"一笔订单最多部分退款 {MOST} 次")
    gap = world.settings.refund_gap_seconds
    if order.refunds and world.clock.now() - order.last_refund_at < gap:
        raise PayError(429, "FREQUENCY_LIMITED", "同一笔订单的退款请间隔 1 分钟", number=268447840)
