"""What cart lines cost in a store: SKU price, options' prices, and whether they may be combined."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
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
    """A cart line with its price; `unit_fen` is the SKU and its options."""

    sku_id: int
    product_id: int
    name: str
    sku_name: str
    image: str
    options: tuple[PricedOption, ...]
    quantity: int
    unit_fen: int

    @property
    def amount_fen(self) -> int:
        return self.unit_fen * self.quantity

    @property
    def options_text(self) -> str:
        names = [self.sku_name] if self.sku_name else []
        return " / ".join(names + [option.name for option in self.options])


@dataclass(frozen=True)
class _Goods:
    product: Product
    sku: Sku
    shelf: StoreSku


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
    groups = _load_groups(session, {found.product.id for found in goods.values()})
    priced: list[PricedItem] = []
    errors: dict[str, str] = {}
    for i, item in enumerate(items):
        found = goods[item.sku_id]
        try:
            options = choose(groups[found.product.id], item.option_ids)
        except ValueError as error:
            errors[f"items.{i}.options"] = f"{found.product.name}：{error}"
            continue
        priced.append(_priced(found, item.quantity, options))
    if errors:
        raise BadItem(next(iter(errors.values())), errors=errors)
    return priced


Groups = list[tuple[OptionGroup, list[Option]]]


def choose(groups: Groups, option_ids: Sequence[int]) -> tuple[PricedOption, ...]:
    """The chosen options in menu order. Raises ValueError with the reason in words."""
    if len(set(option_ids)) != len(option_ids):
        raise ValueError("同一个选项选了两次")
    wanted = set(option_ids)
    chosen: list[PricedOption] = []
    for group, options in groups:
        mine = [option for option in options if option.id in wanted]
        wanted -= {option.id for option in mine}
        most = 1 if group.kind == GroupKind.single else group.max
        if len(mine) < group.min:
            raise ValueError(f"「{group.name}」要选 {group.min} 项")
        if len(mine) > most:
            raise ValueError(f"「{group.name}」最多选 {most} 项")
        for option in mine:
            if option.state != OptionState.on:
                raise ValueError(f"「{option.name}」卖完了，换一个")
            chosen.append(PricedOption(option.id, group.name, option.name, option.price_fen))
    if wanted:
        raise ValueError("有不属于它的选项")
    return tuple(chosen)


def _load_goods(session: Session, store_id: int, sku_ids: set[int]) -> dict[int, _Goods]:
    rows = session.execute(
        select(Product, Sku, StoreSku)
        .join(Sku, Sku.product_id == Product.id)
        .join(StoreSku, StoreSku.sku_id == Sku.id)
        .where(StoreSku.store_id == store_id, StoreSku.sku_id.in_(sku_ids))
    ).all()
    return {sku.id: _Goods(product, sku, shelf) for product, sku, shelf in rows}


def _load_groups(session: Session, product_ids: set[int]) -> dict[int, Groups]:
    rows = session.execute(
        select(OptionGroup, Option)
        .join(Option, Option.group_id == OptionGroup.id)
        .where(OptionGroup.product_id.in_(product_ids))
        .order_by(OptionGroup.sort, OptionGroup.id, Option.sort, Option.id)
    ).all()
    groups: dict[int, Groups] = defaultdict(list)
    for group, option in rows:
        mine = groups[group.product_id]
        if not mine or mine[-1][0] is not group:
            mine.append((group, []))
        mine[-1][1].append(option)
    return groups


def _check_shelf(goods: dict[int, _Goods], items: Sequence[Item]) -> None:
    wanted: Counter[int] = Counter()
    for item in items:
        wanted[item.sku_id] += item.quantity
    for sku_id, quantity in wanted.items():
        found = goods[sku_id]
        name = found.product.name
        if found.product.state != ProductState.on or found.shelf.state == ShelfState.off:
            raise NotOnSale(f"{name}下架了，换一样吧", sku_id=str(sku_id))
        if found.shelf.state == ShelfState.sold_out:
            raise OutOfStock(name, sku_id, 0)
        if found.shelf.available is not None and found.shelf.available < quantity:
            raise OutOfStock(name, sku_id, found.shelf.available)


def _priced(found: _Goods, quantity: int, options: tuple[PricedOption, ...]) -> PricedItem:
    base = found.sku.price_fen if found.shelf.price_fen is None else found.shelf.price_fen
    return PricedItem(
        sku_id=found.sku.id,
        product_id=found.product.id,
        name=found.product.name,
        sku_name=found.sku.name,
        image=found.product.image,
        options=options,
        quantity=quantity,
        unit_fen=base + sum(option.price_fen for option in options),
    )
