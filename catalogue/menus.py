"""A store's menu as a tree, read in four queries however many products there are."""

from collections import defaultdict
from dataclasses import dataclass

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from catalogue.models import (
    Category,
    Option,
    OptionGroup,
    Product,
    ProductState,
    ShelfState,
    Sku,
    StoreSku,
)
from merchants.models import Store


@dataclass(frozen=True)
class MenuSku:
    sku_id: int
    name: str
    price_fen: int
    stock: int | None
    state: str


@dataclass(frozen=True)
class MenuOption:
    id: int
    name: str
    price_fen: int
    state: str


@dataclass(frozen=True)
class MenuGroup:
    id: int
    name: str
    kind: str
    min: int
    max: int
    options: list[MenuOption]


@dataclass(frozen=True)
class MenuProduct:
    id: int
    name: str
    description: str
    image: str
    kind: str
    badges: list[str]
    skus: list[MenuSku]
    option_groups: list[MenuGroup]

    @property
    def price_fen(self) -> int:
        return min(sku.price_fen for sku in self.skus)

    @property
    def state(self) -> str:
        """On sale while any SKU is."""
        return "on" if any(sku.state == "on" for sku in self.skus) else "sold_out"


@dataclass(frozen=True)
class MenuCategory:
    id: int
    name: str
    products: list[MenuProduct]


@dataclass(frozen=True)
class Menu:
    store_id: int
    categories: list[MenuCategory]


def get_menu(session: Session, store: Store) -> Menu:
    """What `store` shows: categories with goods, sold-out ones included, off-shelf ones not."""
    skus = _skus_by_product(session, store.id)
    products = session.scalars(
        select(Product)
        .where(Product.id.in_(_listed(store.id)), Product.state == ProductState.on)
        .order_by(Product.sort, Product.id)
    ).all()
    groups = _groups_by_product(session, store.id)
    by_category: dict[int, list[MenuProduct]] = defaultdict(list)
    for product in products:
        by_category[product.category_id].append(
            MenuProduct(
                id=product.id,
                name=product.name,
                description=product.description,
                image=product.image,
                kind=product.kind,
                badges=product.badges,
                skus=skus[product.id],
                option_groups=groups.get(product.id, []),
            )
        )
    categories = session.execute(
        select(Category.id, Category.name)
        .where(Category.merchant_id == store.merchant_id)
        .order_by(Category.sort, Category.id)
    )
    return Menu(
        store_id=store.id,
        categories=[
            MenuCategory(id=id_, name=name, products=by_category[id_])
            for id_, name in categories
            if id_ in by_category
        ],
    )


def _listed(store_id: int) -> Select[int]:
    """Ids of the products that the store lists."""
    return (
        select(Sku.product_id)
        .join(StoreSku, StoreSku.sku_id == Sku.id)
        .where(StoreSku.store_id == store_id, StoreSku.state != ShelfState.off)
    )


def _skus_by_product(session: Session, store_id: int) -> dict[int, list[MenuSku]]:
    rows = session.execute(
        select(Sku.product_id, Sku.id, Sku.name, Sku.price_fen)
        .add_columns(StoreSku.price_fen, StoreSku.available, StoreSku.state)
        .join(StoreSku, StoreSku.sku_id == Sku.id)
        .where(StoreSku.store_id == store_id, StoreSku.state != ShelfState.off)
        .order_by(Sku.product_id, Sku.sort, Sku.id)
    )
    found: dict[int, list[MenuSku]] = defaultdict(list)
    for product_id, sku_id, name, price_fen, store_price_fen, available, state in rows:
        on = state == ShelfState.on and available != 0
        found[product_id].append(
            MenuSku(
                sku_id=sku_id,
                name=name,
                price_fen=price_fen if store_price_fen is None else store_price_fen,
                stock=available if on else 0,
                state="on" if on else "sold_out",
            )
        )
    return found


def _groups_by_product(session: Session, store_id: int) -> dict[int, list[MenuGroup]]:
    rows = session.execute(
        select(OptionGroup, Option)
        .join(Option, Option.group_id == OptionGroup.id)
        .where(OptionGroup.product_id.in_(_listed(store_id)))
        .order_by(OptionGroup.sort, OptionGroup.id, Option.sort, Option.id)
    )
    found: dict[int, list[MenuGroup]] = defaultdict(list)
    for group, option in rows:
        mine = found[group.product_id]
        if not mine or mine[-1].id != group.id:
            mine.append(MenuGroup(group.id, group.name, group.kind.value, group.min, group.max, []))
        mine[-1].options.append(
            MenuOption(option.id, option.name, option.price_fen, option.state.value)
        )
    return found
