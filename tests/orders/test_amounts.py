"""The price engine, for any cart, promotions and coupons, and beside trying everything out."""

from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from coupons.amounts import Worth
from coupons.models import CouponKind, PromotionKind, StackGroup
from coupons.taking import Line
from orders.amounts import price_cart
from orders.rules import CouponRule, Price, PromotionRule

FEN = st.integers(0, 50_000)
SMALL = st.integers(0, 9_000)


@st.composite
def line(draw: st.DrawFn) -> Line:
    base, options = draw(SMALL), draw(st.sampled_from([0, 0, 200]))
    quantity, product = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    return Line(product, (base + options) * quantity, quantity, base, product % 2)


@st.composite
def promotion(draw: st.DrawFn) -> PromotionRule:
    kind = draw(st.sampled_from(PromotionKind))
    steps = ()
    if kind is PromotionKind.spend:
        reached = st.tuples(st.integers(1, 20_000), st.integers(1, 20_000))
        steps = draw(st.lists(reached.map(lambda s: (max(s), min(s))), min_size=1, max_size=2))
    if kind is PromotionKind.pieces:
        pieces = st.tuples(st.integers(1, 4), st.integers(1, 9_999))
        steps = draw(st.lists(pieces, min_size=1, max_size=2))
    return PromotionRule(
        id=draw(st.integers(1, 99)),
        name="促销",
        kind=kind,
        steps=tuple(steps),
        off_bp=draw(st.integers(1, 10_000)),
        price_fen=draw(st.none() | SMALL) if kind is PromotionKind.price else None,
        nth=draw(st.integers(2, 3)),
        product_ids=draw(st.none() | st.frozensets(st.integers(1, 4))),
        blocked=draw(st.sampled_from(["", "", "", "14:00–17:00 才有"])),
        group=draw(st.sampled_from([StackGroup.promotion, StackGroup.goods, StackGroup.coupon])),
    )


WORTHS = st.builds(
    Worth,
    st.sampled_from(CouponKind),
    face_fen=SMALL,
    off_bp=st.integers(0, 10_000),
    cap_fen=st.none() | FEN,
    min_spend_fen=st.just(0) | FEN,
    pay_fen=st.just(0) | SMALL,
    nth=st.integers(2, 3),
)
COUPON = st.builds(
    CouponRule,
    id=st.integers(1, 99),
    name=st.just("券"),
    worth=WORTHS,
    product_ids=st.none() | st.frozensets(st.integers(1, 4)),
    category_ids=st.none() | st.frozensets(st.integers(0, 1)),
    blocked=st.sampled_from(["", "", "", "只能在徐汇店用"]),
    group=st.sampled_from([StackGroup.promotion, StackGroup.coupon, StackGroup.extra]),
    exclusive=st.sampled_from([False, False, False, True]),
)
LINES = st.lists(line(), min_size=1, max_size=5)
PROMOTIONS = st.lists(promotion(), max_size=4, unique_by=lambda rule: rule.id)
COUPONS = st.lists(COUPON, max_size=5, unique_by=lambda rule: rule.id)
FEE = st.sampled_from([0, 0, 500])


def check(price: Price, lines: list[Line]) -> None:
    assert price.goods_fen == sum(line.amount_fen for line in lines)
    assert 0 <= price.payable_fen <= price.goods_fen + price.delivery_fee_fen
    assert sum(price.line_discounts) + sum(d.delivery_fen for d in price.discounts) == (
        price.discount_fen
    )
    assert sum(d.delivery_fen for d in price.discounts) <= price.delivery_fee_fen
    for discount in price.discounts:
        assert sum(discount.per_line) + discount.delivery_fen == discount.amount_fen > 0
        assert min(discount.per_line) >= 0
    for line, off in zip(lines, price.line_discounts, strict=True):
        assert 0 <= off <= line.amount_fen


@given(LINES, PROMOTIONS, COUPONS, FEE)
def test_no_line_goes_below_zero_and_all_parts_add_up(
    lines: list[Line], promotions: list[PromotionRule], coupons: list[CouponRule], fee: int
) -> None:
    price = price_cart(lines, promotions, coupons, delivery_fee_fen=fee)

    check(price, lines)
    told = [(rule.kind, rule.id, rule.name) for rule in (*price.discounts, *price.rejected)]
    assert len(told) == len(set(told))
    assert {("coupon", rule.id, rule.name) for rule in coupons} <= set(told)
    assert all(rule.reason for rule in price.rejected)
    assert not {d.id for d in price.coupons} & {rule.id for rule in coupons if rule.blocked}


@given(LINES, PROMOTIONS, COUPONS)
def test_of_a_group_one_discount_counts_and_an_exclusive_one_stands_alone(
    lines: list[Line], promotions: list[PromotionRule], coupons: list[CouponRule]
) -> None:
    price = price_cart(lines, promotions, coupons)

    rules = {("coupon", rule.id): rule for rule in coupons}
    rules |= {("promotion", rule.id): rule for rule in promotions}
    used = [rules[found.kind, found.id] for found in price.discounts]
    groups = [rule.group for rule in used if getattr(rule, "kind", "") != PromotionKind.price]
    assert len(groups) == len(set(groups))
    if any(getattr(rule, "exclusive", False) for rule in used):
        assert len(used) == 1


@given(LINES, PROMOTIONS, COUPONS, FEE)
def test_nothing_saves_more_than_the_best_set(
    lines: list[Line], promotions: list[PromotionRule], coupons: list[CouponRule], fee: int
) -> None:
    """Every set that may be used together, priced without the search."""
    best = price_cart(lines, promotions, coupons, delivery_fee_fen=fee).payable_fen

    prices = []
    for number in range(len(coupons) + 1):
        for several in combinations(coupons, number):
            price = price_cart(lines, promotions, several, delivery_fee_fen=fee)
            if {each.id for each in price.coupons} == {rule.id for rule in several}:
                prices.append(price.payable_fen)
    assert best == min(prices)


@given(LINES, PROMOTIONS, COUPONS)
def test_the_order_in_which_rules_are_given_does_not_matter(
    lines: list[Line], promotions: list[PromotionRule], coupons: list[CouponRule]
) -> None:
    price = price_cart(lines, promotions, coupons)
    turned = price_cart(lines, promotions[::-1], coupons[::-1])

    assert turned.discounts == price.discounts
    assert set(turned.rejected) == set(price.rejected)


@given(LINES, PROMOTIONS, COUPONS.filter(bool))
def test_one_more_coupon_never_makes_it_dearer(
    lines: list[Line], promotions: list[PromotionRule], coupons: list[CouponRule]
) -> None:
    more = price_cart(lines, promotions, coupons).payable_fen

    assert more <= price_cart(lines, promotions, coupons[1:]).payable_fen


@given(LINES, PROMOTIONS, FEN, FEN)
def test_a_larger_face_never_makes_it_dearer(
    lines: list[Line], promotions: list[PromotionRule], face: int, more: int
) -> None:
    small = CouponRule(id=1, name="券", worth=Worth(CouponKind.amount, face_fen=face))
    large = CouponRule(id=1, name="券", worth=Worth(CouponKind.amount, face_fen=face + more))

    cheaper = price_cart(lines, promotions, [large]).payable_fen
    assert cheaper <= price_cart(lines, promotions, [small]).payable_fen


def spend(id_: int, *steps: tuple[int, int], **values: object) -> PromotionRule:
    return PromotionRule(id=id_, name=f"满减 {id_}", steps=steps, words="满减", **values)  # type: ignore[arg-type]


def coupon(id_: int, kind: CouponKind, **values: object) -> CouponRule:
    named = {key: values.pop(key) for key in ("group", "exclusive", "product_ids") if key in values}
    return CouponRule(id=id_, name=f"券 {id_}", worth=Worth(kind, **values), **named)  # type: ignore[arg-type]


def test_the_cart_of_the_drawings() -> None:
    """81 − 5 − 8: the screen that the mini-program shows."""
    lines = [Line(1, 4400), Line(2, 2000), Line(3, 1700)]
    promotions = [spend(1, (4000, 500)), spend(2, (9900, 1500))]
    face = coupon(7, CouponKind.amount, face_fen=800, min_spend_fen=6500)

    price = price_cart(lines, promotions, [face])

    assert price.payable_fen == 6800
    assert [(d.name, d.amount_fen, d.per_line) for d in price.discounts] == [
        ("满减 1", 500, (272, 123, 105)),
        ("券 7", 800, (434, 198, 168)),
    ]
    assert [(r.name, r.reason, r.missing_fen) for r in price.rejected] == [
        ("满减 2", "还差 ¥18", 1800)
    ]


def test_the_threshold_of_a_coupon_counts_after_the_promotion() -> None:
    face = coupon(7, CouponKind.amount, face_fen=800, min_spend_fen=6500)

    price = price_cart([Line(1, 6600)], [spend(1, (4000, 500))], [face])

    assert price.payable_fen == 6100
    assert [(r.reason, r.missing_fen) for r in price.rejected] == [("还差 ¥4 可用", 400)]


def test_a_coupon_for_some_goods_falls_on_those_alone() -> None:
    lines = [Line(1, 1000), Line(2, 3000)]
    half = {"off_bp": 5000}

    fits = coupon(7, CouponKind.percent, product_ids=frozenset({2}), **half)
    unfit = coupon(8, CouponKind.percent, product_ids=frozenset({9}), **half)

    assert price_cart(lines, [], [fits]).line_discounts == (0, 1500)
    assert [(r.reason, r.missing_fen) for r in price_cart(lines, [], [unfit]).rejected] == [
        ("购物袋里没有这张券能用的商品", None)
    ]


def test_the_best_step_that_is_reached_counts() -> None:
    steps = spend(1, (3000, 300), (6000, 800))

    paid = [price_cart([Line(1, fen)], [steps]).payable_fen for fen in (2900, 3000, 5900, 6000)]
    assert paid == [2900, 2700, 5600, 5200]
    between = price_cart([Line(1, 5900)], [steps])
    assert [d.reason for d in between.discounts] == ["满 30 减 3"]
    assert [(r.name, r.reason, r.missing_fen) for r in between.rejected] == [
        ("满 60 减 8", "还差 ¥1", 100)
    ]


def test_an_exchange_makes_the_dearest_piece_free_but_not_its_options() -> None:
    lines = [Line(1, 2 * 2200, 2, 2000), Line(1, 1800, 1, 1800), Line(2, 9900, 1, 9900)]
    free = coupon(7, CouponKind.exchange, product_ids=frozenset({1}))
    paid = coupon(8, CouponKind.exchange, product_ids=frozenset({1}), pay_fen=990)

    assert price_cart(lines, [], [free]).line_discounts == (2000, 0, 0)
    assert price_cart(lines, [], [paid]).line_discounts == (1010, 0, 0)


def test_the_second_of_the_same_at_half_price_is_the_cheaper_one() -> None:
    lines = [Line(1, 2400, 1, 2400), Line(1, 2000, 1, 2000), Line(2, 3000, 1, 3000)]
    half = coupon(7, CouponKind.nth, nth=2, off_bp=5000)
    third = coupon(8, CouponKind.nth, nth=3, off_bp=5000)

    assert price_cart(lines, [], [half]).line_discounts == (0, 1000, 0)
    assert price_cart(lines, [], [third]).rejected[0].reason == "同一样要买满 3 件"
    every = PromotionRule(id=1, name="半价", kind=PromotionKind.nth, nth=2, off_bp=5000)
    assert price_cart([Line(1, 5 * 1000, 5, 1000)], [every]).line_discounts == (1000,)
    assert price_cart([Line(1, 5 * 1000, 5, 1000)], [], [half]).line_discounts == (500,)


def test_timed_prices_come_first_and_the_lowest_holds() -> None:
    lines = [Line(1, 2 * 2200, 2, 2000), Line(2, 3000, 1, 3000)]
    fixed = PromotionRule(
        id=1, name="限时", kind=PromotionKind.price, price_fen=990, product_ids=frozenset({1})
    )
    tenth = PromotionRule(id=2, name="九折", kind=PromotionKind.price, off_bp=1000)

    price = price_cart(lines, [tenth, fixed, spend(3, (5000, 500))])

    assert [(d.id, d.per_line) for d in price.discounts] == [
        (1, (2020, 0)),
        (2, (0, 300)),
        (3, (234, 266)),
    ]
    assert price.payable_fen == 7400 - 300 - 2020 - 500


def test_so_many_pieces_cost_so_much_less() -> None:
    rule = PromotionRule(
        id=1, name="满件折", kind=PromotionKind.pieces, steps=((2, 1000), (3, 2000))
    )

    paid = [price_cart([Line(1, n * 1000, n)], [rule]).payable_fen for n in (1, 2, 3)]
    assert paid == [1000, 1800, 2400]
    assert price_cart([Line(1, 1000)], [rule]).rejected[0].reason == "还差 1 件"


def test_groups_add_up_within_one_the_best_counts_and_an_exclusive_one_must_beat_all() -> None:
    lines = [Line(1, 2000, 1, 2000), Line(2, 4000, 1, 4000)]
    eight, six = (coupon(n, CouponKind.amount, face_fen=n * 100) for n in (8, 6))
    free = coupon(9, CouponKind.exchange, product_ids=frozenset({1}), group=StackGroup.extra)
    alone = coupon(10, CouponKind.amount, face_fen=3000, exclusive=True)
    strong = coupon(11, CouponKind.amount, face_fen=3500, exclusive=True)
    promotions = [spend(1, (4000, 500))]

    price = price_cart(lines, promotions, [six, eight, free, alone])
    assert [(d.id, d.amount_fen) for d in price.discounts] == [(1, 500), (9, 1833), (8, 800)]
    assert [(r.id, r.reason) for r in price.rejected] == [
        (6, "已用更省的「券 8」"),
        (10, "它不和别的优惠一起用，现在这样更省"),
    ]
    price = price_cart(lines, promotions, [six, eight, free, strong])
    assert [(d.id, d.amount_fen) for d in price.discounts] == [(11, 3500)]
    assert price.rejected[0].reason == "不能和「券 11」一起用，用券更省"


def test_a_coupon_in_the_promotions_group_takes_its_place_where_that_is_cheaper() -> None:
    promotions = [spend(1, (4000, 500))]
    small = coupon(7, CouponKind.amount, face_fen=400, group=StackGroup.promotion)
    large = coupon(8, CouponKind.amount, face_fen=600, group=StackGroup.promotion)

    assert [d.id for d in price_cart([Line(1, 5000)], promotions, [small]).discounts] == [1]
    price = price_cart([Line(1, 5000)], promotions, [small, large])
    assert [d.id for d in price.discounts] == [8]
    assert price.rejected[0].reason == "不能和「券 8」一起用，用券更省"


def test_a_delivery_coupon_takes_off_the_fee_and_says_so_where_there_is_none() -> None:
    five = coupon(7, CouponKind.delivery, face_fen=500)
    all_of_it = coupon(8, CouponKind.delivery)

    assert price_cart([Line(1, 2000)], [], [five]).rejected[0].reason == "这一单没有配送费"
    price = price_cart([Line(1, 2000)], [], [five], delivery_fee_fen=700)
    assert (price.payable_fen, price.discounts[0].delivery_fen) == (2200, 500)
    assert price_cart([Line(1, 2000)], [], [all_of_it], delivery_fee_fen=700).payable_fen == 2000


def test_fifty_coupons_in_three_groups_are_priced_without_trying_everything() -> None:
    groups = (StackGroup.coupon, StackGroup.extra, StackGroup.goods)
    several = [
        coupon(n, CouponKind.amount, face_fen=100 + n, group=groups[n % 3]) for n in range(1, 51)
    ]

    price = price_cart([Line(1, 9000), Line(2, 4000)], [], several)

    assert sorted(d.id for d in price.coupons) == [48, 49, 50]
    assert price.discount_fen == 300 + 48 + 49 + 50
