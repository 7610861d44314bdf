"""Who sees which order, and lists that page without gaps."""

from datetime import datetime

import pytest
from sqlalchemy.orm import Session

from orders import paying, queries, words
from orders.errors import OrderNotFound
from tests.counting import statements
from tests.factories.crm import make_member
from tests.factories.merchants import make_store
from tests.orders.shop import Shop


def test_a_member_sees_their_own_and_staff_see_paid_ones_of_their_stores(
    session: Session, shop: Shop, now: datetime
) -> None:
    order = shop.place(now)
    other = make_member(session, merchant=shop.merchant)
    elsewhere = make_store(session, shop.merchant)

    assert queries.get_for_member(session, shop.member.id, order.no) is order
    with pytest.raises(OrderNotFound):
        queries.get_for_member(session, other.id, order.no)
    with pytest.raises(OrderNotFound):
        queries.get_for_staff(session, shop.merchant.id, [shop.store.id], order.no)
    paying.mark_paid(session, order, amount_fen=2200, now=now)
    assert queries.get_for_staff(session, shop.merchant.id, [shop.store.id], order.no) is order
    for merchant_id, store_ids in (
        (shop.merchant.id, [elsewhere.id]),
        (shop.merchant.id + 1, [shop.store.id]),
    ):
        with pytest.raises(OrderNotFound):
            queries.get_for_staff(session, merchant_id, store_ids, order.no)


def test_lists_page_without_gaps_in_a_constant_number_of_queries(
    session: Session, shop: Shop, now: datetime
) -> None:
    placed = [shop.place(now, key=f"key-{i}") for i in range(5)]

    found, cursor = [], ""
    while True:
        page = queries.list_for_member(session, shop.member.id, cursor=cursor, limit=2)
        found += [item.order.no for item in page.items]
        if page.next is None:
            break
        cursor = page.next
    with statements(session.get_bind()) as few:
        queries.list_for_member(session, shop.member.id, limit=1)
    with statements(session.get_bind()) as many:
        queries.list_for_member(session, shop.member.id, limit=50)

    assert found == [order.no for order in reversed(placed)]
    assert len(few) == len(many)


def test_tabs_of_the_member(session: Session, shop: Shop, now: datetime) -> None:
    unpaid, paid = shop.place(now, key="key-1"), shop.place(now, key="key-2")
    paying.mark_paid(session, paid, amount_fen=2200, now=now)

    def nos(tab: queries.MemberTab) -> list[str]:
        page = queries.list_for_member(session, shop.member.id, tab=tab)
        return [item.order.no for item in page.items]

    assert (nos("unpaid"), nos("active"), nos("completed")) == ([unpaid.no], [paid.no], [])
    assert (words.state(unpaid), words.state(paid)) == ("待付款", "待接单")
