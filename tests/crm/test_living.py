"""Who is in a segment is kept up to date: comings, goings, tags, scores, the ready-made groups."""

from collections import Counter
from datetime import datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select
from sqlalchemy.orm import Session

from core import database
from crm import merging, segments, tags
from crm.errors import RuleInvalid
from crm.models import Member, MemberScore, MemberTag, Segment, SegmentDay, SegmentMember
from crm.segments import lifecycle, living, rfm
from tests.counting import statements
from tests.factories.crm import make_member, make_merchant, make_store, make_tag

RICH: dict[str, Any] = {"field": "spent", "op": ">=", "value": 10_000}


def make_segment(session: Session, now: datetime, rule: Any = RICH, **values: Any) -> Segment:
    merchant_id = make_merchant(session).id
    made = segments.create(session, merchant_id, name="大客", rule=rule, actor="staff:1", now=now)
    for name, value in values.items():
        setattr(made, name, value)
    session.flush()
    return made


def inside(session: Session, segment: Segment) -> list[int]:
    live = select(SegmentMember.member_id).where(
        SegmentMember.segment_id == segment.id, SegmentMember.left_at.is_(None)
    )
    return list(session.scalars(live.order_by(SegmentMember.member_id)))


def days(session: Session, segment: Segment) -> list[tuple[int, int, int]]:
    rows = session.scalars(select(SegmentDay).order_by(SegmentDay.day))
    session.expire_all()
    return [(row.came, row.went, row.members) for row in rows]


def test_comings_and_goings_are_written_down(session: Session, now: datetime):
    rich, poor = make_member(session, spent_fen=20_000), make_member(session, spent_fen=100)
    segment = make_segment(session, now)

    assert living.refresh(session, segment, now) == 1
    assert inside(session, segment) == [rich.id]
    assert days(session, segment) == [(0, 0, 1)]  # the first look: nobody came today

    later = now + timedelta(hours=1)
    poor.spent_fen, rich.refunded_fen = 30_000, 15_000
    session.flush()
    assert living.refresh(session, segment, later) == 1
    assert inside(session, segment) == [poor.id]
    assert days(session, segment) == [(1, 1, 1)]
    assert living.recent(session, segment.id) == [(poor, later)]
    assert living.recent(session, segment.id, left=True) == [(rich, later)]

    back = now + timedelta(days=1)
    session.get_one(Member, rich.id).refunded_fen = 0
    session.flush()
    assert living.refresh(session, segment, back) == 2
    assert days(session, segment) == [(1, 1, 1), (1, 0, 2)]
    assert living.recent(session, segment.id, left=True) == []
    assert [day.came for day in living.days(session, segment.id, back)] == [1, 1]


def test_where_nothing_changed_a_refresh_only_reads(session: Session, now: datetime):
    for _ in range(3):
        make_member(session, spent_fen=20_000)
    segment = make_segment(session, now)
    living.refresh(session, segment, now)

    with statements(session.get_bind()) as told:
        found = living.refresh_slice(session, segment, after_id=0, now=now + timedelta(days=1))

    assert (found.last_id, found.came, found.went) == (None, 0, 0)
    assert [text.split()[0] for text in told] == ["SELECT", "SELECT"]


def test_slices_together_do_what_one_does(session: Session, now: datetime):
    people = [make_member(session, spent_fen=n % 2 * 20_000) for n in range(7)]
    make_member(session, merchant=make_merchant(session, code="other"), spent_fen=20_000)
    segment = make_segment(session, now)

    last, seen = 0, []
    while last is not None:
        done = living.refresh_slice(session, segment, after_id=last, now=now, limit=3)
        seen.append(done.came)
        last = done.last_id

    assert seen == [1, 2, 0]
    assert inside(session, segment) == [people[n].id for n in (1, 3, 5)]


def test_a_merged_member_goes(session: Session, now: datetime):
    winner, loser = (make_member(session, spent_fen=20_000) for _ in range(2))
    segment = make_segment(session, now)
    living.refresh(session, segment, now)

    merging.merge(session, winner_id=winner.id, loser_id=loser.id, now=now)
    living.refresh(session, segment, now + timedelta(hours=1))

    assert inside(session, segment) == [winner.id]


def test_a_segments_tag_is_on_its_members_only_and_hand_made_ones_stay(
    session: Session, now: datetime
):
    tag = make_tag(session, name="大客")
    rich, poor, friend = (make_member(session, spent_fen=fen) for fen in (20_000, 0, 0))
    tags.put(session, tag, [friend.id], actor="staff:1", now=now)
    segment = make_segment(session, now, tag_id=tag.id)

    living.refresh(session, segment, now)
    assert set(session.scalars(select(MemberTag.member_id))) == {rich.id, friend.id}

    rich.spent_fen, poor.spent_fen = 0, 20_000
    session.flush()
    living.refresh(session, segment, now + timedelta(hours=1))
    assert set(session.scalars(select(MemberTag.member_id))) == {poor.id, friend.id}

    living.refresh(session, segment, now + timedelta(hours=2))
    assert set(session.scalars(select(MemberTag.member_id))) == {poor.id, friend.id}


def scores(session: Session) -> dict[int, tuple[int, int, int]]:
    session.expire_all()
    return {
        row.member_id: (row.recency, row.frequency, row.monetary)
        for row in session.scalars(select(MemberScore))
    }


def scored_by_hand(facts: dict[int, tuple[int, ...]]) -> dict[int, tuple[int, ...]]:
    """1 + the whole fifths of the buyers who have strictly less."""

    def score(kind: int, own: int) -> int:
        less = sum(fact[kind] < own for fact in facts.values())
        return 1 + 5 * less // len(facts)

    return {
        id_: tuple(score(kind, own) for kind, own in enumerate(fact)) for id_, fact in facts.items()
    }


def check_scores(session: Session, now: datetime, drawn: list[tuple[int, int, int]]) -> None:
    facts = {}
    for ago, orders, fen in drawn:
        member = make_member(
            session,
            last_paid_at=now - timedelta(days=ago) if orders else None,
            orders_count=orders,
            spent_fen=fen,
        )
        if orders:
            facts[member.id] = (-ago, orders, fen)
    merchant_id = make_merchant(session).id

    changed = rfm.score(session, merchant_id, now)

    assert scores(session) == scored_by_hand(facts)
    assert changed == len(facts)
    assert rfm.score(session, merchant_id, now + timedelta(hours=1)) == 0
    cells = {(cell.recency, cell.frequency): cell for cell in rfm.grid(session, merchant_id)}
    by_hand = Counter(score[:2] for score in scored_by_hand(facts).values())
    assert {place: cell.members for place, cell in cells.items()} == by_hand
    assert sum(cell.spent_fen for cell in cells.values()) == sum(f[2] for f in facts.values())
    for (recency, frequency), number in by_hand.items():
        rule = rfm.cell_rule(recency, frequency)
        assert segments.count(session, rule, merchant_id, now) == number


_drawn = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 6), st.integers(0, 9)), max_size=12)
_quick = settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@_quick
@given(drawn=_drawn)
def test_scores_are_fifths_of_the_buyers(
    session: Session, now: datetime, drawn: list[tuple[int, int, int]]
):
    with session.begin_nested() as savepoint:
        check_scores(session, now, drawn)
        savepoint.rollback()
    session.expunge_all()


@pytest.mark.mariadb
def test_scores_and_comings_are_the_same_on_mariadb(mariadb_app: Flask, now: datetime):
    @settings(_quick, max_examples=6)
    @given(drawn=_drawn)
    def agree(drawn: list[tuple[int, int, int]]) -> None:
        with database.Session(database.db.engine) as session:
            check_scores(session, now, drawn)
            session.rollback()

    agree()
    for check in (
        test_comings_and_goings_are_written_down,
        test_a_segments_tag_is_on_its_members_only_and_hand_made_ones_stay,
    ):
        with database.Session(database.db.engine, expire_on_commit=False) as session:
            check(session, now)
            session.rollback()


def test_who_got_everything_back_loses_the_scores(session: Session, now: datetime):
    member = make_member(session, orders_count=1, spent_fen=100, last_paid_at=now)
    rfm.score(session, member.merchant_id, now)
    assert set(scores(session)) == {member.id}

    session.get_one(Member, member.id).orders_count = 0
    session.flush()

    assert rfm.score(session, member.merchant_id, now) == 1
    assert scores(session) == {}


def test_the_ready_made_groups_are_given_once_and_each_is_a_valid_rule(
    session: Session, now: datetime
):
    merchant = make_merchant(session)
    make_store(session)
    taken = lifecycle.PRESETS[0]
    segments.create(session, merchant.id, name=taken.name, rule=RICH, actor="staff:1", now=now)

    assert lifecycle.ensure(session, merchant.id, now) == len(lifecycle.PRESETS) - 1
    assert lifecycle.ensure(session, merchant.id, now) == 0

    for segment in segments.list_segments(session, merchant.id):
        assert segments.check(session, merchant.id, segment.rule) == {}
        assert segments.count(session, segment.rule, merchant.id, now) == 0
        assert segment.about or segment.preset is None


def test_a_segment_cannot_wear_the_tag_it_asks_for(session: Session, now: datetime):
    tag = make_tag(session, name="大客")
    member = make_member(session, spent_fen=20_000)
    segment = make_segment(session, now)
    segments.wear(session, segment, "大客", now)
    living.refresh(session, segment, now)
    assert session.scalars(select(MemberTag.member_id)).all() == [member.id]

    circle = {"field": "tag", "op": "has", "value": tag.id}
    with pytest.raises(RuleInvalid) as refused:
        segments.change(session, segment, name="大客", rule=circle, now=now)

    assert list(refused.value.errors) == ["tag"]
    assert segment.rule == RICH
    segments.wear(session, segment, "", now)
    assert segment.tag_id is None
    assert session.scalars(select(MemberTag.member_id)).all() == []
