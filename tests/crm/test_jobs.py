"""Jobs of crm, run as the worker runs them."""

from datetime import timedelta

from flask import Flask
from sqlalchemy import select, update

from core import clock
from core.database import reading, transaction
from coupons.models import Coupon
from crm import merging, purchases
from crm.models import Member, PointLot
from orders.models import Order
from tests.factories.coupons import make_coupon, make_template
from tests.factories.crm import make_member, make_merchant, make_order_id, make_store
from tests.working import run_inline


def test_points_are_released_when_they_fall_due_and_not_before(app: Flask):
    with transaction() as session:
        member, store = make_member(session), make_store(session)
        for _ in range(3):
            order_id = make_order_id(session, member, store)
            purchases.record_purchase(session, member.id, order_id, store.id, 900, clock.now())
    run_inline("crm.release_points")
    with reading() as session:
        assert session.get_one(Member, member.id).points == 0

    with transaction() as session:
        session.execute(update(PointLot).values(available_at=clock.now() - timedelta(seconds=1)))
    run_inline("crm.release_points")
    run_inline("crm.release_points")

    with reading() as session:
        found = session.get_one(Member, member.id)
        assert (found.points, found.points_pending) == (27, 0)


def test_orders_and_coupons_follow_a_merged_member(app: Flask):
    with transaction() as session:
        merchant, store = make_merchant(session), make_store(session)
        winner, loser = make_member(session), make_member(session)
        make_order_id(session, loser, store)
        make_coupon(session, loser, make_template(session, merchant))
        merging.merge(session, winner_id=winner.id, loser_id=loser.id, now=clock.now())

    for _ in range(2):
        run_inline("crm.after_merge", winner_id=winner.id, loser_id=loser.id)

    with reading() as session:
        assert session.scalars(select(Order.member_id)).all() == [winner.id]
        assert session.scalars(select(Coupon.member_id)).all() == [winner.id]


def test_they_follow_to_whom_the_winner_was_merged_into_meanwhile(app: Flask):
    with transaction() as session:
        first, second, third = (make_member(session) for _ in range(3))
        make_order_id(session, first, make_store(session))
        merging.merge(session, winner_id=second.id, loser_id=first.id, now=clock.now())
        merging.merge(session, winner_id=third.id, loser_id=second.id, now=clock.now())

    run_inline("crm.after_merge", winner_id=third.id, loser_id=second.id)
    run_inline("crm.after_merge", winner_id=second.id, loser_id=first.id)

    with reading() as session:
        assert session.scalars(select(Order.member_id)).all() == [third.id]
