"""Failures of the catalogue."""

from core.errors import Conflict, Invalid, NotFound


class OutOfStock(Conflict):
    """Not enough of a SKU; `left` says how many there are (None: not known)."""

    code = "out_of_stock"
    title = "卖完了"

    def __init__(self, name: str, sku_id: int, left: int | None = None) -> None:
        detail = f"{name}只剩 {left} 份了" if left else f"{name}刚卖完，换一样或去掉它"
        super().__init__(detail, sku_id=str(sku_id), left=left)


class NotOnSale(Conflict):
    """Taken off the shelf since the cart was filled."""

    code = "not_on_sale"
    title = "已下架"


class BadItem(Invalid):
    """A cart line that no menu of this store could have produced."""

    code = "invalid_item"
    title = "商品选得不对"


class CostInvalid(Invalid):
    code = "cost_invalid"
    title = "成本填得不对"


class UnknownSku(NotFound):
    code = "unknown_sku"
    title = "这家店没有这个商品"
