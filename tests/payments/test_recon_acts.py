"""What people do about a discrepancy ends in the ledger with the figures that are true then."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import select

from core import database
from core.clock import now as clock_now
from core.security_events import SecurityEvent
from orders.models import Order, PaymentState
from payments import proof, refunding
from payments.errors import NothingToRefund, RefundNotStuck, RefundTooMuch
from payments.models import LedgerEntry, Refund, RefundState
from payments.models.statements import (
    Difference,
    Discrepancy,
    StatementDay,
    StatementKind,
    StatementState,
    StatementTotal,
)
from payments.recon import days, fixing, remote
from tests.payments.conftest import MCHID, Till
from tests.payments.test_failed_refunds import finish, restart
from tests.payments.test_recon import (
    DAY,
    NOON,
    booked,
    both,
    differences,
    find,
    number,
    paid,
    run,
    spoil,
    the_only,
)

__all__ = ["both"]

FILES = (StatementKind.trade, StatementKind.fund)


def ask_back(till: Till, order: Order, fen: int) -> Refund:
    with database.transaction() as session:
        mine = session.get_one(Order, order.id)
        return refunding.request(
            session, mine, fen, reason="少做", actor="staff:1", now=clock_now()
        )


def failed_here_done_there(till: Till, order: Order, fen: int) -> Refund:
    """We gave the refund up, and the channel did it all the same; nobody told us."""
    refund = ask_back(till, order, fen)
    assert till.run_jobs("payments.refund") == ["done"]
    with database.transaction() as session:
        assert refunding.fail(session, refund.id, "USER_ACCOUNT_ABNORMAL", clock_now())
    till.channel.decide_refund(refund.out_refund_no, "SUCCESS")
    till.channel.next_notice()  # lost
    kept = till.channel.world.ledger.refunds[f"{MCHID}|{refund.out_refund_no}"]
    kept.create_at = NOON.timestamp()
    return refund


def accept(kind: Difference | None = None) -> int:
    with database.transaction() as session:
        wanted = select(Discrepancy)
        if kind is not None:
            wanted = wanted.where(Discrepancy.kind == kind)
        found = session.scalars(wanted).one()
        options = {"note": "问过渠道了", "actor": "staff:1", "now": clock_now()}
        go: Callable[..., int] = fixing.accept
        return go(session, 1, found.id, **options)


def again(till: Till, day_id: int) -> StatementState:
    with database.transaction() as session:
        days.move(session, days.lock(session, day_id), StatementState.wanted)
    return run(till).state


def told() -> list[str]:
    with database.reading() as session:
        return list(session.scalars(select(SecurityEvent.kind)))


def waiting() -> int:
    """The newest discrepancy of a refund."""
    with database.reading() as session:
        found = select(Discrepancy.id).where(Discrepancy.refund_id.is_not(None))
        return session.scalars(found.order_by(Discrepancy.id.desc()).limit(1)).one()


def is_proven(order: Order) -> bool:
    with database.reading() as session:
        return proof.wrong_payments(session, range(order.id, order.id + 1)) == []


def at_channel() -> int:
    with database.reading() as session:
        rows = session.scalars(select(LedgerEntry))
        return sum(row.amount_fen for row in rows if row.account.startswith("channel:wechat"))


def test_a_failed_refund_that_went_through_is_booked_by_asking(both: Till) -> None:
    order = paid(both, 3_000)
    refund = failed_here_done_there(both, order, 1_000)
    day = run(both)
    assert [row[:2] + row[3:] for row in differences()] == [("state", "refund", "open", 1000, 1000)]

    assert remote.ask(both.cashier, 1, the_only().id, actor="staff:1", now=clock_now())

    (row,) = both.refunds(order)
    assert (row.state, row.error) == (RefundState.succeeded, "")
    assert both.attempts(order)[0].refunded_fen == 1_000
    assert both.read(order).payment_state is PaymentState.part_refunded
    assert booked("refund") == [("channel", -1_000), ("sales", 1_000)]
    assert is_proven(order)
    with pytest.raises(RefundTooMuch):
        ask_back(both, order, 2_001)
    assert refund.id == row.id
    assert again(both, day.id) is StatementState.matched


def test_a_failed_refund_that_went_through_is_booked_by_accepting_and_not_given_again(
    both: Till,
) -> None:
    order = paid(both, 3_000)
    failed_here_done_there(both, order, 3_000)
    run(both)

    assert accept() == 0  # its money was there to be taken: nobody's loss

    assert booked("refund", "loss") == [("channel", -3_000), ("sales", 3_000)]
    assert both.read(order).payment_state is PaymentState.refunded
    assert is_proven(order)
    with pytest.raises((NothingToRefund, RefundTooMuch)):
        ask_back(both, order, 1)


def test_what_was_given_back_otherwise_since_is_lost(both: Till) -> None:
    order = paid(both, 3_000)
    second = finish(failed_here_done_there(both, order, 3_000))
    run(both)
    assert not remote.ask(both.cashier, 1, the_only().id, actor="staff:1", now=clock_now())
    with database.reading() as session:
        kinds = session.scalars(select(SecurityEvent.kind)).all()
    assert kinds == ["refund_after_failure"]
    assert booked("loss") == []

    assert accept() == 3_000

    assert booked("loss") == [("channel", -3_000), ("loss", 3_000)]
    assert both.attempts(order)[0].refunded_fen == 3_000
    with database.reading() as session:
        assert session.get_one(Refund, second.id).state is RefundState.succeeded


@pytest.mark.parametrize("fen", [1_000, 3_000])
def test_what_was_asked_for_again_is_not_sent_once_the_first_turns_out_done(
    both: Till, fen: int
) -> None:
    order = paid(both, 3_000)
    first = failed_here_done_there(both, order, fen)
    second = restart(first)
    run(both)

    assert remote.ask(both.cashier, 1, waiting(), actor="staff:1", now=clock_now())

    assert both.run_jobs("payments.refund") == []
    assert [(r.state, r.error) for r in both.refunds(order)] == [
        (RefundState.succeeded, ""),
        (RefundState.failed, "DONE_BEFORE"),
    ]
    assert (both.read(order).refunded_fen, both.attempts(order)[0].refunded_fen) == (fen, fen)
    assert told() == []
    for act in (restart, finish):
        with pytest.raises(RefundNotStuck):
            act(second)
    if fen < 3_000:
        assert ask_back(both, order, fen).replaces_id is None


@pytest.mark.parametrize("fen", [1_000, 3_000])
def test_the_first_is_asked_after_once_more_before_the_second_is_sent(both: Till, fen: int) -> None:
    order = paid(both, 3_000)
    first = failed_here_done_there(both, order, fen)
    second = restart(first)

    assert both.run_jobs("payments.refund") == ["done"]

    assert f"{MCHID}|{second.out_refund_no}" not in both.channel.world.ledger.refunds
    assert [(r.state, r.error) for r in both.refunds(order)] == [
        (RefundState.succeeded, ""),
        (RefundState.failed, "DONE_BEFORE"),
    ]
    assert booked("refund") == [("channel", -fen), ("sales", fen)]
    assert (both.read(order).refunded_fen, both.attempts(order)[0].refunded_fen) == (fen, fen)
    assert told() == []


def test_the_second_waits_while_the_channel_is_at_the_first(both: Till) -> None:
    order = paid(both, 3_000)
    first = ask_back(both, order, 3_000)
    assert both.run_jobs("payments.refund") == ["done"]
    with database.transaction() as session:
        assert refunding.fail(session, first.id, "USER_ACCOUNT_ABNORMAL", clock_now())
    second = restart(first)

    assert both.run_jobs("payments.refund") == ["later"]
    assert both.refunds(order)[1].state is RefundState.requested
    both.channel.decide_refund(first.out_refund_no, "CLOSED")
    assert both.run_jobs("payments.refund") == ["done"]

    assert f"{MCHID}|{second.out_refund_no}" in both.channel.world.ledger.refunds
    assert [r.state for r in both.refunds(order)] == [RefundState.failed, RefundState.processing]


@contextmanager
def forgotten(till: Till, refund: Refund) -> Iterator[None]:
    """The channel does not know of it yet: it turns out done only after this."""
    kept = till.channel.world.ledger.refunds
    found = kept.pop(f"{MCHID}|{refund.out_refund_no}")
    yield
    kept[f"{MCHID}|{refund.out_refund_no}"] = found


@pytest.mark.parametrize("act", ["restart", "finish"])
def test_what_went_back_otherwise_before_the_first_turns_out_done_is_told(
    both: Till, act: str
) -> None:
    order = paid(both, 3_000)
    first = failed_here_done_there(both, order, 1_000)
    {"restart": restart, "finish": finish}[act](first)
    with forgotten(both, first):
        both.run_jobs("payments.refund")
    run(both)

    remote.ask(both.cashier, 1, waiting(), actor="staff:1", now=clock_now())

    assert told() == ["refund_after_failure"]
    assert both.attempts(order)[0].refunded_fen == 2_000


def test_what_may_have_been_sent_is_asked_for_and_not_sent_again(both: Till) -> None:
    order = paid(both, 3_000)
    first = failed_here_done_there(both, order, 1_000)
    second = restart(first)
    both.channel.fault(api="pay.refund", kind="error", code="NOT_ENOUGH")
    with forgotten(both, first):
        both.run_jobs("payments.refund")
    run(both)
    remote.ask(both.cashier, 1, waiting(), actor="staff:1", now=clock_now())
    assert told() == ["refund_after_failure"]

    assert both.run_jobs("payments.refund") == ["done"]

    assert [(r.state, r.error) for r in both.refunds(order)] == [
        (RefundState.succeeded, ""),
        (RefundState.failed, "DONE_BEFORE"),
    ]
    assert f"{MCHID}|{second.out_refund_no}" not in both.channel.world.ledger.refunds
    assert both.attempts(order)[0].refunded_fen == 1_000


def test_a_fee_that_the_channel_corrects_is_booked_by_its_difference(both: Till) -> None:
    order = paid(both, 3_000)
    refund_fee = {number(both, order): 30}
    spoil(both, fees_fen=refund_fee)
    day = run(both)
    assert booked("fee") == [("channel", -30), ("fee", 30)]

    for fee, more in ((None, -14), (25, 9), (25, 0), (0, -25)):
        spoil(both, **({} if fee is None else {"fees_fen": {number(both, order): fee}}))
        before = booked("fee")
        again(both, day.id)
        assert sum(row[1] for row in booked("fee") if row[0] == "fee") == (
            16 if fee is None else fee
        )
        assert len(booked("fee")) == len(before) + (2 if more else 0)
        with database.reading() as session:
            assert session.scalars(select(StatementTotal.fee_fen)).one() == (
                16 if fee is None else fee
            )
    with database.reading() as session:
        causes = session.scalars(select(LedgerEntry.cause).distinct().order_by(LedgerEntry.cause))
        fees = [cause for cause in causes if cause.startswith("fee:")]
    assert [cause.split(":")[2:] for cause in fees] == [[], ["2"], ["3"], ["4"]]


def test_what_was_given_up_is_taken_back_as_it_was_booked(both: Till) -> None:
    order = paid(both, 3_000)
    right = at_channel()
    spoil(both, amounts_fen={number(both, order): 2_900})
    day = run(both)
    assert accept(Difference.amount) == 100

    spoil(both, amounts_fen={number(both, order): 2_950})
    assert again(both, day.id) is StatementState.differs  # other figures: somebody decides anew
    assert sum(row[1] for row in booked("loss", "found") if row[0] == "loss") == 0
    assert accept(Difference.amount) == 50
    spoil(both)
    assert again(both, day.id) is StatementState.matched
    assert at_channel() - sum(row[1] for row in booked("fee") if row[0] == "channel") == right
    assert sum(row[1] for row in booked("loss", "found") if row[0] == "loss") == 0

    spoil(both, amounts_fen={number(both, order): 2_900})
    assert again(both, day.id) is StatementState.differs
    assert accept(Difference.amount) == 100
    with database.reading() as session:
        assert (
            session.scalars(
                select(Discrepancy.lost_fen).where(Discrepancy.kind == Difference.amount)
            ).one()
            == 100
        )
    assert sum(row[1] for row in booked("loss", "found") if row[0] == "loss") == 100


def account_of(till: Till, **wrongs: object) -> tuple[StatementDay, StatementDay]:
    """Both files of the day, matched."""
    spoil(till, **wrongs)
    return run(till), run(till, StatementKind.fund)


def test_both_files_of_a_day_are_fetched_again_together(both: Till) -> None:
    order = paid(both, 3_000)
    account_of(both, fees_fen={number(both, order): 116})
    assert [row[:2] + row[3:4] for row in differences()] == [("fee", "payment", "open")]
    spoil(both)

    remote.again(1, the_only().id, actor="staff:1", now=clock_now())

    assert both.run_jobs("payments.reconcile") == ["done", "done"]
    assert [row[:2] + row[3:4] for row in differences()] == [("fee", "payment", "fixed")]
    with database.reading() as session:
        states = session.scalars(select(StatementDay.state).where(StatementDay.day == DAY)).all()
    assert set(states) <= {StatementState.matched, StatementState.wanted}  # own books wait
    assert [find(kind).state for kind in FILES] == [StatementState.matched] * 2  # type: ignore[union-attr]


def test_what_is_known_of_an_account_stays_while_its_trades_are_missing(both: Till) -> None:
    order = paid(both, 3_000)
    run(both)
    spoil(both, fees_fen={number(both, order): 116})
    fund = run(both, StatementKind.fund)
    assert [row[:2] + row[3:4] for row in differences()] == [("fee", "day", "open")]

    with database.transaction() as session:
        for kind in FILES:
            found = find(kind)
            assert found is not None
            days.move(session, days.lock(session, found.id), StatementState.wanted)
    remote.reconcile(both.cashier, fund.id, clock_now())

    assert [row[:2] + row[3:4] for row in differences()] == [("fee", "day", "open")]
    run(both)
    assert [row[:2] + row[3:4] for row in differences()] == [
        ("fee", "day", "fixed"),
        ("fee", "payment", "open"),
    ]
