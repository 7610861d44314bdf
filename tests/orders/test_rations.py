"""Timed prices for so many pieces: who gets them, what the rest cost, and what comes back, once."""

from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from coupons.models import Promotion, PromotionKind
from coupons.rationing import Limits, PromotionTake, PromotionUnits
from coupons.taking import Line
from orders import cancelling, paying
from orders.amounts import price_cart
from orders.models import OrderDiscount
from orders.quoting import quote
from orders.rules import PromotionRule, Ration
from tests.factories.coupons import make_promotion
from tests.orders.shop import Shop, open_shop


def timed(id_: int, off_bp: int, **left: Any) -> PromotionRule:
    ration = None
    if left:
        of_sku, of_member = left.get("of_sku", {}), left.get("of_member")
        ration = Ration(Limits(id_, 5, 2), of_sku, of_member)
    return PromotionRule(
        id=id_, name=f"特价 {id_}", kind=PromotionKind.price, off_bp=off_bp, ration=ration
    )


def test_each_piece_costs_the_lowest_that_is_left_for_it() -> None:
    lines = [Line(1, 6_000, 3, 2_000, sku_id=7), Line(1, 4_000, 2, 2_000, sku_id=7)]
    half, fifth = timed(1, 5_000, of_sku={7: 4}), timed(2, 2_000)

    price = price_cart(lines, [fifth, half])

    assert [(d.id, d.per_line, d.pieces) for d in price.discounts] == [
        (1, (3_000, 1_000), ((7, 4),)),
        (2, (0, 400), ()),
    ]
    assert price.payable_fen == 10_000 - 4_400


def test_a_members_pieces_are_counted_over_all_goods_and_what_is_gone_says_so() -> None:
    lines = [Line(1, 2_000, 1, 2_000, sku_id=7), Line(2, 2_000, 1, 2_000, sku_id=8)]
    assert price_cart(lines, [timed(1, 5_000, of_member=1)]).payable_fen == 3_000
    over = price_cart(lines, [timed(1, 5_000, of_member=0)]).rejected
    sold = price_cart(lines, [timed(1, 5_000, of_sku={7: 0, 8: 0})]).rejected
    assert [each.reason for each in over] == ["每人限 2 件，你已经买够了"]
    assert [each.reason for each in sold] == ["特价的已经抢完了"]


def half_price(session: Session, shop: Shop, **limits: int) -> Promotion:
    return make_promotion(
        session, shop.merchant, kind=PromotionKind.price, steps=[], off_bp=5_000, **limits
    )


def pieces_taken(session: Session) -> dict[str, int]:
    found = session.execute(select(PromotionUnits.subject, PromotionUnits.used)).all()
    return {subject.partition(":")[0]: used for subject, used in found}


def test_a_cancelled_order_gives_its_pieces_back_once(session: Session, now: datetime) -> None:
    shop = open_shop(session)
    half_price(session, shop, pieces_each=3, pieces_per_member=2)

    order = shop.place(now, 4)

    assert order.payable_fen == 2 * 2_200 + 2 * 1_100
    assert pieces_taken(session) == {"member": 2, "sku": 2}
    (said,) = session.scalars(select(OrderDiscount.reason)).all()
    assert said.endswith("每种限 3 件，每人限 2 件，这一单 2 件")
    assert quote(session, shop.cart(), shop.member, now).price.payable_fen == 2_200

    assert cancelling.cancel(session, order, actor="system", reason="没付款", now=now)
    cancelling.give_rations_back(session, order, now)  # a repeat
    assert pieces_taken(session) == {"member": 0, "sku": 0}
    assert quote(session, shop.cart(), shop.member, now).price.payable_fen == 1_100


def test_what_is_refunded_whole_can_be_bought_again(session: Session, now: datetime) -> None:
    shop = open_shop(session)
    half_price(session, shop, pieces_each=1)
    order = shop.place(now)
    assert paying.mark_paid(session, order, amount_fen=order.payable_fen, now=now)
    assert paying.record_refund(session, order, 100, now)
    assert pieces_taken(session) == {"sku": 1}  # a part of the money is no piece

    assert paying.record_refund(session, order, order.payable_fen - 100, now)
    assert pieces_taken(session) == {"sku": 0}
    (take,) = session.scalars(select(PromotionTake)).all()
    assert take.returned_at == now
