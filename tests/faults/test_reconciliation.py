"""The worker dies while it waits for a bill: the next run fetches it and matches the day once."""

from typing import NamedTuple

import pytest
from sqlalchemy import func, select, update

from core.clock import business_day
from core.database import transaction
from core.outbox import JobState, OutboxJob, enqueue
from payments.models import LedgerEntry, RefundState
from payments.models.statements import (
    Discrepancy,
    StatementDay,
    StatementKind,
    StatementLine,
    StatementState,
)
from tasks.registry import find_job
from tasks.relay import lease
from tests.faults import money
from tests.faults.test_payment_killed import HANGING, kill_worker_during
from tests.faults.world import World, fetch, get_order, wait

pytestmark = [pytest.mark.faults, pytest.mark.mariadb]

TWO_DAYS = 2 * 86_400  # whatever the hour, the bill of a day is there two days later
NAME = "payments.reconcile"


class Books(NamedTuple):
    """Everything that one look at a bill leaves behind."""

    state: StatementState
    paid_fen: int
    refunded_fen: int
    fee_fen: int
    lines: int
    fees: list[tuple[str, str, int]]  # cause, account, fen
    differences: int


def test_a_worker_dies_while_it_waits_for_a_bill(lone_world: World) -> None:
    day_id, no = a_day_that_is_matched(lone_world)
    before = books_of(day_id, no)
    order = get_order(no)
    assert (before.state, before.paid_fen) == (StatementState.matched, order.paid_fen)
    assert (before.refunded_fen, before.lines) == (order.paid_fen, 2)
    assert len(before.fees) == 4  # the fee and what came back of it, two sides each
    lone_world.fault("pay.tradebill", "late_answer", seconds=HANGING)

    def ask() -> None:
        with transaction() as session:
            again = update(StatementDay).where(StatementDay.id == day_id)
            session.execute(again.values(state=StatementState.wanted))
            enqueue(session, NAME, key="killed", day_id=day_id)

    kill_worker_during(lone_world, "pay.tradebill", ask)
    assert states("killed") == [JobState.pushed]
    assert books_of(day_id, no).state is StatementState.wanted
    lone_world.tree.start_worker("worker-1")
    job = find_job(NAME)
    assert job is not None
    lone_world.sandbox.advance(lease(job).total_seconds() + 1)

    wait(lambda: states("killed") == [JobState.done], "the day to be reconciled")
    assert books_of(day_id, no) == before


def a_day_that_is_matched(world: World) -> tuple[int, str]:
    """The day of a payment that was given back, once nobody looks for a bill any more."""
    guest = world.guest("断在对账里")
    no = money.paid(world, guest)
    money.refund(world, no)
    done = [RefundState.succeeded]
    wait(lambda: [refund.state for refund in money.refunds_of(no)] == done, "the refund")
    world.sandbox.advance(TWO_DAYS)
    paid_at = get_order(no).paid_at
    assert paid_at is not None
    day = select(StatementDay.id).where(
        StatementDay.channel == "wechat",
        StatementDay.kind == StatementKind.trade,
        StatementDay.day == business_day(paid_at),
        StatementDay.state == StatementState.matched,
    )
    (day_id,) = wait(lambda: fetch(day), "the bill of the day")
    wait(lambda: set(states()) == {JobState.done}, "every bill that is there")
    return day_id, no


def states(key: str | None = None) -> list[JobState]:
    """Of the jobs that reconcile a day; only of the one with this key."""
    asked = select(OutboxJob.state).where(OutboxJob.name == NAME)
    return fetch(asked if key is None else asked.where(OutboxJob.key == key))


def books_of(day_id: int, no: str) -> Books:
    (day,) = fetch(select(StatementDay).where(StatementDay.id == day_id))
    fees = select(LedgerEntry.cause, LedgerEntry.account, LedgerEntry.amount_fen).where(
        LedgerEntry.order_id == get_order(no).id, LedgerEntry.cause.like("fee%")
    )
    (lines,) = fetch(select(func.count()).where(StatementLine.day_id == day_id))
    (differences,) = fetch(select(func.count()).where(Discrepancy.day_id == day_id))
    return Books(
        day.state,
        day.paid_fen,
        day.refunded_fen,
        day.fee_fen,
        lines,
        sorted(fetch(fees)),
        differences,
    )
