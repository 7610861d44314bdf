"""Tiers: rows of a merchant; up on a purchase, down on a refund or when the term is over."""

from datetime import date, datetime, timedelta

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from core.outbox import OutboxJob
from crm import merging, purchases, tiers
from crm.models import (
    BASE_TIER,
    Fall,
    GrowthEntry,
    Loyalty,
    Measure,
    Member,
    MemberEvent,
    TierMove,
)
from crm.tiers import Programme, Step, editing, keeping
from tests.factories.crm import make_member, make_merchant, make_order_id, make_store

STEPS = (
    Step("gold", 2, "金", 100_000),
    Step("silver", 1, "银", 30_000),
    Step(BASE_TIER, 0, "叶", 0),
)


def programme(session: Session, now: datetime, **rules: object) -> Programme:
    wanted = Programme(STEPS)._replace(**rules)
    editing.write(session, make_merchant(session).id, wanted, now)
    return wanted


def buy(session: Session, member: Member, fen: int, at: datetime) -> int:
    store = make_store(session)
    order_id = make_order_id(session, member, store, at=at)
    purchases.record_purchase(session, member.id, order_id, store.id, fen, at)
    session.refresh(member)
    return order_id


def moves(session: Session, member: Member) -> list[tuple[str, str, str]]:
    found = select(TierMove).where(TierMove.member_id == member.id).order_by(TierMove.id)
    return [(move.before, move.after, move.reason) for move in session.scalars(found)]


def test_a_merchant_without_rows_has_the_usual_tiers(session: Session) -> None:
    merchant = make_merchant(session)

    found = tiers.load(session, merchant.id)

    assert [found.earned(fen).name for fen in (0, 29_999, 30_000, 100_000, 300_000)] == [
        "青叶", "青叶", "银毫", "金芽", "墨岩",
    ]  # fmt: skip
    assert list(tiers.names(session, merchant.id).values()) == ["青叶", "银毫", "金芽", "墨岩"]


def test_what_is_written_is_what_is_read(session: Session, now: datetime) -> None:
    wanted = programme(session, now, measure=Measure.growth, window_days=365, fall=Fall.earned)

    assert tiers.load(session, make_merchant(session).id) == wanted


def test_a_purchase_that_reaches_a_tier_moves_up_and_is_told(
    session: Session, now: datetime
) -> None:
    programme(session, now, valid_days=365)
    member = make_member(session)

    buy(session, member, 29_999, now)
    assert member.tier == BASE_TIER
    buy(session, member, 1, now)

    assert (member.tier, member.tier_since) == ("silver", now)
    assert member.tier_until == now + timedelta(days=365)
    assert moves(session, member) == [(BASE_TIER, "silver", "paid")]
    told = session.scalars(select(MemberEvent).where(MemberEvent.kind == "tier_moved")).one()
    assert told.data == {"name": "银", "up": True}


def test_a_period_forgets_what_was_bought_before_it(session: Session, now: datetime) -> None:
    programme(session, now, window_days=180)
    member = make_member(session)

    buy(session, member, 29_000, now - timedelta(days=181))
    buy(session, member, 29_000, now)

    assert member.tier == BASE_TIER
    buy(session, member, 1_000, now)
    assert member.tier == "silver"


def test_growth_counts_more_than_money(session: Session, now: datetime) -> None:
    steps = (Step("silver", 1, "银", 100), Step(BASE_TIER, 0, "叶", 0))
    programme(session, now, measure=Measure.growth, steps=steps)
    member = make_member(session)
    session.add(GrowthEntry(member_id=member.id, growth=40, cause="sign:1", at=now))

    buy(session, member, 5_999, now)
    assert member.tier == BASE_TIER
    buy(session, member, 1, now)

    assert member.tier == "silver"


def test_a_refund_takes_back_only_what_it_had_earned(session: Session, now: datetime) -> None:
    programme(session, now)
    earned, given = make_member(session), make_member(session, tier="gold")

    order_id = buy(session, earned, 30_000, now)
    purchases.reverse_purchase(session, order_id, 1, now)
    small = buy(session, given, 30_000, now)
    purchases.reverse_purchase(session, small, 30_000, now)

    session.refresh(earned)
    session.refresh(given)
    assert (earned.tier, given.tier) == (BASE_TIER, "gold")
    assert moves(session, earned)[-1] == ("silver", BASE_TIER, "refunded")
    assert moves(session, given) == []


@pytest.mark.parametrize(("fall", "lower"), [(Fall.one_step, "silver"), (Fall.earned, BASE_TIER)])
def test_a_term_that_is_over_falls_after_its_grace(
    session: Session, now: datetime, fall: Fall, lower: str
) -> None:
    merchant_id = make_merchant(session).id
    programme(session, now, valid_days=365, grace_days=30, fall=fall)
    falls = make_member(session, tier="gold", tier_until=now)
    keeps = make_member(session, tier="silver", tier_until=now, spent_fen=30_000)

    assert keeping.review_due(session, merchant_id, now=now + timedelta(days=29)) == 0
    late = now + timedelta(days=30)
    assert keeping.review_due(session, merchant_id, now=late) == 2
    assert keeping.review_due(session, merchant_id, now=late) == 0

    session.refresh(falls)
    session.refresh(keeps)
    assert (falls.tier, keeps.tier) == (lower, "silver")
    assert keeps.tier_until == falls.tier_until == late + timedelta(days=365)
    assert moves(session, falls) == [("gold", lower, "expired")]
    assert moves(session, keeps) == []


def test_a_preview_counts_who_would_move_and_writes_nothing(
    session: Session, now: datetime
) -> None:
    merchant = make_merchant(session)
    programme(session, now)
    for spent, tier in ((0, BASE_TIER), (30_000, "silver"), (31_000, "silver"), (99_000, "silver")):
        make_member(session, spent_fen=spent, tier=tier)
    stricter = Programme((Step("gold", 2, "金", 90_000), Step("silver", 1, "银", 31_000), STEPS[2]))

    mild = editing.preview(session, merchant.id, stricter, may_fall=False, now=now)
    whole = editing.preview(session, merchant.id, stricter, may_fall=True, now=now)

    assert [(each.before, each.after, each.people, each.up) for each in mild] == [
        ("银", "金", 1, True)
    ]
    assert {(each.before, each.after, each.people) for each in whole} == {
        ("银", "金", 1),
        ("银", "叶", 1),
    }
    assert session.scalar(select(func.count()).select_from(TierMove)) == 0
    assert tiers.load(session, merchant.id).steps == STEPS


def test_what_the_preview_said_is_what_the_job_does(session: Session, now: datetime) -> None:
    merchant = make_merchant(session)
    programme(session, now)
    members = [make_member(session, spent_fen=fen, tier="silver") for fen in (0, 30_000, 99_000)]
    stricter = Programme((Step("gold", 1, "金", 90_000), STEPS[2]))

    editing.save(session, merchant.id, stricter, may_fall=True, actor="staff:1", now=now)
    said = editing.preview(session, merchant.id, stricter, may_fall=True, now=now)
    last = keeping.reweigh(session, merchant.id, after_id=0, may_fall=True, now=now, limit=2)
    assert last == members[1].id
    assert keeping.reweigh(session, merchant.id, after_id=last, may_fall=True, now=now) == 0

    for member in members:
        session.refresh(member)
    assert [member.tier for member in members] == [BASE_TIER, BASE_TIER, "gold"]
    assert sum(each.people for each in said) == 3
    assert session.scalars(select(OutboxJob.name)).all() == ["crm.reweigh_tiers"]
    assert editing.preview(session, merchant.id, stricter, may_fall=True, now=now) == []


@pytest.mark.parametrize(
    ("steps", "field"),
    [
        ((Step("", 1, "银", 5), Step("", 1, "金", 5), STEPS[2]), "threshold_1"),
        ((Step("", 1, "叶", 5), STEPS[2]), "name_0"),
    ],
)
def test_what_makes_no_sense_is_refused_by_field(
    session: Session, now: datetime, steps: tuple[Step, ...], field: str
) -> None:
    merchant = make_merchant(session)

    with pytest.raises(editing.TiersInvalid) as refused:
        editing.save(
            session, merchant.id, Programme(steps), may_fall=True, actor="staff:1", now=now
        )

    assert field in refused.value.errors
    assert session.scalar(select(func.count()).select_from(Loyalty)) == 0


def test_a_merge_keeps_the_higher_tier(session: Session, now: datetime) -> None:
    programme(session, now)
    winner = make_member(session, spent_fen=20_000)
    loser = make_member(session, tier="silver", spent_fen=20_000)

    merging.merge(session, winner_id=winner.id, loser_id=loser.id, now=now)

    session.refresh(winner)
    assert winner.tier == "silver"
    assert moves(session, winner) == [(BASE_TIER, "silver", "merged")]


def test_birthdays_of_a_tier_are_found(session: Session, now: datetime) -> None:
    merchant = make_merchant(session)
    born = make_member(session, birthday=date(1990, 11, 22), tier="gold")
    make_member(session, birthday=date(1990, 11, 22))
    make_member(session, birthday=date(1990, 11, 23), tier="gold")

    found = keeping.list_birthdays(session, merchant.id, "gold", now.date(), after_id=0)

    assert found == [born.id]
