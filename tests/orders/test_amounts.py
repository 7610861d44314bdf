"""The price engine, for any cart, promotions and coupons."""

from hypothesis import given
from hypothesis import strategies as st

from coupons.amounts import Worth
from coupons.models import CouponKind
from orders.amounts import (
    CouponRule,
    Line,
    Price,
    PromotionRule,
    best_coupon,
    price_cart,
    try_coupons,
)

FEN = st.integers(0, 50_000)
LINES = st.lists(st.builds(Line, st.integers(1, 4), FEN), min_size=1, max_size=8)
PROMOTIONS = st.lists(
    st.builds(
        lambda id_, threshold, off: PromotionRule(id_, "满减", threshold, min(off, threshold)),
        st.integers(1, 99),
        st.integers(1, 60_000),
        st.integers(1, 60_000),
    ),
    max_size=4,
    unique_by=lambda rule: rule.id,
)
WORTHS = st.one_of(
    st.builds(Worth, st.just(CouponKind.amount), face_fen=FEN, min_spend_fen=FEN),
    st.builds(
        Worth,
        st.just(CouponKind.percent),
        off_bp=st.integers(0, 10_000),
        cap_fen=st.none() | FEN,
        min_spend_fen=FEN,
    ),
)
COUPONS = st.lists(
    st.builds(
        CouponRule,
        id=st.integers(1, 99),
        name=st.just("券"),
        worth=WORTHS,
        product_ids=st.none() | st.frozensets(st.integers(1, 5)),
        blocked=st.sampled_from(["", "", "只能在徐汇店用"]),
    ),
    max_size=6,
    unique_by=lambda rule: rule.id,
)


def check(price: Price, lines: list[Line]) -> None:
    assert price.goods_fen == sum(line.amount_fen for line in lines)
    assert 0 <= price.payable_fen <= price.goods_fen
    assert price.payable_fen == price.goods_fen - price.discount_fen
    for discount in price.discounts:
        assert sum(discount.per_line) == discount.amount_fen > 0
        assert min(discount.per_line) >= 0
    for line, off in zip(lines, price.line_discounts, strict=True):
        assert 0 <= off <= line.amount_fen


@given(LINES, PROMOTIONS, st.none() | COUPONS.filter(bool).map(lambda rules: rules[0]))
def test_no_line_goes_below_zero_and_all_parts_add_up(
    lines: list[Line], promotions: list[PromotionRule], coupon: CouponRule | None
) -> None:
    price = price_cart(lines, promotions, coupon)

    check(price, lines)
    rules = len(promotions) + (coupon is not None)
    assert len(price.discounts) + len(price.rejected) == rules
    assert all(rule.reason for rule in price.rejected)


@given(LINES, PROMOTIONS, COUPONS)
def test_the_best_coupon_is_the_best(
    lines: list[Line], promotions: list[PromotionRule], coupons: list[CouponRule]
) -> None:
    prices = try_coupons(lines, promotions, coupons)
    best = best_coupon(coupons, prices)

    alone = price_cart(lines, promotions).payable_fen
    lowest = min([alone, *(price.payable_fen for price in prices.values())])
    assert (prices[best.id].payable_fen if best else alone) == lowest
    assert best is None or (best.blocked == "" and lowest < alone)


@given(LINES, PROMOTIONS, COUPONS.filter(bool))
def test_one_more_coupon_never_makes_it_dearer(
    lines: list[Line], promotions: list[PromotionRule], coupons: list[CouponRule]
) -> None:
    def lowest(rules: list[CouponRule]) -> int:
        prices = try_coupons(lines, promotions, rules)
        best = best_coupon(rules, prices)
        return prices[best.id].payable_fen if best else price_cart(lines, promotions).payable_fen

    assert lowest(coupons) <= lowest(coupons[1:])


@given(LINES, PROMOTIONS.filter(bool))
def test_one_more_promotion_never_makes_it_dearer(
    lines: list[Line], promotions: list[PromotionRule]
) -> None:
    more = price_cart(lines, promotions).payable_fen

    assert more <= price_cart(lines, promotions[1:]).payable_fen


@given(LINES, PROMOTIONS, FEN, FEN)
def test_a_larger_face_never_makes_it_dearer(
    lines: list[Line], promotions: list[PromotionRule], face: int, more: int
) -> None:
    small = CouponRule(1, "券", Worth(CouponKind.amount, face_fen=face))
    large = CouponRule(1, "券", Worth(CouponKind.amount, face_fen=face + more))

    cheaper = price_cart(lines, promotions, large).payable_fen
    assert cheaper <= price_cart(lines, promotions, small).payable_fen


def test_the_cart_of_the_drawings() -> None:
    """81 − 5 − 8: the screen that the mini-program shows."""
    lines = [Line(1, 4400), Line(2, 2000), Line(3, 1700)]
    promotions = [
        PromotionRule(1, "满 40 减 5", 4000, 500),
        PromotionRule(2, "满 99 减 15", 9900, 1500),
    ]
    coupon = CouponRule(7, "满 65 减 8", Worth(CouponKind.amount, face_fen=800, min_spend_fen=6500))

    price = price_cart(lines, promotions, coupon)

    assert price.payable_fen == 6800
    assert [(d.name, d.amount_fen, d.per_line) for d in price.discounts] == [
        ("满 40 减 5", 500, (272, 123, 105)),
        ("满 65 减 8", 800, (434, 198, 168)),
    ]
    assert [(r.name, r.reason, r.missing_fen) for r in price.rejected] == [
        ("满 99 减 15", "还差 ¥18", 1800)
    ]


def test_the_threshold_of_a_coupon_counts_after_the_promotion() -> None:
    lines = [Line(1, 6600)]
    promotions = [PromotionRule(1, "满 40 减 5", 4000, 500)]
    coupon = CouponRule(7, "券", Worth(CouponKind.amount, face_fen=800, min_spend_fen=6500))

    price = price_cart(lines, promotions, coupon)

    assert price.payable_fen == 6100
    assert [(r.reason, r.missing_fen) for r in price.rejected] == [("还差 ¥4 可用", 400)]


def test_a_coupon_for_some_goods_falls_on_those_alone() -> None:
    lines = [Line(1, 1000), Line(2, 3000)]
    worth = Worth(CouponKind.percent, off_bp=5000)

    price = price_cart(lines, [], CouponRule(7, "半价", worth, product_ids=frozenset({2})))
    unfit = price_cart(lines, [], CouponRule(7, "半价", worth, product_ids=frozenset({9})))

    assert price.line_discounts == (0, 1500)
    assert [(r.reason, r.missing_fen) for r in unfit.rejected] == [
        ("购物袋里没有这张券指定的商品", None)
    ]
