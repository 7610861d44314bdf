"""Trades before and after payment: pages, QR, code, query, close, cancel."""

import re
from datetime import datetime
from urllib.parse import urlsplit

from flask import Response, redirect, request

from sandbox import formnotices
from sandbox.alipay.door import Body, Call, alipay_api
from sandbox.alipay.errors import AlipayError, refused
from sandbox.alipay.store import CLOSED, PAID, WAITING, Trade
from sandbox.channel_keys import SELLER_ID
from sandbox.clock import SHANGHAI
from sandbox.state import World

BUYER = "2088102180000001"
NUMBER = re.compile(r"[0-9A-Za-z_]{1,64}")
YUAN = re.compile(r"\d{1,9}\.\d{2}")
CODE = re.compile(r"(2[5-9]|30)\d{14,22}")
NEEDS_PASSWORD_FEN = 100_000
PASSWORD_SECONDS = 6.0
_OPENING = ("out_trade_no", "total_amount", "subject", "time_expire", "store_id", "passback_params")


def yuan(fen: float) -> str:
    return f"{int(fen) // 100}.{int(fen) % 100:02d}"


def written(at: float) -> str:
    return datetime.fromtimestamp(at, SHANGHAI).strftime("%Y-%m-%d %H:%M:%S")


@alipay_api(
    "alipay.trade.page.pay", *_OPENING, "product_code", title="顾客去了支付宝收银台（电脑）"
)
def page(call: Call) -> Response:
    return _to_cashier(call, "FAST_INSTANT_TRADE_PAY")


@alipay_api(
    "alipay.trade.wap.pay",
    *_OPENING,
    "product_code",
    "quit_url",
    title="顾客去了支付宝收银台（手机）",
)
def wap(call: Call) -> Response:
    return _to_cashier(call, "QUICK_WAP_WAY")


@alipay_api("alipay.trade.precreate", *_OPENING, title="申请支付宝收款码")
def precreate(call: Call) -> Body:
    asked = _asked(call)
    trade = call.world.trades.find(call.app.app_id, asked["out_trade_no"])
    if trade is not None:
        _payable(trade, asked)
    token = call.world.trades.new_door(asked)
    code = f"{request.host_url}alipay/qr/{token}"
    return {"out_trade_no": asked["out_trade_no"], "qr_code": code}


@alipay_api(
    "alipay.trade.pay",
    *_OPENING,
    "scene",
    "auth_code",
    "product_code",
    title="扫顾客的支付宝付款码",
)
def take(call: Call) -> Body:
    """A code that ends in 0 has no money; above 1000 yuan the payer types a password first."""
    asked = _asked(call)
    code = str(call.content.get("auth_code", ""))
    if call.content.get("scene") != "bar_code" or not CODE.fullmatch(code):
        raise refused("ACQ.PAYMENT_AUTH_CODE_INVALID", "支付授权码无效")
    trade = opened(call.world, asked)
    if code.endswith("0"):
        raise refused("ACQ.BUYER_BALANCE_NOT_ENOUGH", "买家余额不足")
    if trade.total_fen > NEEDS_PASSWORD_FEN:
        call.world.timer.after(PASSWORD_SECONDS, lambda: pay(call.world, trade))
        return {"code": "10003", "msg": "order success pay inprocess", **_shown(trade)}
    pay(call.world, trade)
    told = described(trade)
    told.pop("trade_status")
    return {**told, "gmt_payment": written(trade.paid_at)}


@alipay_api("alipay.trade.query", "out_trade_no", "trade_no", title="查询支付宝交易")
def query(call: Call) -> Body:
    trade = _known(call)
    call.title, call.detail = f"店里来问一笔支付宝交易：{trade.state}", trade.out_trade_no
    return described(trade)


@alipay_api("alipay.trade.close", "out_trade_no", "trade_no", title="关闭支付宝交易")
def close(call: Call) -> Body:
    trade = _known(call)
    if trade.state == CLOSED:
        raise refused("ACQ.TRADE_HAS_CLOSE", "交易已经关闭")
    if trade.state != WAITING:
        raise refused("ACQ.TRADE_STATUS_ERROR", "交易状态不合法")
    trade.state = CLOSED
    return _shown(trade)


@alipay_api("alipay.trade.cancel", "out_trade_no", "trade_no", title="撤销支付宝交易")
def cancel(call: Call) -> Body:
    trade = call.world.trades.find(call.app.app_id, call.number)
    if trade is None:
        return {"out_trade_no": call.number, "retry_flag": "N"}
    if trade.state == PAID:
        trade.refunds["cancel"] = {"fen": trade.total_fen, "at": call.world.clock.stamp()}
        trade.state = CLOSED
        return {**_shown(trade), "retry_flag": "N", "action": "refund"}
    trade.state = CLOSED
    return {**_shown(trade), "retry_flag": "N", "action": "close"}


def opened(world: World, asked: dict[str, str]) -> Trade:
    """The trade that these words open; the same again, but with other words. Raises AlipayError."""
    trade = world.trades.find(asked["app_id"], asked["out_trade_no"])
    if trade is not None:
        return _payable(trade, asked)
    expires = _deadline(world, asked["time_expire"])
    if expires <= world.clock.now():
        raise refused("ACQ.INVALID_PARAMETER", "交易已经超时")
    return world.trades.add(
        Trade(
            asked["app_id"],
            asked["out_trade_no"],
            world.trades.new_number(),
            int(asked["total_amount"].replace(".", "")),
            asked,
            world.clock.stamp(),
            expires,
        )
    )


def pay(world: World, trade: Trade) -> bool:
    """The payer agreed: paid, and the shop is told. False when it cannot be paid any more."""
    with world.lock:
        known = world.trades.find(trade.app_id, trade.out_trade_no)
        if known is not trade or trade.state != WAITING:
            return False
        trade.state, trade.paid_at, trade.buyer_id = PAID, world.clock.stamp(), BUYER
    tell(world, trade)
    return True


def tell(world: World, trade: Trade, **more: str) -> None:
    """A notice of the trade as it stands; `more`: of a refund."""
    if not trade.asked["notify_url"]:
        return
    fields = {
        "notify_time": written(world.clock.stamp()),
        "notify_type": "trade_status_sync",
        "notify_id": f"{trade.trade_no}{len(world.form_notices.all):06d}",
        "app_id": trade.app_id,
        "charset": "utf-8",
        "version": "1.0",
        "auth_app_id": trade.app_id,
        "trade_no": trade.trade_no,
        "out_trade_no": trade.out_trade_no,
        "buyer_id": trade.buyer_id,
        "seller_id": SELLER_ID,
        "trade_status": trade.state,
        "total_amount": yuan(trade.total_fen),
        "receipt_amount": yuan(trade.total_fen),
        "buyer_pay_amount": yuan(trade.total_fen),
        "subject": trade.asked["subject"],
        "passback_params": trade.asked.get("passback_params", ""),
        "gmt_create": written(trade.created_at),
        "gmt_payment": written(trade.paid_at) if trade.paid_at else "",
        **more,
    }
    title = f"支付宝收款 ¥{yuan(trade.total_fen)}" if not more else "支付宝退款"
    formnotices.create(world, "alipay", trade.app_id, trade.asked["notify_url"], title, fields)


def described(trade: Trade) -> Body:
    body: Body = {
        **_shown(trade),
        "trade_status": trade.state,
        "total_amount": yuan(trade.total_fen),
        "buyer_user_id": trade.buyer_id,
    }
    if trade.paid_at:
        body |= {
            "buyer_id": trade.buyer_id,
            "send_pay_date": written(trade.paid_at),
            "receipt_amount": yuan(trade.total_fen),
            "buyer_pay_amount": yuan(trade.total_fen),
        }
    return body


def _shown(trade: Trade) -> Body:
    return {"trade_no": trade.trade_no, "out_trade_no": trade.out_trade_no}


def _to_cashier(call: Call, product: str) -> Response:
    if call.content.get("product_code") != product:
        raise refused("ACQ.INVALID_PARAMETER", "product_code 不对")
    asked = _asked(call)
    asked["return_url"] = call.params.get("return_url", "")
    asked["quit_url"] = str(call.content.get("quit_url", "")) or asked["return_url"]
    opened(call.world, asked)
    token = call.world.trades.new_door(asked)
    answer = redirect(f"/alipay/cashier/{token}")
    assert isinstance(answer, Response)
    return answer


def _asked(call: Call) -> dict[str, str]:
    content = call.content
    for name in ("out_trade_no", "total_amount", "subject"):
        if not isinstance(content.get(name), str) or not content[name]:
            raise refused("ACQ.INVALID_PARAMETER", f"参数无效：{name}")
    if not NUMBER.fullmatch(content["out_trade_no"]):
        raise refused("ACQ.INVALID_PARAMETER", "参数无效：out_trade_no")
    if not YUAN.fullmatch(content["total_amount"]) or float(content["total_amount"]) < 0.01:
        raise refused("ACQ.INVALID_PARAMETER", "参数无效：total_amount")
    url = urlsplit(call.params.get("notify_url", ""))
    if url.scheme not in ("http", "https") or url.query:
        raise AlipayError("40002", "isv.invalid-parameter", "notify_url 不对")
    asked = {name: str(content.get(name, "")) for name in _OPENING}
    call.detail = f"商户单号 {asked['out_trade_no']} ¥{asked['total_amount']}"
    _deadline(call.world, asked["time_expire"])
    return {**asked, "app_id": call.app.app_id, "notify_url": call.params["notify_url"]}


def _payable(trade: Trade, asked: dict[str, str]) -> Trade:
    if trade.state == PAID:
        raise refused("ACQ.TRADE_HAS_SUCCESS", "交易已被支付")
    if trade.state == CLOSED:
        raise refused("ACQ.TRADE_HAS_CLOSE", "交易已经关闭")
    if any(trade.asked[name] != asked[name] for name in ("total_amount", "subject")):
        raise refused("ACQ.CONTEXT_INCONSISTENT", "交易信息被篡改")
    return trade


def _deadline(world: World, text: str) -> float:
    if not text:
        return world.clock.now() + 15 * 86_400
    try:
        at = datetime.strptime(text, "%Y-%m-%d %H:%M:%S").replace(tzinfo=SHANGHAI)
    except ValueError:
        raise refused("ACQ.INVALID_PARAMETER", "参数无效：time_expire") from None
    return world.clock.deadline(at.timestamp())


def _known(call: Call) -> Trade:
    trade = call.world.trades.find(call.app.app_id, call.number)
    if trade is None:
        raise refused("ACQ.TRADE_NOT_EXIST", "交易不存在")
    return trade
