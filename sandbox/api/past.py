"""Payments of a shop that has a past: the channels know them as if they had been made here."""

from datetime import datetime
from typing import Any

from flask import jsonify
from flask.typing import ResponseReturnValue

from sandbox.alipay.store import CLOSED, PAID, Trade
from sandbox.api.door import body, control, need, the_world
from sandbox.clock import SHANGHAI
from sandbox.pay.ledger import Order, Refund
from sandbox.pay.sharebook import Portion, Share
from sandbox.state import World
from sandbox.unionpay.store import DONE, Move
from sandbox.wechat import tradestore

TYPES = {"mini": "JSAPI", "jsapi": "JSAPI", "native": "NATIVE", "h5": "MWEB", "code": "MICROPAY"}
STATES = {"CHANGE": "ABNORMAL"}
"""What a bill calls a refund that could not arrive, as the query calls it."""
HANDED_OVER = 4
TITLE = "历史订单"


@control.post("/past")
def tell_past() -> ResponseReturnValue:
    """{"payments": [{"channel": "wechat|alipay|unionpay", "account", "appid", "payer", "way",
    "number", "transaction_id", "fen", "at", "shipped", "shared"}], "refunds": [{"account",
    "number", "payment", "refund_id", "fen", "at", "state"}], "sharings": [{"account", "number",
    "transaction_id", "receiver", "fen", "returned_fen", "at"}]}: no notice is sent; what is
    known stays."""
    world, data = the_world(), body()
    payments, refunds = need(data, "payments", list), need(data, "refunds", list)
    with world.lock:
        for each in payments:
            _PAY[each["channel"]](world, each)
        for each in refunds:
            _refund(world, each)
        for each in data.get("sharings", []):
            _share(world, each)
    return jsonify(payments=len(payments), refunds=len(refunds))


def _wechat(world: World, told: dict[str, Any]) -> None:
    mchid, _, sub_mchid = told["account"].partition("-")
    if f"{mchid}|{told['number']}" in world.ledger.orders:
        return
    request: dict[str, Any] = {"description": TITLE}
    if told.get("shared"):
        request["settle_info"] = {"profit_sharing": True}
    order = Order(
        mchid,
        told["number"],
        told["appid"],
        told["payer"],
        told["fen"],
        request,
        told["at"],
        state="SUCCESS",
        transaction_id=told["transaction_id"],
        success_at=told["at"],
        trade_type=TYPES[told["way"]],
        sub_mchid=sub_mchid,
    )
    world.ledger.add_paid(order)
    if not told["shipped"]:
        return
    at = told["at"]
    world.shippings.by_transaction[order.transaction_id] = tradestore.Trade(
        order.transaction_id,
        order.appid,
        HANDED_OVER,
        1,
        [],
        "",
        complete=True,
        told=1,
        shipped_at=at,
        confirmed_at=at + tradestore.AUTO_CONFIRM[HANDED_OVER],
        settled_at=at + tradestore.AUTO_CONFIRM[HANDED_OVER],
    )


def _alipay(world: World, told: dict[str, Any]) -> None:
    if world.trades.find(told["account"], told["number"]) is None:
        world.trades.add(
            Trade(
                told["account"],
                told["number"],
                told["transaction_id"],
                told["fen"],
                {"subject": TITLE},
                told["at"],
                told["at"],
                state=PAID,
                paid_at=told["at"],
                buyer_id=told["payer"],
            )
        )


def _unionpay(world: World, told: dict[str, Any]) -> None:
    account, number, at = told["account"], told["number"], told["at"]
    if world.moves.find(account, number) is None:
        move = Move(
            account,
            number,
            "01",
            f"{datetime.fromtimestamp(at, SHANGHAI):%Y%m%d%H%M%S}",
            told["fen"],
            {},
            told["transaction_id"],
            told["transaction_id"][-6:],
            expires_at=at,
            code=DONE,
            at=at,
        )
        world.moves.add(move)


_PAY = {"wechat": _wechat, "alipay": _alipay, "unionpay": _unionpay}


def _refund(world: World, told: dict[str, Any]) -> None:
    account, number, fen, at = (told[name] for name in ("account", "number", "fen", "at"))
    trade = world.trades.trades.get(f"{account}|{told['payment']}")
    if trade is not None:
        trade.refunds.setdefault(number, {"fen": fen, "at": at})
        trade.state = CLOSED if trade.refunded_fen == trade.total_fen else trade.state
        return
    account, _, sub_mchid = account.partition("-")
    order = world.ledger.orders[f"{account}|{told['payment']}"]
    if world.ledger.find_refund(account, number) is not None:
        return
    order.refunded_fen += fen
    order.refunds += 1
    order.state = "REFUND"
    world.ledger.add_refund(
        Refund(
            account,
            number,
            order.out_trade_no,
            order.transaction_id,
            told["refund_id"],
            fen,
            order.total_fen,
            "",
            "",
            at,
            status=STATES.get(told["state"], told["state"]),
            success_at=at if told["state"] == "SUCCESS" else 0.0,
            sub_mchid=sub_mchid,
        )
    )


def _share(world: World, told: dict[str, Any]) -> None:
    """A receiver's part under a number; those of one number are told one by one."""
    mchid, _, sub_mchid = told["account"].partition("-")
    share = world.sharings.shares.setdefault(
        f"{mchid}|{told['number']}",
        Share(
            mchid,
            told["number"],
            f"3008{told['number']}",
            told["transaction_id"],
            {"sub_mchid": sub_mchid},
            told["at"],
            state="FINISHED",
        ),
    )
    world.sharings.receivers.setdefault(f"{sub_mchid}|{told['receiver']}", TITLE)
    if any(portion.account == told["receiver"] for portion in share.portions):
        return
    share.portions.append(
        Portion(
            "MERCHANT_ID",
            told["receiver"],
            told["fen"],
            TITLE,
            "SUCCESS",
            returned=told["returned_fen"],
        )
    )
