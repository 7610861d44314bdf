"""The pay sheet of the phones, and the bank's verdict on refunds and sharings for tests."""

from flask import jsonify, request
from flask.typing import ResponseReturnValue

from sandbox.acts import NotPossible
from sandbox.api.door import Refused, account_of, body, control, need, person_of, the_world
from sandbox.clock import rfc3339
from sandbox.pay import refunds, sharing, sheet


@control.get("/prepay")
def show_prepay() -> ResponseReturnValue:
    """What the sheet shows before the person decides."""
    world = the_world()
    order = sheet.payable(world, request.args.get("prepay_id", ""))
    return jsonify(
        amount_fen=order.total_fen,
        description=order.request["description"],
        payee=world.settings.merchants[order.mchid].name,
        out_trade_no=order.out_trade_no,
        expires_at=rfc3339(order.expires_at) if order.expires_at else None,
        seconds_left=int(order.expires_at - world.clock.now()) if order.expires_at else None,
        state=order.state,
    )


@control.post("/people/<person_id>/pay")
def pay(person_id: str) -> ResponseReturnValue:
    """`outcome`: ok, cancel, insufficient. A refusal is a problem whose title is the errMsg."""
    world, person, data = the_world(), person_of(person_id), body()
    account, outcome = account_of(data), data.get("outcome", "ok")
    if outcome not in sheet.OUTCOMES:
        raise Refused(400, "outcome must be ok, cancel or insufficient")
    try:
        order = sheet.pay(world, person, account.appid, data, outcome)
    except NotPossible as refusal:
        if outcome == "cancel" and str(refusal).endswith("fail cancel"):
            return jsonify(errMsg=str(refusal))
        raise
    return jsonify(
        errMsg="requestPayment:ok",
        out_trade_no=order.out_trade_no,
        transaction_id=order.transaction_id,
    )


@control.post("/refunds/<mchid>/<number>")
def decide_refund(mchid: str, number: str) -> ResponseReturnValue:
    """The bank's verdict now: {"status": "SUCCESS" | "ABNORMAL" | "CLOSED"}."""
    world, status = the_world(), need(body(), "status")
    refund = world.ledger.find_refund(mchid, number)
    if refund is None or status not in refunds.END_STATES:
        raise Refused(404, "没有这笔退款，或没有这种结果")
    return jsonify(changed=refunds.finish(world, refund, status))


@control.post("/sharings")
def decide_sharings() -> ResponseReturnValue:
    """Whatever waits is decided now; `refuse` names accounts that get nothing, and why."""
    world, book = the_world(), the_world().sharings
    book.refused = {str(account): str(why) for account, why in body().get("refuse", {}).items()}
    for share in list(book.shares.values()):
        sharing.finish(world, share)
    for made in list(book.returns.values()):
        sharing.finish_return(world, made)
    return jsonify(sharings=[share.out_order_no for share in book.shares.values()])
