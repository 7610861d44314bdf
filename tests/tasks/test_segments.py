"""Jobs of segments: the groups every merchant has, who is in them, the scores they read."""

from flask import Flask
from sqlalchemy import select

from core import clock
from core.database import reading, transaction
from core.outbox import OutboxJob
from crm.models import MemberScore, Segment, SegmentMember
from crm.segments import lifecycle
from tests.factories.crm import make_member, make_merchant
from tests.working import run_inline


def test_a_new_merchant_has_the_groups_and_knows_who_is_in_them(app: Flask) -> None:
    with transaction() as session:
        merchant = make_merchant(session)
        once = make_member(session, orders_count=1, spent_fen=2_000, last_paid_at=clock.now())

    run_inline("crm.score_buyers", merchant_id=merchant.id)
    run_inline("crm.refresh_segments")
    with reading() as session:
        ids = session.scalars(select(Segment.id)).all()
        asked = select(OutboxJob.args).where(OutboxJob.name == "crm.refresh_segment")
        assert [args["segment_id"] for args in session.scalars(asked)] == list(ids)
    for segment_id in ids:
        run_inline("crm.refresh_segment", segment_id=segment_id)

    with reading() as session:
        segments = session.scalars(select(Segment)).all()
        assert len(segments) == len(lifecycle.PRESETS)
        assert all(segment.refreshed_at is not None for segment in segments)
        inside = {segment.preset for segment in segments if segment.members_count}
        assert inside == {"second_due"}
        assert session.scalars(select(SegmentMember.member_id)).all() == [once.id]
        score = session.scalars(select(MemberScore)).one()
        assert (score.recency, score.frequency, score.monetary) == (1, 1, 1)


def test_a_refresh_that_died_half_way_is_finished_by_the_next(app: Flask) -> None:
    rule = {"field": "orders", "op": "<=", "value": 0}
    with transaction() as session:
        merchant, now = make_merchant(session), clock.now()
        first, second = (make_member(session) for _ in range(2))
        values = {"created_by": "staff:1", "created_at": now, "updated_at": now}
        segment = Segment(merchant_id=merchant.id, name="没下单", rule=rule, **values)
        session.add(segment)
        session.flush()
        session.add(SegmentMember(segment_id=segment.id, member_id=first.id, entered_at=now))

    run_inline("crm.refresh_segment", segment_id=segment.id)
    run_inline("crm.refresh_segment", segment_id=segment.id)

    with reading() as session:
        kept = session.execute(select(SegmentMember.member_id, SegmentMember.left_at)).all()
        assert [tuple(row) for row in kept] == [(first.id, None), (second.id, None)]
        assert session.get_one(Segment, segment.id).members_count == 2
