"""A merchant's goods for pickers and for sums: one row each, whatever the stores charge."""

from collections.abc import Collection
from typing import NamedTuple

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from catalogue.models import Category, Product, ProductState, Sku


class Good(NamedTuple):
    """`price_fen`: of its dearest SKU, options apart."""

    id: int
    name: str
    category_id: int
    category: str
    price_fen: int


def list_goods(session: Session, merchant_id: int) -> list[Good]:
    """What is on sale, in the order of the menu, in one statement."""
    found = session.execute(
        select(Product.id, Product.name, Category.id, Category.name, func.max(Sku.price_fen))
        .join(Category, Category.id == Product.category_id)
        .join(Sku, Sku.product_id == Product.id)
        .where(Product.merchant_id == merchant_id, Product.state == ProductState.on)
        .group_by(Product.id, Product.name, Category.id, Category.name)
        .order_by(Category.sort, Category.id, Product.sort, Product.id)
    )
    return [Good(*row) for row in found]


def covered(
    goods: Collection[Good],
    product_ids: Collection[int] | None,
    category_ids: Collection[int] | None,
) -> list[Good]:
    """Those named one by one or by their category; neither named: all."""
    if product_ids is None and category_ids is None:
        return list(goods)
    products, categories = set(product_ids or ()), set(category_ids or ())
    return [good for good in goods if good.id in products or good.category_id in categories]
