"""Payments, refunds and questions about them."""

import re
from datetime import datetime

from flask import Response, redirect

from sandbox import formnotices
from sandbox.clock import SHANGHAI
from sandbox.state import World
from sandbox.unionpay.door import Call, Refused, acp_api, known, need
from sandbox.unionpay.store import DONE, FAILED, GOING, OPEN, Move

ORDER_ID = re.compile(r"[0-9A-Za-z]{8,40}")
TIME = re.compile(r"\d{14}")
REFUND_SECONDS = 1.0
BACK = {"04": "银联退货", "31": "银联消费撤销"}
_PAYMENT = (
    "channelType",
    "orderId",
    "txnAmt",
    "currencyCode",
    "payTimeout",
    "frontUrl",
    "backUrl",
)


@acp_api("front", "/api/frontTransReq.do", title="顾客去了银联收银台")
def front(call: Call) -> Response:
    known(call, *_PAYMENT)
    need(call, "orderId", "txnTime", "txnAmt", "frontUrl", "backUrl")
    fields, world = call.fields, call.world
    kind = (fields.get("txnType"), fields.get("txnSubType"), fields.get("bizType"))
    if kind != ("01", "01", "000201") or fields.get("channelType") not in ("07", "08"):
        raise Refused("10", "报文格式错误[txnType]")
    _check(call)
    move = world.moves.find(call.merchant.mer_id, fields["orderId"])
    if move is None:
        timeout = fields.get("payTimeout")
        until = world.clock.deadline(_moment(timeout)) if timeout else world.clock.now() + 1800
        if until <= world.clock.now():
            raise Refused("39", "交易不在受理时间范围内")
        move = world.moves.add(_move(call, "01", expires_at=until))
    elif move.code != OPEN or move.txn_time != fields["txnTime"]:
        raise Refused("12", "重复交易")
    call.detail = f"商户单号 {move.order_id} ¥{move.fen / 100:.2f}"
    answer = redirect(f"/unionpay/cashier/{world.moves.new_door(move)}", 303)
    assert isinstance(answer, Response)
    return answer


@acp_api("refund", "/api/backTransReq.do", title="银联退货")
def back(call: Call) -> dict[str, str]:
    known(call, *_PAYMENT, "origQryId")
    call.title = BACK.get(call.fields.get("txnType", ""), call.title)
    need(call, "orderId", "txnTime", "txnAmt", "origQryId", "backUrl")
    fields, world, mer_id = call.fields, call.world, call.merchant.mer_id
    kind = fields.get("txnType", "")
    if kind not in BACK or fields.get("txnSubType") != "00":
        raise Refused("10", "报文格式错误[txnType]")
    _check(call)
    if world.moves.find(mer_id, fields["orderId"]) is not None:
        raise Refused("12", "重复交易")
    paid = world.moves.by_query_id(mer_id, fields["origQryId"])
    if paid is None or paid.kind != "01" or paid.code != DONE:
        raise Refused("35", "原交易不存在或状态不正确")
    if int(fields["txnAmt"]) > paid.fen - world.moves.refunded_fen(paid.query_id):
        raise Refused("36", "与原交易信息不符：退货金额超限")
    if kind == "31":
        _check_void(call, paid)
    move = world.moves.add(_move(call, kind, code=GOING, origin=paid.query_id))
    world.timer.after(min(REFUND_SECONDS, world.settings.refund_seconds), lambda: end(world, move))
    call.detail = f"退款单号 {move.order_id} ¥{move.fen / 100:.2f}"
    return {"queryId": move.query_id, "origQryId": paid.query_id, "txnAmt": str(move.fen)}


@acp_api("query", "/api/queryTrans.do", title="查询银联交易")
def query(call: Call) -> dict[str, str]:
    """By number and the very time it was sent with; a payment nobody tried is unknown."""
    known(call, "orderId", "queryId")
    need(call, "orderId", "txnTime")
    if (call.fields.get("txnType"), call.fields.get("txnSubType")) != ("00", "00"):
        raise Refused("10", "报文格式错误[txnType]")
    move = call.world.moves.find(call.merchant.mer_id, call.fields["orderId"])
    if move is None or move.txn_time != call.fields["txnTime"] or move.code == OPEN:
        if move is not None and move.code == OPEN:
            call.title, call.usual = "店里来问一笔银联付款", "还没付"
            call.detail = f"商户单号 {move.order_id}"
        raise Refused("34", "查无此交易")
    call.detail = f"商户单号 {move.order_id}：{move.code}"
    return described(call.world, move, prefix="orig")


def pay(world: World, move: Move, *, code: str = DONE) -> bool:
    """The payer agreed, or their bank said no (01). False when it cannot be paid any more."""
    with world.lock:
        if move.code not in (OPEN, FAILED) or world.clock.now() > move.expires_at:
            return False
        move.code, move.at = code, world.clock.stamp()
    if code == DONE:
        _tell(world, move, f"银联收款 ¥{move.fen / 100:.2f}")
    return True


def end(world: World, move: Move, code: str = DONE) -> bool:
    """The verdict on a refund."""
    with world.lock:
        if move.code != GOING:
            return False
        move.code, move.at = code, world.clock.stamp()
    if code == DONE:
        _tell(world, move, f"{BACK[move.kind]} ¥{move.fen / 100:.2f} 到账了")
    return True


def resume(world: World) -> None:
    for move in list(world.moves.moves.values()):
        if move.kind in BACK and move.code == GOING:
            world.timer.after(REFUND_SECONDS, lambda move=move: end(world, move))  # type: ignore[misc]


def described(world: World, move: Move, *, prefix: str = "") -> dict[str, str]:
    """As an answer to a question and as a notice tell it."""
    at = datetime.fromtimestamp(move.at or world.clock.stamp(), SHANGHAI)
    told = {
        "txnType": move.kind if not prefix else "00",
        "txnSubType": "01" if move.kind == "01" else "00",
        "bizType": "000201",
        "accessType": "0",
        "merId": move.mer_id,
        "orderId": move.order_id,
        "txnTime": move.txn_time,
        "txnAmt": str(move.fen),
        "currencyCode": "156",
        "queryId": move.query_id,
        "traceNo": move.trace_no,
        "traceTime": f"{at:%m%d%H%M%S}",
        "settleAmt": str(move.fen),
        "settleCurrencyCode": "156",
        "settleDate": f"{at:%m%d}",
        "reqReserved": move.asked.get("reqReserved", ""),
    }
    if move.kind == "01":
        told["accNo"] = "6216***********0018"
    if move.origin:
        told["origQryId"] = move.origin
    if prefix:
        words = {DONE: "成功", GOING: "交易已受理，请稍后查询交易结果", FAILED: "交易失败"}
        told |= {"origRespCode": move.code, "origRespMsg": words[move.code]}
    return told


def signed_result(world: World, move: Move) -> dict[str, str]:
    """What goes back with the payer's browser and to the back address."""
    return {**described(world, move), "respCode": move.code, "respMsg": "Success!"}


def _tell(world: World, move: Move, title: str) -> None:
    formnotices.create(
        world, "unionpay", move.mer_id, move.asked["backUrl"], title, signed_result(world, move)
    )


def _move(call: Call, kind: str, **more: object) -> Move:
    fields = call.fields
    return Move(
        call.merchant.mer_id,
        fields["orderId"],
        kind,
        fields["txnTime"],
        int(fields["txnAmt"]),
        fields,
        call.world.moves.new_query_id(),
        f"{len(call.world.moves.moves) + 1:06d}",
        **more,  # type: ignore[arg-type]
    )


def _check(call: Call) -> None:
    fields = call.fields
    if not ORDER_ID.fullmatch(fields["orderId"]):
        raise Refused("10", "报文格式错误[orderId]")
    if not fields["txnAmt"].isdigit() or int(fields["txnAmt"]) < 1:
        raise Refused("10", "报文格式错误[txnAmt]")
    if fields.get("currencyCode") != "156" or not TIME.fullmatch(fields["txnTime"]):
        raise Refused("10", "报文格式错误[txnTime]")
    _moment(fields["txnTime"])


def _check_void(call: Call, paid: Move) -> None:
    """All of a payment, on its own day, and nothing of it is back yet."""
    today = datetime.fromtimestamp(call.world.clock.stamp(), SHANGHAI).strftime("%Y%m%d")
    if int(call.fields["txnAmt"]) != paid.fen:
        raise Refused("36", "与原交易信息不符：撤销金额")
    if call.world.moves.refunded_fen(paid.query_id) or paid.query_id[:8] != today:
        raise Refused("35", "原交易不存在或状态不正确")


def _moment(text: str) -> float:
    try:
        return datetime.strptime(text, "%Y%m%d%H%M%S").replace(tzinfo=SHANGHAI).timestamp()
    except ValueError:
        raise Refused("10", "报文格式错误[txnTime]") from None
