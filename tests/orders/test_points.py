"""Points in an order: frozen with it, spent on payment, back when it is not."""

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select
from sqlalchemy.orm import Session

from crm import points, tiers
from crm.models import HoldState, Member, PointHold
from crm.tiers import editing
from orders import cancelling, paying
from orders.points_off import offer
from orders.quoting import quote
from orders.rules import Price
from tests.orders.shop import Shop


def allow(shop: Shop, now: datetime, *, rate: int = 100, cap_bp: int = 5_000) -> None:
    rules = tiers.DEFAULTS._replace(spend_rate=rate, spend_cap_bp=cap_bp)
    editing.write(shop.session, shop.merchant.id, rules, now)


def give(shop: Shop, number: int, now: datetime) -> None:
    points.grant(shop.session, shop.member.id, number, cause="gift", now=now)
    shop.session.refresh(shop.member)


def held(session: Session) -> HoldState | None:
    return session.scalar(select(PointHold.state).execution_options(populate_existing=True))


def balance(session: Session, member: Member) -> int:
    session.refresh(member)
    assert points.list_unbalanced(session, range(member.id, member.id + 1)) == []
    return member.points


def test_a_quote_says_how_many_may_be_spent_and_takes_what_was_asked(
    session: Session, shop: Shop, now: datetime
) -> None:
    allow(shop, now)
    give(shop, 5_000, now)

    plain = quote(session, shop.cart(2), shop.member, now)
    some = quote(session, shop.cart(2, points=300), shop.member, now)
    most = quote(session, shop.cart(2, points="most"), shop.member, now)

    assert (plain.points.most, plain.points.most_fen, plain.points.used) == (2_200, 2_200, 0)
    assert plain.price.payable_fen == 4_400
    assert (some.points.used, some.price.payable_fen) == (300, 4_100)
    assert (most.points.used, most.price.payable_fen) == (2_200, 2_200)
    assert [(d.kind, d.reason) for d in most.price.discounts] == [("points", "用 2200 积分")]


def test_who_has_none_or_may_not_sees_none(session: Session, shop: Shop, now: datetime) -> None:
    give(shop, 500, now)

    found = quote(session, shop.cart(points="most"), shop.member, now)

    assert (found.points.most, found.price.payable_fen) == (0, 2_200)


def test_paid_points_are_spent_and_a_part_refund_returns_its_part(
    session: Session, shop: Shop, now: datetime
) -> None:
    allow(shop, now)
    give(shop, 1_100, now)
    order = shop.place(now, points="most")
    assert (order.points_used, order.payable_fen) == (1_100, 1_100)
    assert (balance(session, shop.member), held(session)) == (0, HoldState.held)

    assert paying.mark_paid(session, order, amount_fen=1_100, now=now)
    assert held(session) is HoldState.spent
    assert paying.record_refund(session, order, 550, now)
    assert balance(session, shop.member) == 550
    assert paying.record_refund(session, order, 550, now)
    assert (balance(session, shop.member), held(session)) == (1_100, HoldState.returned)


def test_a_cancelled_order_returns_them_once(session: Session, shop: Shop, now: datetime) -> None:
    allow(shop, now)
    give(shop, 1_100, now)
    order = shop.place(now, points=400)

    assert cancelling.cancel(session, order, actor="system", reason="超时", now=now)
    assert not cancelling.cancel(session, order, actor="system", reason="超时", now=now)

    assert (balance(session, shop.member), held(session)) == (1_100, HoldState.returned)


def test_points_that_are_gone_by_then_refuse_the_order(
    session: Session, shop: Shop, now: datetime
) -> None:
    allow(shop, now)
    give(shop, 1_000, now)
    shop.place(now, points=800)
    other = shop.place(now, key="key-2")

    with pytest.raises(points.NotEnoughPoints):
        points.hold_for(session, shop.member.id, other.id, 201, now=now)

    assert balance(session, shop.member) == 200


@given(
    amounts=st.lists(st.integers(0, 9_999), min_size=1, max_size=5),
    have=st.integers(0, 100_000),
    rate=st.integers(1, 500),
    cap_bp=st.integers(0, 10_000),
    wanted=st.one_of(st.none(), st.just("most"), st.integers(0, 100_000)),
)
def test_never_over_the_cap_nor_more_than_there_are(
    amounts: list[int], have: int, rate: int, cap_bp: int, wanted: object
) -> None:
    programme = tiers.DEFAULTS._replace(spend_rate=rate, spend_cap_bp=cap_bp)
    before = Price(tuple(amounts), (), ())

    after, found = offer(before, have, programme, wanted)  # type: ignore[arg-type]

    assert 0 <= found.used <= found.most <= have
    assert after.discount_fen * 10_000 <= sum(amounts) * cap_bp
    assert after.payable_fen == sum(amounts) - after.discount_fen >= 0
    for part, amount in zip(after.line_discounts, amounts, strict=True):
        assert 0 <= part <= amount
    if wanted == "most":
        assert found.used == found.most
