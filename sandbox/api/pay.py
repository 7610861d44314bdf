"""Paying on the phones: the sheet, a QR, the payer's own code; and the bank's verdicts."""

from dataclasses import replace

from flask import jsonify, request
from flask.typing import ResponseReturnValue

from sandbox.acts import PAY_CODE, NotPossible
from sandbox.api.door import Refused, account_of, body, control, need, person_of, the_world
from sandbox.clock import rfc3339
from sandbox.pay import codes, refunds, sharing, sheet
from sandbox.pay.codestore import FRESH_SECONDS
from sandbox.pay.ledger import Order


@control.get("/prepay")
def show_prepay() -> ResponseReturnValue:
    """What the sheet shows before the person decides."""
    world = the_world()
    order = sheet.payable(world, request.args.get("prepay_id", "").removeprefix(PAY_CODE))
    return jsonify(
        **_shown(order),
        expires_at=rfc3339(order.expires_at) if order.expires_at else None,
        seconds_left=int(order.expires_at - world.clock.now()) if order.expires_at else None,
    )


@control.post("/people/<person_id>/pay")
def pay(person_id: str) -> ResponseReturnValue:
    """`outcome`: ok, cancel, insufficient. A refusal is a problem whose title is the errMsg."""
    world, person, data = the_world(), person_of(person_id), body()
    account, outcome = account_of(data), _outcome(data, sheet.OUTCOMES)
    try:
        order = sheet.pay(world, person, account.appid, data, outcome)
    except NotPossible as refusal:
        if outcome == "cancel" and str(refusal).endswith("fail cancel"):
            return jsonify(errMsg=str(refusal))
        raise
    return _paid(order)


@control.post("/people/<person_id>/pay-scanned")
def pay_scanned(person_id: str) -> ResponseReturnValue:
    """A QR that the shop shows, or a browser that came over: {"code": code_url or prepay id}."""
    world, person, data = the_world(), person_of(person_id), body()
    outcome = _outcome(data, sheet.OUTCOMES)
    return _paid(sheet.pay_unsigned(world, person, need(data, "code"), outcome))


@control.post("/people/<person_id>/payment-code")
def payment_code(person_id: str) -> ResponseReturnValue:
    """A fresh payment code (付款码) of this phone; {"asks_password": true} switches its setting."""
    world, person, data = the_world(), person_of(person_id), body()
    with world.lock:
        if "asks_password" in data:
            person.asks_password = need(data, "asks_password", bool)
        code = world.pay_codes.new(person)
    return jsonify(
        code=code,
        seconds=FRESH_SECONDS,
        asks_password=person.asks_password,
        password_above_fen=world.settings.code_password_fen,
    )


@control.get("/people/<person_id>/asked")
def asked(person_id: str) -> ResponseReturnValue:
    """Payments that wait for this person's password."""
    world, person = the_world(), person_of(person_id)
    with world.lock:
        return jsonify(asked=[_shown(order) for order in codes.asked_of(world, person)])


@control.post("/people/<person_id>/asked/<out_trade_no>")
def answer_asked(person_id: str, out_trade_no: str) -> ResponseReturnValue:
    """The password typed, or not: {"outcome": "ok" | "cancel"}."""
    outcome = _outcome(body(), codes.OUTCOMES)
    order = codes.answer(the_world(), person_of(person_id), out_trade_no, outcome)
    return jsonify(state=order.state)


@control.post("/certificate")
def renew_certificate() -> ResponseReturnValue:
    """WeChat Pay signs with a new platform certificate from now on; the old ones still count."""
    world = the_world()
    with world.lock:
        world.settings = replace(world.settings, platform=world.settings.platform.renewed())
    return jsonify(serial=world.settings.platform.serial)


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


def _outcome(data: dict[str, object], known: tuple[str, ...]) -> str:
    outcome = data.get("outcome", "ok")
    if not isinstance(outcome, str) or outcome not in known:
        raise Refused(400, f"outcome must be one of {', '.join(known)}")
    return outcome


def _shown(order: Order) -> dict[str, object]:
    return {
        "amount_fen": order.total_fen,
        "description": order.request["description"],
        "payee": the_world().settings.merchants[order.mchid].name,
        "out_trade_no": order.out_trade_no,
        "state": order.state,
        "trade_type": order.trade_type,
    }


def _paid(order: Order) -> ResponseReturnValue:
    return jsonify(
        errMsg="requestPayment:ok",
        out_trade_no=order.out_trade_no,
        transaction_id=order.transaction_id,
    )
