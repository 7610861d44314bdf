"""Jobs of crm, run as the worker runs them."""

from datetime import datetime, timedelta

from flask import Flask
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from core import clock
from core.database import reading, transaction
from core.outbox import OutboxJob
from coupons.models import Coupon
from crm import merging, points, purchases
from crm.models import Member, PaidTerm, Plan, PlanKind, PointLot, Referral, TermState
from crm.plans import terms
from merchants.models import Merchant
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


def test_what_falls_due_is_a_job_for_each_merchant(app: Flask):
    """So one merchant's error stops nobody else's."""
    past, day = clock.now() - timedelta(days=40), timedelta(days=1)
    with transaction() as session:
        merchants = [make_merchant(session), make_merchant(session, code="other")]
        make_merchant(session, code="idle")
        for merchant in merchants:
            mine = [make_member(session, merchant=merchant) for _ in range(2)]
            points.grant(session, mine[0].id, 10, cause=f"gift:{merchant.id}", now=past)
            session.execute(update(PointLot).values(expires_at=clock.now() - day))
            session.add(
                Referral(
                    merchant_id=merchant.id,
                    inviter_id=mine[0].id,
                    newcomer_id=mine[1].id,
                    at=past,
                )
            )
            buy_term(session, merchant, mine[0], past)
    ids = [merchant.id for merchant in merchants]

    for name in ("crm.expire_points", "crm.keep_terms", "crm.reward_referrals"):
        run_inline(name)

    with reading() as session:
        found = select(OutboxJob.name, OutboxJob.args).where(OutboxJob.key.is_not(None))
        asked = [(name, args["merchant_id"]) for name, args in session.execute(found)]
    names = ("crm.expire_points_of", "crm.keep_terms_of", "crm.reward_referrals_of")
    assert sorted(asked) == [(name, id_) for name in names for id_ in ids]
    for name in names[:2]:
        run_inline(name, merchant_id=ids[0])
    with reading() as session:
        left = select(Member.merchant_id, func.sum(Member.points)).group_by(Member.merchant_id)
        assert dict(session.execute(left.having(func.sum(Member.points) > 0)).all()) == {ids[1]: 10}
        states = select(PaidTerm.state).order_by(PaidTerm.id)
        assert session.scalars(states).all() == [TermState.ended, TermState.active]


def buy_term(session: Session, merchant: Merchant, member: Member, at: datetime) -> None:
    plan = Plan(merchant_id=merchant.id, kind=PlanKind.membership, name="月卡", price_fen=100)
    plan.days, plan.created_at = 30, at
    session.add(plan)
    session.flush()
    order_id = make_order_id(session, member, make_store(session, merchant=merchant))
    terms.start(session, plan, member.id, order_id, now=at)


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
