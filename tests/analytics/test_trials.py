"""A sum on real orders: what an offer would have taken off last week's carts, to the fen."""

from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from analytics import trials
from coupons.models import CouponKind, CouponTemplate, Promotion, PromotionKind
from orders.paying import mark_paid
from tests.counting import statements
from tests.factories.coupons import make_promotion, make_template
from tests.orders.shop import open_shop


def test_what_it_would_have_taken_off_the_orders_of_last_week(
    session: Session, now: datetime
) -> None:
    shop = open_shop(session)
    make_promotion(session, shop.merchant, starts_at=now - timedelta(days=5))  # 满 40 减 5
    for number, quantity in enumerate((1, 2, 2)):
        order = shop.place(now - timedelta(days=number), quantity, key=f"key-{number}")
        mark_paid(session, order, amount_fen=order.payable_fen, now=now - timedelta(hours=number))
    shop.place(now, 1, key="unpaid")
    session.flush()

    with statements(session.connection()) as seen:
        carts = trials.recent_carts(session, [shop.store.id], now + timedelta(seconds=1))
    assert len(seen) == 3
    assert sorted(sum(cart.left) for cart in carts) == [2200, 3900, 3900]
    assert [cart.is_first for cart in carts].count(True) == 1

    eight: CouponTemplate = make_template(session, shop.merchant, min_spend_fen=3900)
    assert trials.try_template(carts, eight, now) == trials.Trial(3, 2, 1600)
    eight.store_ids = [999]
    assert trials.try_template(carts, eight, now) == trials.Trial(3, 0, 0)
    first = make_template(session, shop.merchant, first_order=True, min_spend_fen=0)
    assert trials.try_template(carts, first, now).fits == 1
    swap = make_template(
        session,
        shop.merchant,
        kind=CouponKind.exchange,
        face_fen=0,
        min_spend_fen=0,
        product_ids=[shop.tea.product_id],
    )
    assert trials.try_template(carts, swap, now) == trials.Trial(3, 3, 2200 + 1950 + 1950)
    half: Promotion = make_promotion(
        session, shop.merchant, kind=PromotionKind.nth, nth=2, off_bp=5_000, steps=[]
    )
    assert trials.try_promotion(carts, half) == trials.Trial(3, 2, 2200)
    assert trials.recent_carts(session, [999], now) == []
