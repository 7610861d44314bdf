"""What people read about an order."""

from orders.models import OWING, HistoryKind, Order, OrderHistory, OrderState, PaymentState

STATES = {
    OrderState.placed: "待接单",
    OrderState.accepted: "已接单",
    OrderState.preparing: "制作中",
    OrderState.ready: "可取餐",
    OrderState.completed: "已完成",
    OrderState.cancelled: "已取消",
}

PAYMENTS = {
    PaymentState.unpaid: "待付款",
    PaymentState.part_paid: "已付一部分",
    PaymentState.paid: "已付款",
    PaymentState.part_refunded: "部分退款",
    PaymentState.refunded: "已退款",
}


def state(order: Order) -> str:
    """One word for both states: what matters most to the person."""
    back = (PaymentState.paid, PaymentState.part_paid)
    if order.state is OrderState.cancelled and order.payment_state in back:
        return "退款中"
    if order.payment_state is PaymentState.refunded:
        return PAYMENTS[PaymentState.refunded]
    if order.state is OrderState.placed and order.payment_state in OWING:
        return PAYMENTS[order.payment_state]
    return STATES[order.state]


def history(entry: OrderHistory) -> str:
    if entry.kind is HistoryKind.payment:
        return PAYMENTS[PaymentState(entry.after)]
    if entry.after == OrderState.placed:
        return "已下单"
    return STATES[OrderState(entry.after)]


def who(actor: str) -> str:
    """As the member reads it."""
    kind = actor.split(":", 1)[0]
    return {"member": "你", "staff": "门店"}.get(kind, "系统")
