"""What a cart costs, and why."""

from flask import g, request

from catalogue.pricing import Item, PricedItem
from core import limits
from core.clock import now as clock_now
from core.database import reading
from orders.models import Fulfilment
from orders.quoting import Cart, Quote, quote
from wxapp_api.access import member
from wxapp_api.blueprints import MEMBER, make_blueprint
from wxapp_api.schemas.quotes import (
    BestCoupon,
    CartIn,
    ChosenOption,
    CouponChoice,
    DiscountOut,
    LineOut,
    PointsOut,
    QuoteOut,
    RejectedOut,
)

blueprint = make_blueprint("quotes", "算价")


@blueprint.post("/quotes", responses={200: QuoteOut}, security=MEMBER)
@member
def make_quote(body: CartIn) -> QuoteOut:
    """Price a cart line by line; reserves nothing."""
    limits.check(
        "quotes", ip=request.remote_addr, member=g.member.id, merchant=g.member.merchant_id
    )
    with reading() as session:
        found = quote(session, read_cart(body), g.member, clock_now())
        return quote_out(found, g.member.balance_fen)


def read_cart(body: CartIn) -> Cart:
    coupon_id = body.coupon_id
    return Cart(
        store_id=int(body.store_id),
        fulfilment=Fulfilment(body.fulfilment),
        items=tuple(
            Item(int(item.sku_id), item.quantity, tuple(sorted(map(int, item.options))))
            for item in body.items
        ),
        coupon_id=int(coupon_id) if coupon_id and coupon_id != "best" else coupon_id,  # type: ignore[arg-type]
        table_code=body.table_code,
        coupon_ids=tuple(sorted(map(int, body.coupon_ids))),
        points=body.points,
    )


def quote_out(found: Quote, balance_fen: int) -> QuoteOut:
    price = found.price
    return QuoteOut(
        store_id=str(found.store.id),
        fulfilment=found.fulfilment.value,
        items=[
            line_out(item, off) for item, off in zip(found.items, price.line_discounts, strict=True)
        ],
        discounts=[
            DiscountOut(
                kind=each.kind,
                id=str(each.id),
                name=each.name,
                reason=each.reason,
                amount_fen=each.amount_fen,
                lines=list(each.per_line),
            )
            for each in price.discounts
        ],
        rejected=[RejectedOut.model_validate(rule) for rule in found.rejected],
        coupons=[CouponChoice.model_validate(choice) for choice in found.choices],
        best_coupon=BestCoupon.model_validate(found.best[0]) if found.best else None,
        best_coupon_ids=[str(each.id) for each in found.best],
        best_saved_fen=found.best_saved_fen,
        coupon_id=str(found.coupon_id) if found.coupon_id else None,
        coupon_ids=[str(each.id) for each in found.coupons],
        goods_fen=price.goods_fen,
        discount_fen=price.discount_fen,
        payable_fen=price.payable_fen,
        points=PointsOut.model_validate(found.points),
        balance_fen=balance_fen,
        wait_minutes=found.store.prep_minutes,
        store_open=found.store_open,
    )


def line_out(item: PricedItem, discount_fen: int) -> LineOut:
    return LineOut(
        sku_id=str(item.sku_id),
        product_id=str(item.product_id),
        name=item.name,
        sku_name=item.sku_name,
        image=item.image,
        options=[ChosenOption.model_validate(option) for option in item.options],
        options_text=item.options_text,
        quantity=item.quantity,
        unit_fen=item.unit_fen,
        amount_fen=item.amount_fen,
        discount_fen=discount_fen,
        payable_fen=item.amount_fen - discount_fen,
    )
