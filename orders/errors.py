"""Failures of orders."""

from core.errors import Conflict, Invalid, NotFound
from core.money import format_yuan


class OrderNotFound(NotFound):
    code = "order_not_found"
    title = "没有找到这个订单"


class TableNeeded(Invalid):
    code = "table_needed"
    title = "请先扫桌上的码"


class StoreClosed(Conflict):
    code = "store_closed"
    title = "门店休息中，现在不能下单"


class PriceChanged(Conflict):
    """The member saw another amount; `payable_fen` is today's."""

    code = "price_changed"
    title = "价格变了"

    def __init__(self, payable_fen: int) -> None:
        text = format_yuan(payable_fen, symbol=True)
        super().__init__(f"有商品调价了，合计变成 {text}，看一下再付", payable_fen=payable_fen)


class CouponNotApplicable(Conflict):
    """The coupon is the member's and free, but does not fit this cart."""

    code = "coupon_not_applicable"
    title = "这张券用不到这一单上"


class TooManyPieces(Invalid):
    """More than one order, or one member's unpaid orders, may keep from everybody else."""

    code = "too_many_pieces"
    title = "一次买得太多了，请分几单或联系门店"


class TooManyUnpaid(Conflict):
    """The member holds as many unpaid orders as they may; `unpaid` says how many."""

    code = "too_many_unpaid"
    title = "还有没付款的订单，先付款或取消"


class WrongState(Conflict):
    """The order has moved on; `state` and `payment_state` are what it is now."""

    code = "order_state"
    title = "订单状态已经变了，刷新看看"


class WrongPickupCode(Invalid):
    code = "wrong_pickup_code"
    title = "取餐码不对"
