"""Totals, tiers and points follow the purchases, once per order."""

from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from crm import merging, points, purchases, visits
from crm.models import (
    EntryKind,
    LotState,
    Member,
    MemberEvent,
    PointEntry,
    PointLot,
    Purchase,
)
from tests.counting import statements
from tests.factories.crm import make_member, make_order_id, make_store, point_balance


def snapshot_agrees(session: Session, member: Member) -> bool:
    session.refresh(member)
    return point_balance(session, member.id) == (member.points, member.points_pending)


def totals_agree(session: Session, member: Member) -> bool:
    session.refresh(member)
    spent, refunded, counted = session.execute(
        select(
            func.coalesce(func.sum(Purchase.amount_fen), 0),
            func.coalesce(func.sum(Purchase.refunded_fen), 0),
            func.coalesce(func.sum(Purchase.counted), 0),
        ).where(Purchase.member_id == member.id)
    ).one()
    return (spent, refunded, counted) == (
        member.spent_fen,
        member.refunded_fen,
        member.orders_count,
    )


def test_a_purchase_moves_totals_points_tier_and_timeline(session: Session, now: datetime):
    member, store = make_member(session), make_store(session)
    order_id = make_order_id(session, member, store)

    assert purchases.record_purchase(session, member.id, order_id, store.id, 35_080, now)

    session.refresh(member)
    assert (member.orders_count, member.spent_fen) == (1, 35_080)
    assert (member.points, member.points_pending) == (0, 350)
    assert member.first_paid_at == member.last_paid_at == member.last_visit_at == now
    assert member.tier == "silver_tip"
    assert session.scalars(select(MemberEvent.kind)).all() == ["paid", "tier_moved"]
    assert totals_agree(session, member)
    assert snapshot_agrees(session, member)


def test_the_same_order_counts_once(session: Session, now: datetime):
    member, store = make_member(session), make_store(session)
    order_id = make_order_id(session, member, store)
    purchases.record_purchase(session, member.id, order_id, store.id, 2_000, now)

    assert not purchases.record_purchase(session, member.id, order_id, store.id, 2_000, now)

    session.refresh(member)
    assert (member.orders_count, member.spent_fen, member.points_pending) == (1, 2_000, 20)
    assert session.scalar(select(func.count()).select_from(MemberEvent)) == 1


def test_a_full_refund_takes_everything_back_once(session: Session, now: datetime):
    member, store = make_member(session), make_store(session)
    order_id = make_order_id(session, member, store)
    purchases.record_purchase(session, member.id, order_id, store.id, 40_000, now)

    assert purchases.reverse_purchase(session, order_id, 40_000, now)
    assert not purchases.reverse_purchase(session, order_id, 40_000, now)

    session.refresh(member)
    assert (member.orders_count, member.spent_fen, member.refunded_fen) == (0, 40_000, 40_000)
    assert (member.points, member.points_pending, member.tier) == (0, 0, "green_leaf")
    assert totals_agree(session, member)
    assert snapshot_agrees(session, member)


def test_part_refunds_never_exceed_what_was_paid(session: Session, now: datetime):
    member, store = make_member(session), make_store(session)
    order_id = make_order_id(session, member, store)
    purchases.record_purchase(session, member.id, order_id, store.id, 1_050, now)

    assert purchases.reverse_purchase(session, order_id, 100, now)
    assert not purchases.reverse_purchase(session, order_id, 951, now)
    session.refresh(member)
    assert (member.refunded_fen, member.points_pending, member.orders_count) == (100, 9, 1)

    assert purchases.reverse_purchase(session, order_id, 950, now)
    session.refresh(member)
    assert (member.refunded_fen, member.points_pending, member.orders_count) == (1_050, 0, 0)
    assert snapshot_agrees(session, member)


def test_a_free_order_counts_and_is_reversed_once(session: Session, now: datetime):
    member, store = make_member(session), make_store(session)
    order_id = make_order_id(session, member, store)

    assert purchases.record_purchase(session, member.id, order_id, store.id, 0, now)
    session.refresh(member)
    assert (member.orders_count, member.points_pending) == (1, 0)

    assert purchases.reverse_purchase(session, order_id, 0, now)
    assert not purchases.reverse_purchase(session, order_id, 0, now)
    assert totals_agree(session, member)


def test_an_unknown_order_reverses_nothing(session: Session, now: datetime):
    assert not purchases.reverse_purchase(session, 404, 100, now)


def test_points_become_available_when_the_refund_window_is_over(session: Session, now: datetime):
    member, store = make_member(session), make_store(session)
    order_id = make_order_id(session, member, store)
    purchases.record_purchase(session, member.id, order_id, store.id, 5_000, now)

    assert points.release_due(session, now=now + timedelta(days=7, seconds=-1)) == 0
    assert points.release_due(session, now=now + timedelta(days=7)) == 1
    assert points.release_due(session, now=now + timedelta(days=8)) == 0

    session.refresh(member)
    assert (member.points, member.points_pending) == (50, 0)
    assert session.scalars(select(PointLot.state)).all() == [LotState.available]
    assert snapshot_agrees(session, member)


def test_a_sweep_asks_as_often_for_fifty_lots_as_for_one(session: Session, now: datetime):
    store, sent = make_store(session), []
    members = [make_member(session) for _ in range(5)]
    for number in (1, 50):
        for turn in range(number):
            member = members[turn % 5]
            order_id = make_order_id(session, member, store)
            purchases.record_purchase(session, member.id, order_id, store.id, 1_000 + turn, now)
        with statements(session.get_bind()) as asked:
            assert points.release_due(session, now=now + timedelta(days=7)) == number
        sent.append(len(asked))

    assert sent == [5, 5]
    session.expire_all()
    assert [member.points for member in members] == [110, 100, 100, 100, 100]
    assert all(snapshot_agrees(session, member) for member in members)


def test_a_lot_that_was_refunded_whole_is_never_released(session: Session, now: datetime):
    member, store = make_member(session), make_store(session)
    order_id = make_order_id(session, member, store)
    purchases.record_purchase(session, member.id, order_id, store.id, 5_000, now)
    purchases.reverse_purchase(session, order_id, 5_000, now)

    assert points.release_due(session, now=now + timedelta(days=7)) == 0

    session.refresh(member)
    assert (member.points, member.points_pending) == (0, 0)
    assert [line.entry.kind for line in points.ledger(session, member.id)] == [
        EntryKind.clawed_back,
        EntryKind.earned,
    ]


def test_a_late_refund_claws_available_points_back(session: Session, now: datetime):
    member, store = make_member(session), make_store(session)
    order_id = make_order_id(session, member, store)
    purchases.record_purchase(session, member.id, order_id, store.id, 5_000, now)
    later = now + timedelta(days=8)
    points.release_due(session, now=later)

    purchases.reverse_purchase(session, order_id, 2_000, later)

    session.refresh(member)
    assert (member.points, member.points_pending) == (30, 0)
    kinds = session.scalars(select(PointEntry.kind).order_by(PointEntry.id)).all()
    assert kinds == ["earned", "released", "clawed_back"]
    assert snapshot_agrees(session, member)


def test_a_purchase_of_a_merged_member_goes_to_the_one_it_went_into(
    session: Session, now: datetime
):
    winner, loser, store = make_member(session), make_member(session), make_store(session)
    order_id = make_order_id(session, loser, store)
    merging.merge(session, winner_id=winner.id, loser_id=loser.id, now=now)

    purchases.record_purchase(session, loser.id, order_id, store.id, 900, now)

    assert totals_agree(session, winner)
    assert (winner.spent_fen, winner.points_pending, loser.spent_fen) == (900, 9, 0)


def test_a_visit_only_moves_forward(session: Session, now: datetime):
    member, store = make_member(session), make_store(session)

    visits.record_visit(session, member.id, store.id, now)
    visits.record_visit(session, member.id, store.id, now - timedelta(days=1))

    session.refresh(member)
    assert member.last_visit_at == now
