"""The worker dies while it closes a day: the days before it stay closed, the next run closes it."""

import pytest
from sqlalchemy import func, select

from core.clock import business_day
from core.database import transaction
from core.outbox import JobState, OutboxJob
from payments import accounts
from payments.models import DayState, LedgerEntry, SettlementDay, SettlementLine, StorePurse
from payments.settlement import holding
from tests.faults import money
from tests.faults.world import World, fetch, get_order, wait

pytestmark = [pytest.mark.faults, pytest.mark.mariadb]

DAY = 86_400
PAST_ITS_LEASE = 4_000  # it may take half an hour


def test_a_worker_dies_while_it_closes_days(world: World) -> None:
    guest = world.guest("断在日结里")
    first = money.paid(world, guest)
    world.sandbox.advance(DAY)
    guest.log_in()
    second = money.paid(world, guest)
    merchant_id, paid_at = get_order(second).merchant_id, get_order(second).paid_at
    assert paid_at is not None
    day, before = business_day(paid_at), business_day(get_order(first).paid_at or paid_at)
    with transaction() as session:
        holding.open_day(session, merchant_id, day, now=paid_at)
    (held,) = fetch(select(SettlementDay.id).where(SettlementDay.day == day))

    with transaction() as session:
        session.get_one(SettlementDay, held, with_for_update=True)
        world.sandbox.advance(2 * DAY)
        wait(lambda: state_of(before) is DayState.closed, "the day before to be closed")
        world.tree.kill("worker-1")
    assert state_of(day) is DayState.open
    world.tree.start_worker("worker-1")
    world.sandbox.advance(PAST_ITS_LEASE)

    wait(lambda: state_of(day) is DayState.closed, "the day to be closed")
    jobs = select(OutboxJob.id).where(
        OutboxJob.name == "payments.settle_days", OutboxJob.state != JobState.done
    )
    wait(lambda: fetch(jobs) == [], "every job of it to be done")
    for each in (before, day):
        assert_closed_once(each)
    earned = select(func.coalesce(func.sum(StorePurse.earned_fen), 0))
    sold = [f"{kind}:%" for kind in (accounts.SALES, *accounts.COSTS)]
    closed = select(SettlementDay.day).where(SettlementDay.state == DayState.closed)
    booked = [
        fetch(
            select(func.coalesce(func.sum(-LedgerEntry.amount_fen), 0)).where(
                LedgerEntry.account.like(like), LedgerEntry.day.in_(closed)
            )
        )[0]
        for like in sold
    ]
    assert fetch(earned) == [sum(booked)]


def assert_closed_once(day: object) -> None:
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


def state_of(day: object) -> DayState | None:
    found = fetch(select(SettlementDay.state).where(SettlementDay.day == day))
    return DayState(found[0]) if found else None
