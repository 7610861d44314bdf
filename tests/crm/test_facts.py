"""What segments ask about is written once, where it happens, and follows the member."""

from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from crm import merging, visits
from crm.models import Member, MemberEvent, MemberPlace, MemberVisit, PurchaseLine
from orders import paying
from tests.factories.crm import make_member
from tests.orders.shop import Shop, open_shop


@pytest.fixture
def shop(session: Session) -> Shop:
    return open_shop(session)


def lines(session: Session) -> list[tuple[object, ...]]:
    asked = select(
        PurchaseLine.member_id,
        PurchaseLine.quantity,
        PurchaseLine.amount_fen,
        PurchaseLine.counted,
        PurchaseLine.paid_at,
    ).order_by(PurchaseLine.order_id, PurchaseLine.position)
    return [tuple(row) for row in session.execute(asked)]


def days(session: Session) -> list[tuple[object, ...]]:
    asked = select(
        MemberVisit.member_id, MemberVisit.day, MemberVisit.weekday, MemberVisit.hour
    ).order_by(MemberVisit.day, MemberVisit.store_id)
    return [tuple(row) for row in session.execute(asked)]


def test_a_paid_order_tells_its_lines_once_and_a_full_refund_uncounts_them(
    session: Session, shop: Shop, now: datetime
):
    order, member = shop.place(now, 2), shop.member

    assert paying.mark_paid(session, order, amount_fen=4400, now=now)
    assert not paying.mark_paid(session, order, amount_fen=4400, now=now)
    assert lines(session) == [(member.id, 2, 4400, True, now)]

    assert paying.record_refund(session, order, 400, now)
    assert lines(session) == [(member.id, 2, 4400, True, now)]
    assert paying.record_refund(session, order, 4000, now)
    assert lines(session) == [(member.id, 2, 4400, False, now)]


def test_lines_of_an_order_that_waited_through_a_merge_are_the_winners(
    session: Session, shop: Shop, now: datetime
):
    order, winner = shop.place(now, 1), make_member(session, merchant=shop.merchant)
    merging.merge(session, winner_id=winner.id, loser_id=shop.member.id, now=now)

    assert paying.mark_paid(session, order, amount_fen=2200, now=now)

    assert lines(session) == [(winner.id, 1, 2200, True, now)]


def test_a_day_in_a_store_is_one_visit_in_the_stores_own_time(
    session: Session, shop: Shop, now: datetime
):
    member, store = shop.member, shop.store
    late = datetime(2026, 11, 20, 17, 30, tzinfo=UTC)  # half past one on Saturday in Shanghai

    for at in (late, late + timedelta(hours=3), now):
        visits.record_visit(session, member.id, store.id, at)

    assert days(session) == [
        (member.id, date(2026, 11, 21), 6, 1),
        (member.id, date(2026, 11, 22), 7, 12),
    ]
    assert session.scalars(select(MemberEvent.kind)).all() == ["visited"] * 3
    assert session.get_one(Member, member.id).last_visit_at == now


def test_visits_and_the_last_place_follow_a_merge(session: Session, shop: Shop, now: datetime):
    loser, winner = shop.member, make_member(session, merchant=shop.merchant)
    for member in (loser, winner):
        visits.record_visit(session, member.id, shop.store.id, now)
        session.add(MemberPlace(member_id=member.id, lat=31.2, lng=float(member.id), seen_at=now))
    visits.record_visit(session, loser.id, shop.store.id, now - timedelta(days=2))
    session.flush()
    newer = session.get_one(MemberPlace, loser.id)
    newer.seen_at = now + timedelta(hours=1)
    session.flush()

    merging.merge(session, winner_id=winner.id, loser_id=loser.id, now=now)
    visits.record_visit(session, loser.id, shop.store.id, now + timedelta(days=1))

    assert days(session) == [
        (winner.id, date(2026, 11, 20), 5, 12),
        (winner.id, date(2026, 11, 22), 7, 12),
        (winner.id, date(2026, 11, 23), 1, 12),
    ]
    [place] = session.execute(select(MemberPlace.member_id, MemberPlace.lng)).all()
    assert tuple(place) == (winner.id, float(loser.id))
