"""What happens to a payment after the shop told of it: to the buyer's phone, and to the shop."""

from typing import Any

from sandbox import pushes
from sandbox.clock import rfc3339
from sandbox.pay.ledger import Order
from sandbox.people import Person
from sandbox.state import World
from sandbox.wechat.tradestore import DAY, Trade

BY_HAND, BY_TIME = 1, 2
WORDS = {1: "商家已发货", 2: "商家已发出，正在送来", 3: "商品已发到账户", 4: "商品已自提"}
REMIND_AFTER = 2 * DAY
_WECHAT = Person("wechat", "微信", "crowd", "")


def shipped(world: World, trade: Trade) -> None:
    """The buyer sees it, the shop hears when it will have the money; time confirms in the end."""
    order = world.ledger.find_paid(trade.transaction_id)
    if order is None or not trade.complete:
        return
    show(world, trade, order, WORDS[trade.logistics])
    _tell(
        world,
        order,
        "trade_manage_order_settlement",
        title="订单结算：微信收到发货信息",
        shipped_time=int(trade.shipped_at),
        estimated_settlement_time=int(trade.confirms_at),
    )
    _plan(world, trade)


def confirm(world: World, trade: Trade, how: int) -> None:
    """Received, and the money is the shop's."""
    order = world.ledger.find_paid(trade.transaction_id)
    with world.lock:
        if order is None or trade.confirmed_at:
            return
        trade.confirmed_at, trade.confirmed_by = world.clock.stamp(), how
        trade.settled_at = trade.confirmed_at
    show(world, trade, order, "已确认收货")
    _tell(
        world,
        order,
        "trade_manage_order_settlement",
        title="订单结算：钱到商户账户了",
        shipped_time=int(trade.shipped_at),
        confirm_receive_method=how,
        confirm_receive_time=int(trade.confirmed_at),
        settlement_time=int(trade.settled_at),
    )


def watch(world: World, order: Order) -> None:
    """After two days without shipping information the shop is reminded."""

    def remind() -> None:
        trade = world.shippings.by_transaction.get(order.transaction_id)
        gone = order.refunded_fen >= order.total_fen or (trade is not None and trade.complete)
        if gone or not world.shippings.control(order.appid).managed:
            return
        words = "订单已超 48 小时未发货，请尽快录入发货信息"
        event = "trade_manage_remind_shipping"
        _tell(world, order, event, title="微信提醒：有订单没发货", msg=words)

    account = world.settings.accounts.get(order.appid)
    if account is not None and account.kind == "mini":
        world.timer.at(_on_our_clock(world, order.success_at + REMIND_AFTER), remind)


def resume(world: World) -> None:
    """After a restart: what was waiting goes on waiting."""
    for order in world.ledger.orders.values():
        overdue = order.success_at + REMIND_AFTER < world.clock.stamp()
        if order.transaction_id and order.trade_type == "JSAPI" and not overdue:
            watch(world, order)
    for trade in world.shippings.by_transaction.values():
        if trade.complete and not trade.confirmed_at:
            _plan(world, trade)


def access(world: World, appid: str, event: str, msg: str) -> None:
    """WeChat's word to the whole mini-program."""
    account = world.account(appid)
    push = pushes.build(
        world,
        account,
        _WECHAT,
        "wechat",
        MsgType="event",
        Event=event,
        msg=msg,
        title=f"微信提醒：{msg}",
        shown=False,
    )
    pushes.send(world, push, wait=False)


def show(world: World, trade: Trade, order: Order, words: str) -> None:
    person = world.people.owner_of(order.openid, order.appid)
    if person is None:
        return
    page = world.shippings.control(order.appid).page
    joined = "&" if "?" in page else "?"
    query = f"transaction_id={order.transaction_id}&merchant_id={order.mchid}"
    path = f"{page}{joined}{query}&merchant_trade_no={order.out_trade_no}" if page else ""
    open_ = trade.complete and not trade.confirmed_at
    world.chats.replace(
        person,
        order.appid,
        f"trade:{order.transaction_id}",
        sender="account",
        kind="subscribe",
        title=words,
        rows=[
            ["商品", trade.parcels[0]["item_desc"]],
            ["实付", f"¥{order.total_fen / 100:.2f}"],
            ["付款时间", rfc3339(order.success_at)[5:16].replace("T", " ")],
        ],
        appid=order.appid if path else "",
        path="/" + path.lstrip("/") if path else "",
        confirm=order.transaction_id if open_ else "",
    )


def _plan(world: World, trade: Trade) -> None:
    told = trade.told
    due = _on_our_clock(world, trade.confirms_at)
    world.timer.at(due, lambda: _by_time(world, trade, told))


def _on_our_clock(world: World, stamp: float) -> float:
    return stamp if world.clock.shared else stamp + world.clock.offset


def _by_time(world: World, trade: Trade, told: int) -> None:
    """A later telling has a later end of its own."""
    if trade.told == told and world.shippings.by_transaction.get(trade.transaction_id) is trade:
        confirm(world, trade, BY_TIME)


def _tell(world: World, order: Order, event: str, *, title: str, **fields: Any) -> None:
    account = world.account(order.appid)
    push = pushes.build(
        world,
        account,
        _WECHAT,
        order.openid,
        MsgType="event",
        Event=event,
        transaction_id=order.transaction_id,
        merchant_id=order.mchid,
        sub_merchant_id="",
        merchant_trade_no=order.out_trade_no,
        pay_time=int(order.success_at),
        title=title,
        shown=False,
        **fields,
    )
    pushes.send(world, push, wait=False)
