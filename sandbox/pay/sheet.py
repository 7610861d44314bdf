"""A person pays on a phone: by the pay sheet (which is checked), by a QR, from a browser."""

from typing import Any

from sandbox.acts import PAY_CODE, NotPossible
from sandbox.pay import notices, signing
from sandbox.pay.ledger import Order
from sandbox.pay.orders import describe
from sandbox.people import Person, openid_of
from sandbox.state import World
from sandbox.wechat import tradeevents

OUTCOMES = ("ok", "cancel", "insufficient")
_FIELDS = ("timeStamp", "nonceStr", "package", "signType", "paySign")


def pay(world: World, person: Person, appid: str, sheet: dict[str, Any], outcome: str) -> Order:
    """Raises NotPossible with what the phone shows. Cancelling changes nothing."""
    if any(not isinstance(sheet.get(name), str) or not sheet[name] for name in _FIELDS):
        raise NotPossible("requestPayment:fail 缺少参数")
    if sheet["signType"] != "RSA" or not sheet["package"].startswith("prepay_id="):
        raise NotPossible("requestPayment:fail 参数不对")
    order = payable(world, sheet["package"].removeprefix("prepay_id="))
    text = "\n".join([appid, sheet["timeStamp"], sheet["nonceStr"], sheet["package"], ""])
    key = world.settings.merchants[order.mchid].public_key
    if order.appid != appid or not signing.verify(key, text.encode(), sheet["paySign"]):
        raise NotPossible("requestPayment:fail 支付验证签名失败")
    if order.openid != openid_of(appid, person.id):
        raise NotPossible("requestPayment:fail 只能由下单的人付款")
    paid = _take(world, person, order, outcome)
    tradeevents.watch(world, paid)
    return paid


def pay_unsigned(world: World, person: Person, prepay_id: str, outcome: str) -> Order:
    """Of a code that was scanned, or of a browser that came over: whoever pays is the payer."""
    order = payable(world, prepay_id.removeprefix(PAY_CODE))
    if order.trade_type not in ("NATIVE", "MWEB"):
        raise NotPossible("这张付款单要在小程序里付")
    return _take(world, person, order, outcome)


def payable(world: World, prepay_id: str) -> Order:
    """The unpaid order of this prepay id, still in time. Raises NotPossible."""
    order = world.ledger.order_of_prepay(prepay_id)
    if order is None:
        raise NotPossible("requestPayment:fail 付款单不存在或已过期")
    if order.state == "NOTPAY" and order.expires_at and world.clock.now() > order.expires_at:
        raise NotPossible("requestPayment:fail 订单已过期")
    return order


def _take(world: World, person: Person, order: Order, outcome: str) -> Order:
    if outcome == "cancel":
        raise NotPossible("requestPayment:fail cancel")
    with world.lock:
        if order.state != "NOTPAY":
            raise NotPossible("requestPayment:fail 订单已支付或已关闭")
        if outcome == "insufficient" or person.balance_fen < order.total_fen:
            raise NotPossible("requestPayment:fail 余额不足")
        person.balance_fen -= order.total_fen
        order.openid = openid_of(order.appid, person.id)
        world.ledger.mark_paid(order)
        world.windows.open(order.appid, order.openid, "payment")
        _tell(world, person, order)
    return order


def _tell(world: World, person: Person, order: Order) -> None:
    yuan = f"¥{order.total_fen / 100:.2f}"
    payee = world.settings.merchants[order.mchid].name
    world.feed.add(
        f"{person.name}付了 {yuan} 给{payee}",
        direction="person",
        api="pay.sheet",
        tag="已付款",
        person=person.id,
        raw={"out_trade_no": order.out_trade_no, "transaction_id": order.transaction_id},
    )
    notices.create(
        world,
        order.mchid,
        order.request["notify_url"],
        event_type="TRANSACTION.SUCCESS",
        original_type="transaction",
        summary="支付成功",
        plain=describe(order),
        title=f"通知：{person.name}付款成功 {yuan}",
        person=person.id,
    )
