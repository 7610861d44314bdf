"""Alipay's and UnionPay's bills against what we keep, fetched and read as their files come."""

from datetime import timedelta

import pytest
from sqlalchemy import select, update

from core import clock, database
from orders.models import Order
from payments import refunding
from payments.models import PaymentAttempt, Refund, RefundState
from payments.models.statements import Discrepancy, StatementKind, StatementLine, StatementState
from payments.recon import days, remote
from tests.payments.conftest import Post, Till
from tests.payments.test_channels import ACCOUNTS, paid, tell
from tests.payments.test_recon import DAY, MORNING, NOON, want


@pytest.mark.parametrize("name", ["alipay", "unionpay"])
def test_a_day_of_a_payment_and_its_refund_matches(till: Till, post: Post, name: str) -> None:
    order = paid(till, post, name)
    with database.transaction() as session:
        mine = session.get_one(Order, order.id)
        refunding.request(session, mine, 1000, "少了一杯", "staff:1", clock.now())
    till.run_jobs("payments.refund")
    till.channel.world.clock.advance(2)
    tell(till, till.channel.next_notice())
    assert till.refunds(order)[0].state is RefundState.succeeded
    world, at = till.channel.world, NOON.timestamp()
    for trade in world.trades.trades.values():
        trade.paid_at = at
        for each in trade.refunds.values():
            each["at"] = at
    for move in world.moves.moves.values():
        move.at = at
    with database.transaction() as session:
        session.execute(update(PaymentAttempt).values(settled_at=NOON))
        session.execute(update(Order).where(Order.id == order.id).values(paid_at=NOON))
        session.execute(update(Refund).values(settled_at=NOON + timedelta(seconds=1)))

    want(till)
    with database.reading() as session:
        day = days.find(session, name, ACCOUNTS[name], DAY, StatementKind.trade)
    assert day is not None
    remote.reconcile(till.cashier, day.id, MORNING)

    with database.reading() as session:
        day = days.find(session, name, ACCOUNTS[name], DAY, StatementKind.trade)
        lines = session.scalars(select(StatementLine)).all()
        differing = [(d.kind, d.about) for d in session.scalars(select(Discrepancy))]
    assert day is not None
    assert (differing, day.state) == ([], StatementState.matched)
    assert len(lines) == 2
