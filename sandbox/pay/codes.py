"""What happens when somebody scans the code that a phone shows (付款码)."""

from typing import Any

from sandbox.acts import NotPossible
from sandbox.pay.errors import PayError
from sandbox.pay.ledger import Order
from sandbox.people import Person, openid_of
from sandbox.state import World

OUTCOMES = ("ok", "cancel")


def charge(world: World, order: Order, code: str) -> None:
    """Take the money, or ask the payer for the password. Raises PayError when it can't be."""
    person = world.people.get(world.pay_codes.use(code))
    order.openid = openid_of(order.appid, person.id)
    asks = person.asks_password or order.total_fen > world.settings.code_password_fen
    if not asks and person.balance_fen < order.total_fen:
        raise PayError(403, "NOTENOUGH", "余额不足")
    world.ledger.add_order(order)
    if asks:
        order.state = "USERPAYING"
        _say(world, order, person, "要输密码", "ok")
        return
    _take(world, order, person)


def asked_of(world: World, person: Person) -> list[Order]:
    """What this phone is asked the password for."""
    return [
        order
        for order in world.ledger.orders.values()
        if order.state == "USERPAYING" and order.openid == openid_of(order.appid, person.id)
    ]


def answer(world: World, person: Person, out_trade_no: str, outcome: str) -> Order:
    """The password was typed, or the payer went away. Raises NotPossible."""
    with world.lock:
        asked = (each for each in asked_of(world, person) if each.out_trade_no == out_trade_no)
        order = next(asked, None)
        if order is None:
            raise NotPossible("这笔付款已经结束")
        if outcome == "cancel":
            order.state = "PAYERROR"
            _say(world, order, person, "没有付", "bad")
            return order
        if person.balance_fen < order.total_fen:
            order.state = "PAYERROR"
            raise NotPossible("余额不足")
        _take(world, order, person)
        return order


def take_back(world: World, order: Order) -> None:
    """Paid or not: afterwards nobody has paid it."""
    if order.state in ("SUCCESS", "REFUND") and order.success_at:
        if order.refunds:
            raise PayError(403, "TRADE_ERROR", "订单已有退款，不能撤销")
        person = world.people.owner_of(order.openid, order.appid)
        if person:
            person.balance_fen += order.total_fen
    order.state = "REVOKED"


def _take(world: World, order: Order, person: Person) -> None:
    person.balance_fen -= order.total_fen
    world.ledger.mark_paid(order)
    world.windows.open(order.appid, order.openid, "payment")
    _say(world, order, person, "已付款", "ok")


def _say(world: World, order: Order, person: Person, tag: str, tone: str) -> None:
    payee = world.settings.merchants[order.mchid].name
    raw: dict[str, Any] = {"out_trade_no": order.out_trade_no, "state": order.state}
    world.feed.add(
        f"{payee}扫了{person.name}的付款码 ¥{order.total_fen / 100:.2f}",
        direction="person",
        api="pay.code",
        tag=tag,
        tone=tone,
        person=person.id,
        raw=raw,
    )
