"""What a tier takes off: its own line, to the fen, with other offers or in place of them."""

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select
from sqlalchemy.orm import Session

from core.money import apply_basis_points
from coupons.amounts import Worth
from coupons.models import CouponKind
from coupons.taking import Line
from crm import tiers
from crm.tiers import editing
from orders.amounts import price_cart
from orders.models import OrderDiscount
from orders.quoting import quote
from orders.rules import CouponRule, PromotionRule, TierRule
from tests.counting import statements
from tests.orders.shop import Shop
from tests.orders.test_amounts import COUPONS, FEE, LINES, PROMOTIONS, check, coupon, spend

TIERS = st.builds(
    TierRule,
    id=st.just(2),
    name=st.just("金芽会员"),
    off_bp=st.integers(1, 9_000),
    alone=st.booleans(),
)
GOLD = TierRule(id=2, name="金芽会员", off_bp=500)


@given(LINES, PROMOTIONS, COUPONS, FEE, TIERS)
def test_parts_add_up_and_nothing_is_dearer_for_it(
    lines: list[Line],
    promotions: list[PromotionRule],
    coupons: list[CouponRule],
    fee: int,
    tier: TierRule,
) -> None:
    plain = price_cart(lines, promotions, coupons, delivery_fee_fen=fee)
    price = price_cart(lines, promotions, coupons, delivery_fee_fen=fee, tier=tier)

    check(price, lines)
    told = [rule for rule in (*price.discounts, *price.rejected) if rule.kind == "tier"]
    assert len(told) == 1
    assert all(rule.reason for rule in price.rejected)
    used = {found.kind for found in price.discounts}
    exclusive = {rule.id for rule in coupons if rule.exclusive}
    if "tier" in used and (tier.alone or exclusive & {each.id for each in price.coupons}):
        assert used == {"tier"}
    if tier.alone or not coupons:
        assert price.payable_fen <= plain.payable_fen
    turned = price_cart(lines, promotions[::-1], coupons[::-1], delivery_fee_fen=fee, tier=tier)
    assert turned.discounts == price.discounts


@given(LINES, PROMOTIONS, COUPONS.filter(bool), TIERS)
def test_one_more_coupon_never_makes_it_dearer_in_a_tier(
    lines: list[Line], promotions: list[PromotionRule], coupons: list[CouponRule], tier: TierRule
) -> None:
    more = price_cart(lines, promotions, coupons, tier=tier).payable_fen

    assert more <= price_cart(lines, promotions, coupons[1:], tier=tier).payable_fen


def test_it_comes_after_promotions_and_before_coupons() -> None:
    lines = [Line(1, 4_400), Line(2, 2_000), Line(3, 1_700)]
    face = coupon(7, CouponKind.amount, face_fen=800, min_spend_fen=6_500)

    price = price_cart(lines, [spend(1, (4_000, 500))], [face], tier=GOLD)

    assert [(d.kind, d.reason, d.amount_fen, d.per_line) for d in price.discounts] == [
        ("promotion", "满 40 减 5", 500, (272, 123, 105)),
        ("tier", "金芽会员 9.5 折", 380, (206, 94, 80)),
        ("coupon", "", 800, (435, 197, 168)),
    ]
    assert price.payable_fen == 6_420


@pytest.mark.parametrize(
    ("off_bp", "payable", "kinds"),
    [(500, 6_800, ["promotion", "coupon"]), (2_000, 6_480, ["tier"])],
)
def test_alone_it_stands_where_it_saves_more(off_bp: int, payable: int, kinds: list[str]) -> None:
    lines = [Line(1, 4_400), Line(2, 2_000), Line(3, 1_700)]
    face = coupon(7, CouponKind.amount, face_fen=800, min_spend_fen=6_500)
    tier = TierRule(id=2, name="金芽会员", off_bp=off_bp, alone=True)

    price = price_cart(lines, [spend(1, (4_000, 500))], [face], tier=tier)

    assert (price.payable_fen, [d.kind for d in price.discounts]) == (payable, kinds)
    why = {rule.kind: rule.reason for rule in price.rejected}
    if kinds == ["tier"]:
        assert why == {
            "promotion": "不能和「金芽会员」一起用，会员折扣更省",
            "coupon": "「金芽会员」不和别的优惠一起用，用它更省",
        }
    else:
        assert why == {"tier": "和店里的优惠二选一，现在这样更省"}


def test_an_exclusive_coupon_goes_without_it() -> None:
    only = CouponRule(
        id=7, name="整单半价", worth=Worth(CouponKind.percent, off_bp=5_000), exclusive=True
    )

    price = price_cart([Line(1, 2_000)], [], [only], tier=GOLD)

    assert price.payable_fen == 1_000
    assert [(rule.kind, rule.reason) for rule in price.rejected] == [
        ("tier", "「整单半价」不和别的优惠一起用，用它更省")
    ]


def gold(shop: Shop, now: datetime, **rules: object) -> None:
    steps = tuple(
        step._replace(discount_bp=500 if step.code == "golden_bud" else 0)
        for step in tiers.DEFAULTS.steps
    )
    wanted = tiers.DEFAULTS._replace(steps=steps, spend_rate=100, **rules)  # type: ignore[arg-type]
    editing.write(shop.session, shop.merchant.id, wanted, now)


def test_an_order_keeps_it_as_a_line_of_its_own(
    session: Session, shop: Shop, now: datetime
) -> None:
    gold(shop, now)
    shop.member.tier = "golden_bud"
    session.flush()

    found = quote(session, shop.cart(2), shop.member, now)
    order = shop.place(now, 2)

    assert found.price.payable_fen == order.payable_fen == 4_400 - apply_basis_points(4_400, 500)
    row = session.scalars(select(OrderDiscount)).one()
    assert (row.kind.value, row.ref_id, row.name, row.amount_fen) == ("tier", 2, "金芽会员", 220)
    assert order.quote["discounts"][0]["reason"] == "金芽会员 9.5 折"


def test_the_lowest_tier_costs_a_quote_no_question(
    session: Session, shop: Shop, now: datetime
) -> None:
    gold(shop, now)
    quote(session, shop.cart(), shop.member, now)

    with statements(session.connection()) as seen:
        price = quote(session, shop.cart(), shop.member, now).price

    assert price.payable_fen == 2_200
    assert not [each for each in seen if "FROM tiers" in each]
