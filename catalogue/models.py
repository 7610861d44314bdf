"""Tables of the catalogue."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base, Code, Id, State


class ProductKind(StrEnum):
    drink = "drink"
    food = "food"


class ProductState(StrEnum):
    on = "on"
    off = "off"


class GroupKind(StrEnum):
    single = "single"
    multiple = "multiple"


class OptionState(StrEnum):
    on = "on"
    sold_out = "sold_out"


class ShelfState(StrEnum):
    """Of a SKU in one store: sold, shown as sold out, or not shown."""

    on = "on"
    sold_out = "sold_out"
    off = "off"


class HoldState(StrEnum):
    held = "held"
    sold = "sold"
    returned = "returned"


NEXT = {
    HoldState.held: {HoldState.sold, HoldState.returned},
    HoldState.sold: {HoldState.returned},
    HoldState.returned: set(),
}


class EntryKind(StrEnum):
    adjusted = "adjusted"
    held = "held"
    returned = "returned"


class Category(Base):
    __tablename__ = "categories"
    __table_args__ = (UniqueConstraint("merchant_id", "name"),)

    id: Mapped[Id]
    merchant_id: Mapped[int] = mapped_column(ForeignKey("merchants.id"))
    name: Mapped[str] = mapped_column(String(32))
    sort: Mapped[int] = mapped_column(default=0)


class Product(Base):
    __tablename__ = "products"
    __table_args__ = (
        Index(None, "category_id", "state", "sort"),
        Index(None, "merchant_id", "state"),
    )

    id: Mapped[Id]
    merchant_id: Mapped[int] = mapped_column(ForeignKey("merchants.id"))
    category_id: Mapped[int] = mapped_column(ForeignKey("categories.id"))
    name: Mapped[str] = mapped_column(String(64))
    description: Mapped[str] = mapped_column(default="")
    image: Mapped[str] = mapped_column(default="")
    kind: Mapped[ProductKind] = mapped_column(State(ProductKind), default=ProductKind.drink)
    state: Mapped[ProductState] = mapped_column(State(ProductState), default=ProductState.on)
    sort: Mapped[int] = mapped_column(default=0)
    badges: Mapped[list[str]] = mapped_column(default=list)


class Sku(Base):
    """What is counted and priced; a product has one or several.

    `cost_fen` None: nobody has said.
    """

    __tablename__ = "skus"
    __table_args__ = (
        UniqueConstraint("product_id", "name"),
        CheckConstraint("price_fen >= 0", name="price"),
        CheckConstraint("cost_fen >= 0", name="cost"),
    )

    id: Mapped[Id]
    product_id: Mapped[int] = mapped_column(ForeignKey("products.id"))
    name: Mapped[str] = mapped_column(String(32), default="")
    price_fen: Mapped[int]
    cost_fen: Mapped[int | None]
    sort: Mapped[int] = mapped_column(default=0)


class OptionGroup(Base):
    """`single` with min 1: exactly one; otherwise between `min` and `max` different options."""

    __tablename__ = "option_groups"
    __table_args__ = (UniqueConstraint("product_id", "name"),)

    id: Mapped[Id]
    product_id: Mapped[int] = mapped_column(ForeignKey("products.id"))
    name: Mapped[str] = mapped_column(String(32))
    kind: Mapped[GroupKind] = mapped_column(State(GroupKind), default=GroupKind.single)
    min: Mapped[int] = mapped_column(default=1)
    max: Mapped[int] = mapped_column(default=1)
    sort: Mapped[int] = mapped_column(default=0)


class Option(Base):
    """`cost_fen` None: nobody has said; of an option without a price that is nothing."""

    __tablename__ = "options"
    __table_args__ = (
        UniqueConstraint("group_id", "name"),
        CheckConstraint("price_fen >= 0", name="price"),
        CheckConstraint("cost_fen >= 0", name="cost"),
    )

    id: Mapped[Id]
    group_id: Mapped[int] = mapped_column(ForeignKey("option_groups.id"))
    name: Mapped[str] = mapped_column(String(32))
    price_fen: Mapped[int] = mapped_column(default=0)
    cost_fen: Mapped[int | None]
    state: Mapped[OptionState] = mapped_column(State(OptionState), default=OptionState.on)
    sort: Mapped[int] = mapped_column(default=0)


class StoreSku(Base):
    """A SKU in one store; without a row the store does not sell it.

    `available` None: not counted. `price_fen` None: the SKU's own price.
    """

    __tablename__ = "store_skus"
    __table_args__ = (
        UniqueConstraint("store_id", "sku_id"),
        CheckConstraint("available >= 0", name="available"),
    )

    id: Mapped[Id]
    store_id: Mapped[int] = mapped_column(ForeignKey("stores.id"))
    sku_id: Mapped[int] = mapped_column(ForeignKey("skus.id"), index=True)
    available: Mapped[int | None]
    state: Mapped[ShelfState] = mapped_column(State(ShelfState), default=ShelfState.on)
    price_fen: Mapped[int | None]


class StockHold(Base):
    """What one order took. `counted`: it was subtracted from `available`, so it can go back.

    `returned`: the pieces that are back already; a hold of which all are is returned itself.
    """

    __tablename__ = "stock_holds"
    __table_args__ = (
        UniqueConstraint("order_id", "sku_id"),
        CheckConstraint("quantity > 0", name="quantity"),
        CheckConstraint("returned >= 0 AND returned <= quantity", name="returned"),
    )

    id: Mapped[Id]
    order_id: Mapped[int] = mapped_column(ForeignKey("orders.id"))
    store_id: Mapped[int] = mapped_column(ForeignKey("stores.id"))
    sku_id: Mapped[int] = mapped_column(ForeignKey("skus.id"))
    quantity: Mapped[int]
    returned: Mapped[int] = mapped_column(default=0)
    counted: Mapped[bool]
    state: Mapped[HoldState] = mapped_column(State(HoldState), default=HoldState.held)


class StockEntry(Base):
    """One change of a counted stock; never edited.

    Of an order and SKU at most one of each kind and `place`: how many pieces were back before it.
    """

    __tablename__ = "stock_entries"
    __table_args__ = (
        UniqueConstraint("order_id", "sku_id", "kind", "place"),
        Index(None, "store_id", "sku_id", "at"),
    )

    id: Mapped[Id]
    store_id: Mapped[int] = mapped_column(ForeignKey("stores.id"))
    sku_id: Mapped[int] = mapped_column(ForeignKey("skus.id"))
    order_id: Mapped[int | None] = mapped_column(ForeignKey("orders.id"))
    kind: Mapped[EntryKind] = mapped_column(State(EntryKind))
    place: Mapped[int] = mapped_column(default=0)
    change: Mapped[int]
    actor: Mapped[str] = mapped_column(Code(64))
    reason: Mapped[str] = mapped_column(default="")
    at: Mapped[datetime]
