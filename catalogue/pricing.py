"""What cart lines cost in a store: SKU price, options' prices, and whether they may be combined."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from operator import attrgetter
from typing import Any, NamedTuple

from sqlalchemy import Select, bindparam, select
from sqlalchemy.orm import Session

from catalogue.errors import BadItem, NotOnSale, OutOfStock
from catalogue.models import (
    GroupKind,
    Option,
    OptionGroup,
    OptionState,
    Product,
    ProductState,
    ShelfState,
    Sku,
    StoreSku,
)
from core import rows, statements


@dataclass(frozen=True)
class Item:
    """A cart line as asked for."""

    sku_id: int
    quantity: int
    option_ids: tuple[int, ...] = ()


@dataclass(frozen=True)
class PricedOption:
    id: int
    group: str
    name: str
    price_fen: int


@dataclass(frozen=True)
class PricedItem:
    """A cart line with its price; `unit_fen` is the SKU, `base_fen`, and its options."""

    sku_id: int
    product_id: int
    category_id: int
    name: str
    sku_name: str
    image: str
    options: tuple[PricedOption, ...]
    quantity: int
    base_fen: int
    unit_fen: int

    @property
    def amount_fen(self) -> int:
        return self.unit_fen * self.quantity

    @property
    def options_text(self) -> str:
        names = [self.sku_name] if self.sku_name else []
        return " / ".join(names + [option.name for option in self.options])


class _Goods(NamedTuple):
    """A SKU on a store's shelf; `shelf_price_fen` overrides the SKU's own price."""

    sku_id: int
    sku_name: str
    price_fen: int
    product_id: int
    category_id: int
    name: str
    image: str
    product_state: ProductState
    shelf_state: ShelfState
    shelf_price_fen: int | None
    available: int | None


class _Offered(NamedTuple):
    """An option with its group."""

    product_id: int
    group_id: int
    group: str
    kind: GroupKind
    min: int
    max: int
    id: int
    name: str
    price_fen: int
    state: OptionState


def price_items(session: Session, store_id: int, items: Sequence[Item]) -> list[PricedItem]:
    """Price every line, in two queries whatever their number.

    Raises BadItem (unknown SKU or options that do not fit, `errors` per line), NotOnSale or
    OutOfStock. Nothing is reserved: `stock.hold` decides.
    """
    goods = _load_goods(session, store_id, {item.sku_id for item in items})
    unknown = {
        f"items.{i}.sku_id": "这家店没有这个商品"
        for i, item in enumerate(items)
        if item.sku_id not in goods
    }
    if unknown:
        raise BadItem("有商品不在这家店的菜单里", errors=unknown)
    _check_shelf(goods, items)
    offered = _load_options(session, {found.product_id for found in goods.values()})
    priced: list[PricedItem] = []
    errors: dict[str, str] = {}
    for i, item in enumerate(items):
        found = goods[item.sku_id]
        try:
            options = _choose(offered[found.product_id], item.option_ids)
        except ValueError as error:
            errors[f"items.{i}.options"] = f"{found.name}：{error}"
            continue
        priced.append(_priced(found, item.quantity, options))
    if errors:
        raise BadItem(next(iter(errors.values())), errors=errors)
    return priced


def _choose(offered: Sequence[_Offered], option_ids: Sequence[int]) -> tuple[PricedOption, ...]:
    """The chosen options in menu order. Raises ValueError with the reason in words."""
    if len(set(option_ids)) != len(option_ids):
        raise ValueError("同一个选项选了两次")
    wanted = set(option_ids)
    chosen: list[PricedOption] = []
    for _, several in groupby(offered, key=attrgetter("group_id")):
        options = list(several)
        group, mine = options[0], [option for option in options if option.id in wanted]
        wanted -= {option.id for option in mine}
        most = 1 if group.kind is GroupKind.single else group.max
        if len(mine) < group.min:
            raise ValueError(f"「{group.group}」要选 {group.min} 项")
        if len(mine) > most:
            raise ValueError(f"「{group.group}」最多选 {most} 项")
        for option in mine:
            if option.state is not OptionState.on:
                raise ValueError(f"「{option.name}」卖完了，换一个")
            chosen.append(PricedOption(option.id, option.group, option.name, option.price_fen))
    if wanted:
        raise ValueError("有不属于它的选项")
    return tuple(chosen)


def _load_goods(session: Session, store_id: int, sku_ids: set[int]) -> dict[int, _Goods]:
    given = {"store_id": store_id, **statements.numbered("sku", sku_ids)}
    found = statements.fetch(session, _Goods, _goods(len(sku_ids)), given) if sku_ids else []
    return {each.sku_id: each for each in found}


def _load_options(session: Session, product_ids: set[int]) -> dict[int, list[_Offered]]:
    given = statements.numbered("product", product_ids)
    offered: dict[int, list[_Offered]] = defaultdict(list)
    if product_ids:
        for option in statements.fetch(session, _Offered, _options(len(product_ids)), given):
            offered[option.product_id].append(option)
    return offered


@cache
def _goods(number: int) -> Select[Any]:
    product, sku, shelf = (rows.table_of(model) for model in (Product, Sku, StoreSku))
    return (
        select(sku.c.id, sku.c.name, sku.c.price_fen)
        .add_columns(product.c.id, product.c.category_id)
        .add_columns(product.c.name, product.c.image, product.c.state)
        .add_columns(shelf.c.state, shelf.c.price_fen, shelf.c.available)
        .select_from(shelf)
        .join(sku, sku.c.id == shelf.c.sku_id)
        .join(product, product.c.id == sku.c.product_id)
        .where(shelf.c.store_id == bindparam("store_id"))
        .where(statements.any_of(shelf.c.sku_id, "sku", number))
    )


@cache
def _options(number: int) -> Select[Any]:
    group, option = rows.table_of(OptionGroup), rows.table_of(Option)
    return (
        select(group.c.product_id, group.c.id, group.c.name, group.c.kind, group.c.min, group.c.max)
        .add_columns(option.c.id, option.c.name, option.c.price_fen, option.c.state)
        .select_from(group)
        .join(option, option.c.group_id == group.c.id)
        .where(statements.any_of(group.c.product_id, "product", number))
        .order_by(group.c.sort, group.c.id, option.c.sort, option.c.id)
    )


def _check_shelf(goods: dict[int, _Goods], items: Sequence[Item]) -> None:
    wanted: Counter[int] = Counter()
    for item in items:
        wanted[item.sku_id] += item.quantity
    for sku_id, quantity in wanted.items():
        found = goods[sku_id]
        if found.product_state != ProductState.on or found.shelf_state == ShelfState.off:
            raise NotOnSale(f"{found.name}下架了，换一样吧", sku_id=str(sku_id))
        if found.shelf_state == ShelfState.sold_out:
            raise OutOfStock(found.name, sku_id, 0)
        if found.available is not None and found.available < quantity:
            raise OutOfStock(found.name, sku_id, found.available)


def _priced(found: _Goods, quantity: int, options: tuple[PricedOption, ...]) -> PricedItem:
    base = found.price_fen if found.shelf_price_fen is None else found.shelf_price_fen
    return PricedItem(
        sku_id=found.sku_id,
        product_id=found.product_id,
        category_id=found.category_id,
        name=found.name,
        sku_name=found.sku_name,
        image=found.image,
        options=options,
        quantity=quantity,
        base_fen=base,
        unit_fen=base + sum(option.price_fen for option in options),
    )
