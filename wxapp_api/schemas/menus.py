"""A store's menu."""

from typing import Literal

from pydantic import Field

from wxapp_api.schemas.common import Fen, IdOut, Out


class SkuOut(Out):
    sku_id: IdOut
    name: str = Field(description="empty where the product has only one")
    price_fen: Fen
    sale_fen: int | None = Field(None, description="the timed price that holds now, options apart")
    stock: int | None = Field(description="null: unlimited")
    state: Literal["on", "sold_out"]


class OptionOut(Out):
    id: IdOut
    name: str
    price_fen: Fen
    state: Literal["on", "sold_out"]


class OptionGroupOut(Out):
    """`single`: exactly one when min is 1. `multiple`: between min and max, each at most once."""

    id: IdOut
    name: str
    kind: Literal["single", "multiple"]
    min: int
    max: int
    options: list[OptionOut]


class ProductOut(Out):
    id: IdOut
    name: str
    description: str
    image: str
    kind: str
    badges: list[str]
    price_fen: Fen = Field(description="of the cheapest SKU")
    sale_fen: int | None = Field(None, description="the same at the timed price that holds now")
    offers: list[str] = Field([], description="what else it takes part in now: 第 2 件半价")
    state: Literal["on", "sold_out"]
    skus: list[SkuOut]
    option_groups: list[OptionGroupOut]


class CategoryOut(Out):
    id: IdOut
    name: str
    products: list[ProductOut]


class MenuOut(Out):
    store_id: IdOut
    categories: list[CategoryOut]
