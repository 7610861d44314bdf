"""Refunds: done at once, the same number is the same refund, told by a notice of the trade."""

from sandbox.alipay.door import Body, Call, alipay_api
from sandbox.alipay.errors import refused
from sandbox.alipay.store import CLOSED, PAID
from sandbox.alipay.trades import YUAN, tell, written, yuan


@alipay_api(
    "alipay.trade.refund",
    "out_trade_no",
    "trade_no",
    "out_request_no",
    "refund_amount",
    "refund_reason",
    title="支付宝退款",
)
def refund(call: Call) -> Body:
    world = call.world
    trade = world.trades.find(call.app.app_id, call.number)
    if trade is None:
        raise refused("ACQ.TRADE_NOT_EXIST", "交易不存在")
    amount, number = call.content.get("refund_amount"), call.content.get("out_request_no")
    if not isinstance(amount, str) or not YUAN.fullmatch(amount) or not number:
        raise refused("ACQ.INVALID_PARAMETER", "参数无效")
    fen = int(amount.replace(".", ""))
    call.detail = f"退款单号 {number} ¥{amount}"
    before = trade.refunds.get(str(number))
    if before is not None:
        if before["fen"] != fen:
            raise refused("ACQ.DISCORDANT_REPEAT_REQUEST", "不一致的请求")
        return {**_told(trade.out_trade_no, trade.trade_no, trade.refunded_fen), "fund_change": "N"}
    if trade.state != PAID:
        raise refused("ACQ.TRADE_STATUS_ERROR", "交易状态不合法")
    if fen < 1 or fen > trade.total_fen - trade.refunded_fen:
        raise refused("ACQ.REFUND_AMT_NOT_EQUAL_TOTAL", "退款金额超限")
    at = world.clock.stamp()
    trade.refunds[str(number)] = {"fen": fen, "at": at}
    if trade.refunded_fen == trade.total_fen:
        trade.state = CLOSED
    more = {
        "out_biz_no": str(number),
        "refund_fee": yuan(trade.refunded_fen),
        "gmt_refund": written(at),
    }
    tell(world, trade, **more)
    return {
        **_told(trade.out_trade_no, trade.trade_no, trade.refunded_fen),
        "fund_change": "Y",
        "buyer_user_id": trade.buyer_id,
    }


@alipay_api(
    "alipay.trade.fastpay.refund.query",
    "out_trade_no",
    "trade_no",
    "out_request_no",
    "query_options",
    title="查询支付宝退款",
)
def query(call: Call) -> Body:
    trade = call.world.trades.find(call.app.app_id, call.number)
    if trade is None:
        raise refused("ACQ.TRADE_NOT_EXIST", "交易不存在")
    known = trade.refunds.get(str(call.content.get("out_request_no")))
    if known is None:
        return {}
    body: Body = {
        "trade_no": trade.trade_no,
        "out_trade_no": trade.out_trade_no,
        "out_request_no": str(call.content["out_request_no"]),
        "total_amount": yuan(trade.total_fen),
        "refund_amount": yuan(known["fen"]),
        "refund_status": "REFUND_SUCCESS",
    }
    if "gmt_refund_pay" in (call.content.get("query_options") or []):
        body["gmt_refund_pay"] = written(known["at"])
    return body


def _told(number: str, trade_no: str, so_far: int) -> Body:
    """`refund_fee` is all that went back so far, not this time's."""
    return {"out_trade_no": number, "trade_no": trade_no, "refund_fee": yuan(so_far)}
