"""The cashier that the payer sees, and the form that carries them back."""

from html import escape

from flask import Response, current_app, redirect, request
from flask.typing import ResponseReturnValue

from sandbox.cashier_page import ACTS, LATER_SECONDS, cashier_page, message_page
from sandbox.state import World
from sandbox.unionpay.door import api, signed
from sandbox.unionpay.moves import pay, signed_result
from sandbox.unionpay.store import DONE, OPEN, Move

NAME, COLOUR = "银联", "#c8161d"


@api.get("/cashier/<token>")
def show(token: str) -> ResponseReturnValue:
    world, move = _move(token)
    if move is None:
        return message_page(NAME, COLOUR, "这个付款页已经失效")
    if move.code == DONE:
        return _back(world, move)
    return cashier_page(
        NAME,
        COLOUR,
        payee=world.settings.channels.acp[move.mer_id].name,
        subject="",
        amount=f"{move.fen / 100:.2f}",
        number=move.order_id,
        action=f"/unionpay/cashier/{token}",
    )


@api.post("/cashier/<token>")
def act(token: str) -> ResponseReturnValue:
    world, move = _move(token)
    chosen = request.form.get("act", "")
    if move is None or chosen not in ACTS:
        return message_page(NAME, COLOUR, "这个付款页已经失效")
    if chosen == "pay" and (pay(world, move) or move.code == DONE):
        return _back(world, move)
    if chosen == "later":
        world.timer.after(LATER_SECONDS, lambda: pay(world, move))
    answer = redirect(move.asked["frontUrl"], 303)
    assert isinstance(answer, Response)
    return answer


def _move(token: str) -> tuple[World, Move | None]:
    """None: unknown, or out of time without a payment."""
    world: World = current_app.extensions["sandbox"]
    move = world.moves.moves.get(world.moves.doors.get(token, ""))
    if move is not None and move.code == OPEN and world.clock.now() > move.expires_at:
        move = None
    return world, move


def _back(world: World, move: Move) -> Response:
    """UnionPay sends the payer back by a form, with a signed word that nobody should believe."""
    told = signed(world, signed_result(world, move))
    hidden = "".join(
        f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">'
        for name, value in told.items()
    )
    return Response(
        '<!doctype html><html lang="zh-CN"><meta charset="utf-8"><title>返回商户</title>'
        f'<body onload="document.forms[0].submit()"><form method="post" '
        f'action="{escape(move.asked["frontUrl"])}">{hidden}<button>返回商户</button></form></html>',
        mimetype="text/html",
    )
