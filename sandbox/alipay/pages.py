"""The cashier that the payer sees, and what happens on the way back."""

from html import escape
from urllib.parse import urlencode

from flask import Response, current_app, redirect, request
from flask.typing import ResponseReturnValue

from sandbox.alipay import signing
from sandbox.alipay.door import api
from sandbox.alipay.errors import AlipayError
from sandbox.alipay.store import CLOSED, PAID, Trade
from sandbox.alipay.trades import opened, pay, written, yuan
from sandbox.cashier_page import ACTS, LATER_SECONDS, cashier_page, message_page
from sandbox.channel_keys import SELLER_ID
from sandbox.state import World

NAME, COLOUR = "支付宝", "#1677ff"


@api.get("/qr/<token>")
def qr(token: str) -> ResponseReturnValue:
    """What a QR of ours leads to when somebody scans it."""
    return redirect(f"/alipay/cashier/{token}")


@api.get("/cashier/<token>")
def show(token: str) -> ResponseReturnValue:
    world, trade = _trade(token)
    if isinstance(trade, Response):
        return trade
    return cashier_page(
        NAME,
        COLOUR,
        payee=world.settings.channels.alipay[trade.app_id].name,
        subject=trade.asked["subject"],
        amount=yuan(trade.total_fen),
        number=trade.out_trade_no,
        action=f"/alipay/cashier/{token}",
    )


@api.post("/cashier/<token>")
def act(token: str) -> ResponseReturnValue:
    world, trade = _trade(token)
    if isinstance(trade, Response):
        return trade
    chosen = request.form.get("act", "")
    if chosen not in ACTS:
        return message_page(NAME, COLOUR, "没有这个按钮"), 400
    asked = world.trades.doors[token]
    if chosen == "pay":
        pay(world, trade)
        return _back(world, trade, asked)
    if chosen == "later":
        world.timer.after(LATER_SECONDS, lambda: pay(world, trade))
    return _left(asked)


def _trade(token: str) -> tuple[World, Trade | Response]:
    """Opens the trade that a door leads to; a page instead where there is none to be paid."""
    world: World = current_app.extensions["sandbox"]
    asked = world.trades.doors.get(token)
    if asked is None or "out_trade_no" not in asked:
        return world, message_page(NAME, COLOUR, "这个付款页已经失效")
    try:
        with world.lock:
            return world, opened(world, asked)
    except AlipayError as error:
        found = world.trades.find(asked["app_id"], asked["out_trade_no"])
        if found is not None and found.state in (PAID, CLOSED) and found.paid_at:
            return world, _back(world, found, asked)
        return world, message_page(NAME, COLOUR, error.message)


def _back(world: World, trade: Trade, asked: dict[str, str]) -> Response:
    """To the shop, with a signed word that nobody should believe alone."""
    url = asked.get("return_url", "")
    if not url:
        return message_page(NAME, COLOUR, f"付好了 ¥{yuan(trade.total_fen)}，可以关掉这一页")
    fields = {
        "app_id": trade.app_id,
        "auth_app_id": trade.app_id,
        "charset": "utf-8",
        "method": "alipay.trade.page.pay.return",
        "out_trade_no": trade.out_trade_no,
        "trade_no": trade.trade_no,
        "seller_id": SELLER_ID,
        "timestamp": written(world.clock.stamp()),
        "total_amount": yuan(trade.total_fen),
        "version": "1.0",
    }
    told = signing.signed_form(world, trade.app_id, fields, False)
    answer = redirect(f"{url}{'&' if '?' in url else '?'}{urlencode(told)}", 303)
    assert isinstance(answer, Response)
    return answer


def _left(asked: dict[str, str]) -> Response:
    url = asked.get("quit_url", "")
    if not url:
        return message_page(NAME, COLOUR, "还没有付款，可以关掉这一页")
    answer = redirect(escape(url, quote=False), 303)
    assert isinstance(answer, Response)
    return answer
