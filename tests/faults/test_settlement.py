"""The worker dies while it closes a day: nothing of it is left, and the next run closes it once."""

from datetime import date

import pytest
from sqlalchemy import func, or_, select, text

from core.clock import business_day
from core.database import reading, transaction
from core.outbox import JobState, OutboxJob
from payments import accounts
from payments.models import DayState, LedgerEntry, SettlementDay, SettlementLine, StorePurse
from tasks.registry import find_job
from tasks.relay import lease
from tests.faults import money
from tests.faults.world import World, fetch, get_order, wait

pytestmark = [pytest.mark.faults, pytest.mark.mariadb]

TWO_DAYS = 2 * 86_400  # whatever the hour, a day is closed two days later
NAME = "payments.settle_days"


def test_a_worker_dies_while_it_closes_a_day(lone_world: World) -> None:
    before = a_day_of_business(lone_world, "断在日结里")
    lone_world.sandbox.advance(TWO_DAYS)
    wait(lambda: state_of(before) is DayState.closed, "the day before to be closed")
    day = a_day_of_business(lone_world, "断在下一天的日结里")
    earned = earned_fen()

    with transaction() as session:
        session.scalars(select(StorePurse).with_for_update()).all()
        lone_world.sandbox.advance(TWO_DAYS)
        # All of the day is written by then, but for what its stores have earned.
        wait(lambda: somebody_waits_for("store_purses"), "the worker to be in the middle")
        lone_world.tree.kill("worker-1")
    wait(lambda: not somebody_waits_for("store_purses"), "the dead worker to be forgotten")
    assert state_of(day) is DayState.open
    assert lines_of(day) == []
    assert earned_fen() == earned
    lone_world.tree.start_worker("worker-1")
    lone_world.sandbox.advance(lease(find_job(NAME)).total_seconds() + 1)

    wait(lambda: state_of(day) is DayState.closed, "the day to be closed")
    jobs = select(OutboxJob.id).where(OutboxJob.name == NAME, OutboxJob.state != JobState.done)
    wait(lambda: fetch(jobs) == [], "every job of it to be done")
    for each in (before, day):
        assert_closed_once(each)
    assert earned_fen() == booked_fen() > earned


def a_day_of_business(world: World, name: str) -> date:
    """The day on which somebody has just paid for a cup."""
    paid_at = get_order(money.paid(world, world.guest(name))).paid_at
    assert paid_at is not None
    return business_day(paid_at)


def somebody_waits_for(table: str) -> bool:
    """Whether a statement about this table is held up by a lock."""
    waiting = text(
        "SELECT COUNT(*) FROM information_schema.innodb_trx"
        " WHERE trx_state = 'LOCK WAIT' AND trx_query LIKE :about"
    )
    with reading() as session:
        return bool(session.scalar(waiting, {"about": f"%{table}%"}))


def earned_fen() -> int:
    """What the stores have earned, as they were told."""
    return int(fetch(select(func.coalesce(func.sum(StorePurse.earned_fen), 0)))[0])


def booked_fen() -> int:
    """The same, as the ledger has it of the days that are closed."""
    sold = [f"{kind}:%" for kind in (accounts.SALES, *accounts.COSTS)]
    closed = select(SettlementDay.day).where(SettlementDay.state == DayState.closed)
    booked = select(func.coalesce(func.sum(-LedgerEntry.amount_fen), 0)).where(
        or_(*(LedgerEntry.account.like(like) for like in sold)), LedgerEntry.day.in_(closed)
    )
    return int(fetch(booked)[0])


def assert_closed_once(day: date) -> None:
    """What the statement says is what the ledger has, to the fen, in each of its lines."""
    (statement,) = fetch(select(SettlementDay).where(SettlementDay.day == day))
    mine = SettlementLine.settlement_day_id == statement.id
    kept = select(
        SettlementLine.account,
        func.sum(SettlementLine.amount_fen),
        func.sum(SettlementLine.entries),
    )
    live = select(LedgerEntry.account, func.sum(LedgerEntry.amount_fen), func.count())
    named = fetch(kept.where(mine).group_by(SettlementLine.account))
    assert sorted(named) == sorted(
        fetch(live.where(LedgerEntry.day == day).group_by(LedgerEntry.account))
    )
    at_channels = [amount for account, amount, _ in named if account.startswith("channel:")]
    assert statement.net_fen == sum(at_channels)
    assert statement.taken_fen > 0


def state_of(day: date) -> DayState | None:
    found = fetch(select(SettlementDay.state).where(SettlementDay.day == day))
    return DayState(found[0]) if found else None


def lines_of(day: date) -> list[int]:
    of_day = SettlementDay.id == SettlementLine.settlement_day_id
    return fetch(
        select(SettlementLine.id).join(SettlementDay, of_day).where(SettlementDay.day == day)
    )
