"""Stored value: credited once, kept and spent, given back; principal and bonus apart."""

from datetime import UTC, datetime

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select
from sqlalchemy.orm import Session

from core import database, rows
from core.errors import LinliError
from core.outbox import OutboxJob
from crm import balance, merging, tiers
from crm.journeys import hearing
from crm.models import BalanceLot, Member, MemberEvent
from crm.tiers import editing
from tests.factories.crm import make_member, make_order_id, make_store
from tests.factories.journeys import make_journey, plan, runs_of

NOW = datetime(2026, 11, 22, 4, 0, tzinfo=UTC)


def top_up(session: Session, member: Member, paid: int, bonus: int) -> int:
    order_id = make_order_id(session, member, make_store(session))
    given_ = {"paid_fen": paid, "bonus_fen": bonus, "now": NOW}
    assert balance.credit(session, member.id, order_id, **given_)
    assert not balance.credit(session, member.id, order_id, **given_)
    return order_id


def has(session: Session, member: Member) -> tuple[int, int]:
    session.refresh(member)
    ids = range(member.id, member.id + 1)
    assert balance.list_unbalanced(session, ids) == []
    return member.balance_fen, member.balance_bonus_fen


def lots(session: Session) -> list[tuple[int, int]]:
    query = select(BalanceLot.principal_fen, BalanceLot.bonus_fen).order_by(BalanceLot.id)
    return [(principal, bonus) for principal, bonus in session.execute(query)]


def test_the_oldest_is_spent_first_and_the_principal_before_the_bonus(session: Session) -> None:
    member = make_member(session)
    top_up(session, member, 10_000, 2_000)
    top_up(session, member, 5_000, 0)
    assert has(session, member) == (17_000, 2_000)

    assert balance.freeze(session, member.id, "order:1", 11_000, now=NOW)
    assert not balance.freeze(session, member.id, "order:1", 11_000, now=NOW)
    assert lots(session) == [(0, 1_000), (5_000, 0)]
    assert balance.freeze(session, member.id, "order:2", 3_000, now=NOW)
    assert lots(session) == [(0, 0), (3_000, 0)]

    balance.capture(session, "order:1", now=NOW)
    with pytest.raises(rows.NotMoved):
        balance.capture(session, "order:1", now=NOW)
    assert balance.release(session, "order:2", now=NOW)
    assert not balance.release(session, "order:2", now=NOW)
    assert lots(session) == [(0, 1_000), (5_000, 0)]
    assert has(session, member) == (6_000, 1_000)


@pytest.mark.parametrize("amount", [12_001, 0, -5])
def test_more_than_there_is_is_refused(session: Session, amount: int) -> None:
    member = make_member(session)
    top_up(session, member, 10_000, 2_000)

    with pytest.raises(balance.NotEnoughBalance):
        balance.freeze(session, member.id, "order:1", amount, now=NOW)

    assert lots(session) == [(10_000, 2_000)]
    assert has(session, member) == (12_000, 2_000)


def test_a_refund_takes_principal_and_the_same_part_of_the_bonus(session: Session) -> None:
    member = make_member(session)
    order_id = top_up(session, member, 10_000, 2_000)
    balance.freeze(session, member.id, "order:1", 4_000, now=NOW)

    assert balance.refundable_fen(session, order_id) == 6_000
    with pytest.raises(balance.PrincipalSpent) as refused:
        balance.take_back(session, order_id, 6_001, "refund:1", now=NOW)
    assert refused.value.extra == {"left_fen": 6_000}

    assert balance.take_back(session, order_id, 1_000, "refund:1", now=NOW) == 334
    assert has(session, member) == (6_666, 1_666)
    assert balance.undo_take_back(session, order_id, "refund:1", now=NOW)
    assert not balance.undo_take_back(session, order_id, "refund:1", now=NOW)
    assert has(session, member) == (8_000, 2_000)
    assert balance.take_back(session, order_id, 6_000, "refund:2", now=NOW) == 2_000
    assert has(session, member) == (0, 0)


def spend(session: Session, member: Member, cause: str, fen: int) -> None:
    balance.freeze(session, member.id, cause, fen, now=NOW)
    balance.capture(session, cause, now=NOW)


def test_falling_low_is_told_once(session: Session) -> None:
    member = make_member(session)
    top_up(session, member, 5_000, 0)

    balance.freeze(session, member.id, "given up", 4_000, now=NOW)
    balance.release(session, "given up", now=NOW)
    for cause, fen in (("a", 3_000), ("b", 1), ("c", 1)):
        spend(session, member, cause, fen)

    low = session.scalars(select(MemberEvent.data).where(MemberEvent.kind == "balance_low")).all()
    assert low == [{"balance_fen": 1_999}]


def test_each_fall_below_the_shops_own_line_is_told(session: Session) -> None:
    member = make_member(session)
    rules = tiers.DEFAULTS._replace(balance_low_fen=3_000)
    editing.write(session, member.merchant_id, rules, NOW)
    top_up(session, member, 5_000, 0)

    spend(session, member, "a", 2_000)
    spend(session, member, "b", 1)
    spend(session, member, "c", 1)
    top_up(session, member, 1_000, 0)
    spend(session, member, "d", 1_500)
    editing.write(session, member.merchant_id, rules._replace(balance_low_fen=0), NOW)
    spend(session, member, "e", 2_498)

    low = session.scalars(select(MemberEvent.data).where(MemberEvent.kind == "balance_low")).all()
    assert low == [{"balance_fen": 2_999}, {"balance_fen": 2_498}]


def test_a_journey_meets_whoever_fell_low(session: Session) -> None:
    member = make_member(session)
    hello = {"kind": "message", "text": "余额不多了"}
    journey = make_journey(session, plan(hello, trigger={"kind": "low_balance"}))
    top_up(session, member, 5_000, 0)

    for cause in "ab":
        spend(session, member, cause, 3_500 if cause == "a" else 1)

    (job,) = session.scalars(select(OutboxJob.args).where(OutboxJob.name == "crm.journey_heard"))
    assert (job["kind"], job["data"]) == ("balance_low", {"balance_fen": 1_500})
    hearing.heard(session, member.id, job["kind"], at=NOW, data=job["data"], now=NOW)
    assert len(runs_of(session, journey, member)) == 1


def test_a_merge_carries_it_over(session: Session) -> None:
    winner, loser = make_member(session), make_member(session)
    top_up(session, winner, 1_000, 100)
    top_up(session, loser, 5_000, 500)

    merging.merge(session, winner_id=winner.id, loser_id=loser.id, now=NOW)

    assert has(session, winner) == (6_600, 600)
    assert has(session, loser) == (0, 0)


ACTS = st.lists(
    st.tuples(
        st.sampled_from(["top_up", "freeze", "capture", "release", "refund"]), st.integers(1, 900)
    ),
    max_size=12,
)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(acts=ACTS)
def test_snapshot_ledger_and_lots_agree_whatever_happens(
    app: Flask, acts: list[tuple[str, int]]
) -> None:
    with database.Session(database.db.engine, expire_on_commit=False) as session:
        member = make_member(session)
        orders: list[int] = []
        for number, (act, size) in enumerate(acts):
            last = f"k{number - 1}"
            try:
                if act == "top_up":
                    orders.append(top_up(session, member, size, size // 3))
                elif act == "freeze":
                    balance.freeze(session, member.id, f"k{number}", size, now=NOW)
                elif act == "capture":
                    balance.capture(session, last, now=NOW)
                elif act == "release":
                    balance.release(session, last, now=NOW)
                elif orders:
                    balance.take_back(session, orders[-1], size, f"r{number}", now=NOW)
            except (LinliError, rows.NotMoved):
                pass
            whole, bonus = has(session, member)
            assert 0 <= bonus <= whole
        session.rollback()


def test_parts_go_back_where_they_came_from_until_all_is_back(session: Session) -> None:
    member = make_member(session)
    top_up(session, member, 10_000, 2_000)
    top_up(session, member, 5_000, 0)
    balance.freeze(session, member.id, "attempt:1", 13_000, now=NOW)
    with pytest.raises(balance.NothingKept):  # kept is not spent
        balance.give_back(session, "attempt:1", 1, refund="refund:1", now=NOW)
    balance.capture(session, "attempt:1", now=NOW)

    first = balance.give_back(session, "attempt:1", 6_500, refund="refund:1", now=NOW)

    assert first == (5_500, 1_000)
    assert lots(session) == [(5_000, 1_000), (4_500, 0)]
    assert balance.give_back(session, "attempt:1", 6_500, refund="refund:1", now=NOW) is None
    with pytest.raises(balance.NothingKept) as refused:
        balance.give_back(session, "attempt:1", 6_501, refund="refund:2", now=NOW)
    assert refused.value.extra == {"away_fen": 6_500}
    assert has(session, member) == (10_500, 1_000)
    assert balance.release(session, "attempt:1", now=NOW)
    assert not balance.release(session, "attempt:1", now=NOW)
    assert lots(session) == [(10_000, 2_000), (5_000, 0)]
    assert has(session, member) == (17_000, 2_000)


@given(st.lists(st.integers(1, 40), min_size=1, max_size=6), st.data())
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_however_it_goes_back_in_the_end_every_lot_is_as_it_was(
    session: Session, backs: list[int], data: st.DataObject
) -> None:
    member = make_member(session)
    for _ in range(2):
        top_up(session, member, data.draw(st.integers(1, 60)), data.draw(st.integers(0, 30)))
    before, cause = lots(session)[-2:], f"attempt:{member.id}"
    held = has(session, member)
    amount = data.draw(st.integers(1, held[0]))
    balance.freeze(session, member.id, cause, amount, now=NOW)
    balance.capture(session, cause, now=NOW)

    left = amount
    for number, wanted in enumerate([*backs, amount]):
        if fen := min(wanted, left):
            balance.give_back(session, cause, fen, refund=f"refund:{number}", now=NOW)
            left -= fen
        assert has(session, member)[0] == held[0] - left
        own, bonus = zip(*lots(session)[-2:], strict=True)
        assert all(now <= then[0] for now, then in zip(own, before, strict=True))
        assert all(now <= then[1] for now, then in zip(bonus, before, strict=True))

    assert (lots(session)[-2:], has(session, member)) == (before, held)
