"""One person is one member of a merchant, from whichever side they came."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from core.outbox import OutboxJob
from crm import consent, events, members, merging, points, purchases, tags
from crm.errors import TagInvalid
from crm.models import Member, MemberEvent, MemberTag
from tests.factories.crm import (
    make_member,
    make_merchant,
    make_order_id,
    make_person,
    make_store,
    make_tag,
    point_balance,
)

OFFICIAL, MINI = "wx7c3e1a905b2d4f60", "wxa41f0c6d8e2b7593"


def recognise(session: Session, now: datetime, kind: str, openid: str, **extra: object) -> Member:
    appid = OFFICIAL if kind == "official" else MINI
    return members.recognise(
        session,
        merchant_id=make_merchant(session).id,
        kind=kind,
        appid=appid,
        openid=openid,
        now=now,
        **extra,
    )


def test_a_member_is_made_once_and_keeps_its_source(session: Session, now: datetime):
    person, store = make_person(session), make_store(session)
    merchant_id = store.merchant_id

    first = members.ensure(
        session, merchant_id=merchant_id, person=person, source_store_id=store.id, now=now
    )
    again = members.ensure(
        session,
        merchant_id=merchant_id,
        person=person,
        source_store_id=make_store(session).id,
        now=now + timedelta(days=1),
    )

    assert first.id == again.id
    assert (again.source_store_id, again.joined_at, again.name) == (store.id, now, "林小满")
    assert len(again.no) == 12


@pytest.mark.parametrize("order", [("official", "mini"), ("mini", "official")])
def test_following_and_logging_in_join_by_union_id(
    session: Session, now: datetime, order: tuple[str, str]
):
    one = recognise(session, now, order[0], "o-1", union_id="u-1")
    other = recognise(session, now, order[1], "o-2", union_id="u-1")

    assert one.id == other.id


def test_a_union_id_that_comes_later_merges_two_members(session: Session, now: datetime):
    store = make_store(session)
    follower = recognise(session, now, "official", "o-1", source_store_id=store.id)
    buyer = recognise(session, now, "mini", "o-2", union_id="u-1")
    assert follower.id != buyer.id
    order_id = make_order_id(session, follower, store)
    purchases.record_purchase(session, follower.id, order_id, store.id, 5_000, now)
    tag = make_tag(session)
    tags.put(session, tag, [follower.id], actor="staff:1", now=now)

    merged = recognise(session, now, "official", "o-1", union_id="u-1")

    session.refresh(follower)
    session.refresh(buyer)
    assert merged.id == buyer.id
    assert follower.merged_into_id == buyer.id
    assert (buyer.spent_fen, buyer.orders_count, buyer.points_pending) == (5_000, 1, 50)
    assert (follower.spent_fen, follower.points_pending) == (0, 0)
    assert point_balance(session, buyer.id) == (0, 50)
    assert point_balance(session, follower.id) == (0, 0)
    assert buyer.source_store_id == store.id
    assert session.scalars(select(MemberTag.member_id)).all() == [buyer.id]
    kinds = session.scalars(select(MemberEvent.kind).where(MemberEvent.member_id == buyer.id))
    assert sorted(kinds) == ["merged", "paid", "tagged"]
    assert session.scalars(select(OutboxJob.name)).all() == ["crm.after_merge"]


def test_points_released_after_a_merge_reach_the_winner(session: Session, now: datetime):
    winner, loser, store = make_member(session), make_member(session), make_store(session)
    order_id = make_order_id(session, loser, store)
    purchases.record_purchase(session, loser.id, order_id, store.id, 5_000, now)

    assert merging.merge(session, winner_id=winner.id, loser_id=loser.id, now=now)
    assert not merging.merge(session, winner_id=winner.id, loser_id=loser.id, now=now)
    points.release_due(session, now=now + timedelta(days=7))
    purchases.reverse_purchase(session, order_id, 1_000, now + timedelta(days=8))

    session.refresh(winner)
    assert (winner.points, winner.points_pending, winner.refunded_fen) == (40, 0, 1_000)
    assert point_balance(session, winner.id) == (40, 0)


def test_whoever_refused_once_stays_refused_after_a_merge(session: Session, now: datetime):
    winner, loser = make_member(session), make_member(session)
    consent.change(session, loser, marketing=False, now=now)

    merging.merge(session, winner_id=winner.id, loser_id=loser.id, now=now)

    session.refresh(winner)
    assert not winner.marketing_consent


def test_consent_is_switched_and_remembered(session: Session, now: datetime):
    member = make_member(session)

    consent.change(session, member, marketing=False, personal_recommendation=True, now=now)
    consent.change(session, member, marketing=False, now=now)

    assert not member.marketing_consent
    assert member.consent_changed_at == now
    [event] = events.timeline(session, member.id)
    assert (event.kind, event.data) == ("consent_changed", {"marketing": False})


def test_tags_are_put_once_and_only_on_the_merchants_own(session: Session, now: datetime):
    member = make_member(session)
    stranger = make_member(session, merchant=make_merchant(session, code="other"))
    tag = make_tag(session)

    assert tags.put(session, tag, [member.id, stranger.id], actor="staff:1", now=now) == 1
    assert tags.put(session, tag, [member.id], actor="staff:1", now=now) == 0
    assert tags.list_tags(session, member.merchant_id) == [(tag, 1)]
    assert tags.tags_of(session, [member.id, stranger.id]) == {member.id: [tag], stranger.id: []}
    assert tags.take_off(session, tag, [member.id]) == 1
    assert tags.list_tags(session, member.merchant_id) == [(tag, 0)]


@pytest.mark.parametrize("name", ["", "   ", "十七个字的标签名实在是太长了不能用"])
def test_a_tag_needs_a_short_name(session: Session, now: datetime, name: str):
    with pytest.raises(TagInvalid):
        tags.ensure_tag(session, make_merchant(session).id, name, now=now)


def test_events_come_in_batches_and_the_future_is_not_believed(session: Session, now: datetime):
    member = make_member(session)
    batch = [
        events.Event("viewed", now - timedelta(minutes=2), data={"product_id": "1"}),
        events.Event("searched", now + timedelta(days=400)),
    ]

    assert events.record_many(session, member.id, batch, now=now) == 2

    newest, oldest = events.timeline(session, member.id, browsing=True)
    assert (newest.kind, newest.at) == ("searched", now)
    before = (newest.at, newest.id)
    assert events.timeline(session, member.id, browsing=True, before=before) == [oldest]
    assert events.timeline(session, member.id) == []


def test_what_was_looked_at_is_forgotten_after_ninety_days(session: Session, now: datetime):
    member = make_member(session)
    old, young = now - timedelta(days=90, seconds=1), now - timedelta(days=90)
    batch = [events.Event(kind, at) for at in (old, young) for kind in ("viewed", "paid", "carted")]
    events.record_many(session, member.id, batch, now=now)

    assert [events.forget_browsing(session, now=now, limit=1) for _ in range(3)] == [1, 1, 0]

    left = session.execute(select(MemberEvent.kind, MemberEvent.at).order_by(MemberEvent.id))
    kept = [("paid", old), ("viewed", young), ("paid", young), ("carted", young)]
    assert [tuple(row) for row in left] == kept
