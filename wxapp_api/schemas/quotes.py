"""Cart in, explained price out."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from wxapp_api.schemas.common import Fen, IdIn, IdOut, In, Out


class ItemIn(In):
    sku_id: IdIn
    quantity: int = Field(ge=1, le=99)
    options: list[IdIn] = Field(
        default_factory=list, max_length=20, description="option ids, in any order"
    )


class CartIn(In):
    """What both a quote and an order take."""

    store_id: IdIn
    fulfilment: Literal["pickup", "dine_in"]
    items: list[ItemIn] = Field(min_length=1, max_length=50)
    coupon_id: IdIn | Literal["best"] | None = Field(
        None, description='an id, none, or "best": the one that saves most'
    )
    coupon_ids: list[IdIn] = Field(
        default_factory=list,
        max_length=5,
        description="more coupons to use with it; one of a group, see the quote's coupons",
    )
    table_code: Annotated[str, StringConstraints(max_length=32)] | None = Field(
        None, description="dine_in only"
    )
    points: Annotated[int, Field(ge=0, le=10_000_000)] | Literal["most"] | None = Field(
        None, description='how many points to spend at most; "most": as many as may be'
    )


class PointsOut(Out):
    """What the member's points may do here; `used` is what payable_fen counts with."""

    most: int = Field(description="how many this order takes")
    most_fen: Fen = Field(description="what those take off")
    used: int


class ChosenOption(Out):
    id: IdOut
    group: str
    name: str
    price_fen: Fen


class LineOut(Out):
    """`amount_fen` = `unit_fen` × `quantity`; `payable_fen` = `amount_fen` − `discount_fen`."""

    sku_id: IdOut | None = Field(description="null: not goods")
    product_id: IdOut | None
    name: str
    sku_name: str
    image: str
    options: list[ChosenOption]
    options_text: str = Field(description="中杯 / 少冰 / 七分糖")
    quantity: int
    unit_fen: Fen = Field(description="SKU and options")
    amount_fen: Fen
    discount_fen: Fen
    payable_fen: Fen


class DiscountOut(Out):
    kind: Literal["promotion", "tier", "coupon", "points"]
    id: IdOut
    name: str
    reason: str = Field(description="满 40 减 5")
    amount_fen: Fen
    lines: list[int] = Field(description="fen per line, same order; they add up to amount_fen")


class RejectedOut(Out):
    kind: Literal["promotion", "tier", "coupon"]
    id: IdOut
    name: str
    reason: str = Field(description="还差 ¥6")
    missing_fen: int | None = Field(
        ge=1, description="spend this much more and it applies; null: money is not what is missing"
    )


class CouponChoice(Out):
    """A row of the coupon picker."""

    id: IdOut
    name: str
    usable: bool
    discount_fen: Fen = Field(description="what it would take off this cart")
    reason: str = Field(description="why not, when it is not usable")
    group: str = Field(description="of one group only one coupon can be used in an order")
    exclusive: bool = Field(description="goes with no other discount")


class BestCoupon(Out):
    id: IdOut
    name: str
    discount_fen: Fen


class QuoteOut(Out):
    store_id: IdOut
    fulfilment: Literal["pickup", "dine_in"]
    items: list[LineOut]
    discounts: list[DiscountOut]
    rejected: list[RejectedOut]
    coupons: list[CouponChoice]
    best_coupon: BestCoupon | None = Field(description="of the best ones what saves most")
    best_coupon_ids: list[str] = Field(description="the coupons that save most together")
    best_saved_fen: Fen = Field(description="what these take off")
    coupon_id: IdOut | None = Field(description="the first coupon that payable_fen counts with")
    coupon_ids: list[str] = Field(description="all of them")
    goods_fen: Fen
    discount_fen: Fen
    payable_fen: Fen
    currency: Literal["CNY"] = "CNY"
    points: PointsOut
    balance_fen: Fen = Field(description="stored value of the member, which may pay it too")
    wait_minutes: int
    store_open: bool = Field(description="false: the cart can be priced but not ordered")
