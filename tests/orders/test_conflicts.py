"""Offers that meet are found before they are saved; those that never meet are not talked about."""

from datetime import timedelta
from typing import Any

import pytest

from catalogue.goods import Good
from coupons.models import CouponKind, CouponTemplate, Promotion, PromotionKind, StackGroup
from orders.conflicts import Meeting, Offer, find, meet, of_promotion, of_template
from tests.conftest import NOW

TEA = Good(1, "桂花乌龙", 10, "纯茶", 1_200)
CAKE = Good(2, "巴斯克蛋糕", 20, "小食", 1_800)
GOODS = [TEA, CAKE]


def promotion(id_: int, kind: PromotionKind = PromotionKind.spend, **values: Any) -> Offer:
    defaults: dict[str, Any] = {
        "name": f"促销 {id_}",
        "steps": [[3_000, 300]] if kind is PromotionKind.spend else [],
        "stack_group": StackGroup.promotion,
        "starts_at": NOW,
    }
    return of_promotion(Promotion(id=id_, kind=kind, **(defaults | values)))


def coupon(id_: int, kind: CouponKind = CouponKind.amount, **values: Any) -> Offer:
    defaults: dict[str, Any] = {
        "face_fen": 0,
        "off_bp": 0,
        "min_spend_fen": 0,
        "pay_fen": 0,
        "nth": 0,
        "stack_group": StackGroup.coupon,
        "exclusive": False,
    }
    template = CouponTemplate(id=id_, name=f"券 {id_}", kind=kind, **(defaults | values))
    return of_template(template, NOW)


def timed(id_: int, **values: Any) -> Offer:
    return promotion(id_, PromotionKind.price, **({"off_bp": 2_000} | values))


@pytest.mark.parametrize(
    ("mine", "theirs"),
    [
        ({"store_ids": [1]}, {"store_ids": [2]}),
        ({"product_ids": [1]}, {"category_ids": [20]}),
        ({"weekdays": [0, 1]}, {"weekdays": [2]}),
        (
            {"from_minute": 600, "until_minute": 720},
            {"from_minute": 720, "until_minute": 780},
        ),
        (
            {"weekdays": [0], "from_minute": 1_320, "until_minute": 120},
            {"weekdays": [1], "from_minute": 120, "until_minute": 600},
        ),
        ({"ends_at": NOW + timedelta(days=1)}, {"starts_at": NOW + timedelta(days=1)}),
    ],
)
def test_they_never_meet(mine: dict[str, Any], theirs: dict[str, Any]) -> None:
    assert meet(timed(1, **mine), timed(2, **theirs), GOODS) == []
    assert meet(timed(2, **theirs), timed(1, **mine), GOODS) == []


def test_they_meet_after_midnight_and_in_the_goods_that_both_name() -> None:
    night = timed(1, weekdays=[6], from_minute=1_320, until_minute=120)
    morning = timed(2, weekdays=[0], from_minute=60, until_minute=300, product_ids=[1, 2])
    cakes = timed(3, category_ids=[20])

    assert meet(night, morning, GOODS) == GOODS
    assert meet(morning, cakes, GOODS) == [CAKE]
    assert meet(night, night, GOODS) == []  # itself


def test_two_timed_prices_and_two_of_a_group_say_which_one_counts() -> None:
    found = find(timed(1, product_ids=[1]), [timed(2), promotion(3)], GOODS)
    assert found == [
        Meeting(
            "「促销 2」同时也给「桂花乌龙」打折，一件商品只算更低的那个价",
            True,
            (("promotion", 2),),
        )
    ]
    found = find(promotion(1), [promotion(2), promotion(3, stack_group=StackGroup.goods)], GOODS)
    assert [(each.text[:11], each.severe) for each in found] == [("和「促销 2」是二选一", False)]


def test_together_they_may_sell_for_less_than_half() -> None:
    half = promotion(
        1, PromotionKind.nth, nth=2, off_bp=5_000, category_ids=[10], stack_group=StackGroup.goods
    )
    gift = coupon(7, face_fen=800, min_spend_fen=1_800)

    found = find(half, [gift], GOODS)

    assert [each.severe for each in found] == [True]
    assert found[0].others == (("coupon", 7),)
    text = "「促销 1」、「券 7」一起用时，买 2 件「桂花乌龙」每件合 ¥5.00，只有原价的 4.2 折"
    assert found[0].text == text
    assert find(gift, [half], GOODS)[0].text == text  # whichever is being written
    alone = coupon(9, CouponKind.percent, off_bp=9_000)  # by itself already, which is meant
    card = coupon(10, face_fen=2_000, uses_total=5)  # paid for before
    assert find(half, [alone, card], GOODS) == []
    exclusive = coupon(8, face_fen=800, min_spend_fen=1_800, exclusive=True)
    assert find(half, [exclusive], GOODS) == []


def test_a_free_piece_is_meant_to_be_free() -> None:
    free = coupon(7, CouponKind.exchange, product_ids=[1], stack_group=StackGroup.extra)

    assert find(free, [promotion(1)], GOODS) == []
    assert find(promotion(1), [free], GOODS) == []


def test_the_floor_is_the_merchants_own() -> None:
    """¥12 of tea at 8 折 with ¥3 off is 5.5 折: above half, below six tenths."""
    timed_price = timed(1, product_ids=[TEA.id], off_bp=2_000)
    off = coupon(2, face_fen=300)
    assert find(timed_price, [off], GOODS) == []
    (meeting,) = find(timed_price, [off], GOODS, 6_000)
    assert meeting.text.endswith("每件合 ¥6.60，只有原价的 5.5 折")
