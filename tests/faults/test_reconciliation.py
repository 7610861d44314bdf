"""The worker dies while it waits for a bill: the next one fetches it, and the day is matched."""

import pytest
from sqlalchemy import select, update

import gateways
from core import clock
from core.database import transaction
from core.outbox import JobState, OutboxJob, enqueue
from payments.models.statements import StatementDay, StatementKind, StatementState
from payments.recon import days, remote
from tests.faults.test_campaigns import PAST_EVERY_LEASE
from tests.faults.test_payment_killed import HANGING, kill_worker_during
from tests.faults.world import World, fetch, wait

pytestmark = [pytest.mark.faults, pytest.mark.mariadb]


def test_a_worker_dies_while_it_waits_for_a_bill(lone_world: World) -> None:
    day_id = wanted_anew()
    lone_world.fault("pay.tradebill", "late_answer", seconds=HANGING)

    def ask() -> None:
        with transaction() as session:
            enqueue(session, "payments.reconcile", key="killed", day_id=day_id)

    kill_worker_during(lone_world, "pay.tradebill", ask)
    assert state_of(day_id) is StatementState.wanted
    lone_world.tree.start_worker("worker-1")
    lone_world.sandbox.advance(PAST_EVERY_LEASE)

    job = select(OutboxJob.state).where(OutboxJob.key == "killed")
    wait(lambda: fetch(job) == [JobState.done], "the day to be reconciled")
    assert state_of(day_id) is StatementState.matched


def wanted_anew() -> int:
    """The newest day of WeChat's whose bill should be there, as if nobody had asked for it."""
    with transaction() as session:
        days.want(session, remote.accounts(gateways.cashier()), now=clock.now())
        found = (
            select(StatementDay.id)
            .where(StatementDay.channel == "wechat", StatementDay.kind == StatementKind.trade)
            .order_by(StatementDay.day.desc(), StatementDay.id)
            .limit(1)
        )
        day_id = session.scalars(found).one()
        again = update(StatementDay).where(StatementDay.id == day_id)
        session.execute(again.values(state=StatementState.wanted, told_at=None))
        return day_id


def state_of(day_id: int) -> StatementState:
    (state,) = fetch(select(StatementDay.state).where(StatementDay.id == day_id))
    return StatementState(state)
