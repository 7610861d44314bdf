"""确认收货 on the phone, and whether a mini-program's payments are held back."""

from flask import jsonify
from flask.typing import ResponseReturnValue

from sandbox.api.door import account_of, body, control, need, person_of, the_world
from sandbox.wechat import trades
from sandbox.wechat.tradeevents import access


@control.post("/people/<person_id>/receipts")
def confirm_receipt(person_id: str) -> ResponseReturnValue:
    """What wx.openBusinessView("weappOrderConfirm") does: {"transaction_id"}."""
    world, person = the_world(), person_of(person_id)
    trade = trades.confirm(world, person, need(body(), "transaction_id"))
    return jsonify(transaction_id=trade.transaction_id, settled_at=trade.settled_at)


@control.post("/trades")
def change_control() -> ResponseReturnValue:
    """{"managed": false}: no payment is held back; true again: the shop is told of it."""
    world, data = the_world(), body()
    account, managed = account_of(data, "mini"), need(data, "managed", bool)
    held = world.shippings.control(account.appid)
    with world.lock:
        held.managed, held.confirmed = managed, data.get("confirmed", managed) is True
    if managed:
        access(world, account.appid, "wxa_trade_controlled", "小程序已纳入发货信息管理")
        told = "请完成发货信息录入功能的接入"
        access(world, account.appid, "trade_manage_remind_access_api", told)
    return jsonify(managed=held.managed, confirmed=held.confirmed)
