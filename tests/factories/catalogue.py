"""Goods for tests."""

import itertools
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from catalogue.models import (
    Category,
    GroupKind,
    Option,
    OptionGroup,
    Product,
    ShelfState,
    Sku,
    StoreSku,
)
from merchants.models import Store

_numbers = itertools.count(1)


def make_category(session: Session, store: Store, *, name: str = "人气必点") -> Category:
    found = select(Category).where(Category.merchant_id == store.merchant_id, Category.name == name)
    category = session.scalars(found).one_or_none()
    if category is None:
        category = Category(merchant_id=store.merchant_id, name=name)
        session.add(category)
        session.flush()
    return category


def make_product(
    session: Session,
    store: Store,
    *,
    name: str = "杨枝甘露",
    category: str = "人气必点",
    **values: Any,
) -> Product:
    product = Product(
        merchant_id=store.merchant_id,
        category_id=make_category(session, store, name=category).id,
        name=name,
        **values,
    )
    session.add(product)
    session.flush()
    return product


def make_sku(
    session: Session,
    store: Store,
    *,
    product: Product | None = None,
    name: str = "",
    price_fen: int = 2200,
    available: int | None = None,
    state: ShelfState = ShelfState.on,
    store_price_fen: int | None = None,
) -> Sku:
    """A SKU on the shelf of `store`; `available` None: not counted."""
    product = product or make_product(session, store, name=f"杨枝甘露{next(_numbers)}")
    sku = Sku(product_id=product.id, name=name, price_fen=price_fen)
    session.add(sku)
    session.flush()
    session.add(
        StoreSku(
            store_id=store.id,
            sku_id=sku.id,
            available=available,
            state=state,
            price_fen=store_price_fen,
        )
    )
    session.flush()
    return sku


def make_group(
    session: Session,
    product_id: int,
    *,
    name: str = "甜度",
    kind: GroupKind = GroupKind.single,
    least: int = 1,
    most: int = 1,
    options: dict[str, int] | None = None,
) -> tuple[OptionGroup, list[Option]]:
    group = OptionGroup(product_id=product_id, name=name, kind=kind, min=least, max=most)
    session.add(group)
    session.flush()
    made = [
        Option(group_id=group.id, name=text, price_fen=price, sort=i)
        for i, (text, price) in enumerate((options or {"标准糖": 0, "七分糖": 0}).items())
    ]
    session.add_all(made)
    session.flush()
    return group, made


def available(session: Session, store: Store, sku: Sku) -> int | None:
    return session.scalars(
        select(StoreSku.available).where(StoreSku.store_id == store.id, StoreSku.sku_id == sku.id)
    ).one()
