"""A job for each: nobody's failure holds up the others, and nothing piles up behind slow work."""

from datetime import date, timedelta

import pytest
from flask import Flask
from sqlalchemy import select, update

from core import clock
from core.database import reading, transaction
from core.outbox import JobState, OutboxJob
from coupons.models import Coupon, CouponTemplate
from crm.models import Member
from crm.tiers import birthdays, keeping
from tasks.each import Turns, each
from tasks.registry import Later, Run
from tests.factories.coupons import make_template
from tests.factories.crm import make_member, make_merchant
from tests.working import run_inline


def asked(name: str) -> list[tuple[str, dict[str, int]]]:
    with reading() as session:
        found = select(OutboxJob.state, OutboxJob.args).where(
            OutboxJob.name == name, OutboxJob.key.is_not(None)
        )
        return [(state.value, args) for state, args in session.execute(found)]


def ask(ids: list[int]) -> None:
    """What a periodic job does, a minute after the last."""
    with transaction() as session:
        row = OutboxJob(name="test.ask", args={}, run_at=clock.now(), created_at=clock.now())
        row.state, row.attempt = JobState.pushed, 1
        session.add(row)
        session.flush()
    each(Run(row.id, 1), "test.one", "journey_id", ids, slowly=1)


def test_whoever_is_not_through_is_left_out(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    began = clock.now()
    ask([1, 2, 12])
    with transaction() as session:
        mine = OutboxJob.key.like("test.one:1:%")
        session.execute(update(OutboxJob).where(mine).values(state=JobState.dead))
    monkeypatch.setattr(clock, "now", lambda: began + timedelta(minutes=1))

    ask([1, 2, 12])

    assert asked("test.one") == [
        ("dead", {"journey_id": 1, "slowly": 1}),
        ("waiting", {"journey_id": 2, "slowly": 1}),
        ("waiting", {"journey_id": 12, "slowly": 1}),
        ("waiting", {"journey_id": 1, "slowly": 1}),
    ]


def test_a_long_piece_of_work_makes_room_for_others() -> None:
    turns = Turns(2)
    turns.next()
    turns.next()
    with pytest.raises(Later) as later:
        turns.next()
    assert later.value.seconds == 0


def test_segments_of_which_a_refresh_waits_are_not_asked_for_again(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    with transaction() as session:
        make_merchant(session)
    began = clock.now()
    run_inline("crm.refresh_segments")
    first = asked("crm.refresh_segment")
    monkeypatch.setattr(clock, "now", lambda: began + timedelta(minutes=10))
    run_inline("crm.refresh_segments")

    assert first
    assert asked("crm.refresh_segment") == first


def test_birthdays_of_days_that_nothing_ran_on_are_made_up_for(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    with transaction() as session:
        merchant = make_merchant(session)
    monkeypatch.setattr(keeping, "birthday_templates", lambda *_: {"base": 1})
    today = clock.business_day(clock.now())

    run_inline("crm.give_birthday_coupons")
    run_inline("crm.give_birthday_coupons")

    assert [args for _, args in asked("crm.birthdays_of")] == [
        {"merchant_id": merchant.id, "day": (today - timedelta(days=ago)).isoformat()}
        for ago in (0, 1, 2)
    ]


def test_a_birthday_coupon_goes_as_far_as_its_total_and_once_a_year(app: Flask) -> None:
    day, now = date(2026, 11, 20), clock.now()
    with transaction() as session:
        merchant = make_merchant(session)
        born = [make_member(session).id for _ in range(4)]
        template = make_template(session, merchant, total_limit=3)

    def give() -> bool:
        with transaction() as session:
            return birthdays.give(session, template.id, born, day, now=now)

    assert give() is False
    assert give() is False
    with transaction() as session:
        session.execute(update(CouponTemplate).values(total_limit=9))
    assert give() is True
    assert give() is True

    with transaction() as session:
        other = make_template(session, merchant)
    with transaction() as session:  # they have risen meanwhile: the other tier gives another coupon
        assert birthdays.give(session, other.id, born, day, now=now) is True

    with reading() as session:
        assert session.scalars(select(Coupon.member_id).order_by(Coupon.id)).all() == born
        assert session.scalars(select(CouponTemplate.issued_count)).all() == [4, 0]
        assert session.scalars(select(Member.id)).all() == born
