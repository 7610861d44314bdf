"""A payment belongs to the day on which it was paid, whenever we hear of it; its fee too."""

from datetime import date, datetime, timedelta

import pytest
from sqlalchemy import select, update

from core import database
from core.clock import day_bounds
from orders.models import Order
from payments import attempts, remote
from payments.models import AttemptState, LedgerEntry, PaymentAttempt, SettlementDay
from payments.settlement import awaiting, days
from payments.settling import Settlement
from tests.payments.conftest import Till
from tests.payments.test_recon import DAY, MORNING, others_come, paid, place, run
from tests.payments.test_recon import both as both

ONE_DAY = timedelta(days=1)
BEFORE_MIDNIGHT = day_bounds(DAY)[1] - timedelta(minutes=10)
EVENING_AFTER = day_bounds(DAY)[1] + timedelta(hours=20)


def unheard(till: Till, fen: int = 2_600) -> Order:
    """Paid ten minutes before midnight; the notice was lost."""
    order = till.order(fen)
    till.channel.pay(till.open(order))
    till.channel.next_notice()
    place(till, order, BEFORE_MIDNIGHT, theirs=BEFORE_MIDNIGHT)
    began = BEFORE_MIDNIGHT - timedelta(minutes=1)
    with database.transaction() as session:
        session.execute(update(PaymentAttempt).values(settled_at=None, created_at=began))
    return order


def hear(till: Till, order: Order, now: datetime) -> Settlement:
    return remote.check(till.cashier, till.attempts(order)[0], now)


def close(till: Till, now: datetime) -> list[date]:
    """The days that were closed then."""
    others_come()
    merchant_id = till.store.merchant_id
    with database.transaction() as session:
        days.open_due(session, merchant_id, now=now)
        due = days.list_closable(session, merchant_id, now=now)
        assert all(days.close(session, each.id, now=now) for each in due)
        return [each.day for each in due]


def booked(kind: str) -> set[tuple[str, int, date]]:
    with database.reading() as session:
        found = session.scalars(select(LedgerEntry).where(LedgerEntry.cause.startswith(kind)))
        return {(e.account.partition(":")[0], e.amount_fen, e.day) for e in found}


def test_a_payment_that_is_heard_of_next_morning_is_of_the_day_it_was_paid(both: Till) -> None:
    order = unheard(both)

    assert hear(both, order, MORNING) is Settlement.paid
    assert hear(both, order, MORNING) is Settlement.repeated
    run(both, now=MORNING)

    assert booked("payment:") == {("channel", 2_600, DAY), ("sales", -2_600, DAY)}
    assert booked("fee:") == {("channel", -14, DAY), ("fee", 14, DAY)}
    assert close(both, day_bounds(DAY)[1] + awaiting.CLOSES_AFTER + ONE_DAY)[0] == DAY
    with database.reading() as session:
        closed = session.scalars(select(SettlementDay).where(SettlementDay.day == DAY)).one()
    assert (closed.taken_fen, closed.fee_fen, closed.net_fen) == (2_600, 14, 2_586)


def test_a_closed_day_never_changes_and_the_fee_goes_with_its_payment(both: Till) -> None:
    before = paid(both, 1_000, BEFORE_MIDNIGHT - timedelta(hours=3))
    with database.transaction() as session:
        session.execute(update(LedgerEntry).values(day=DAY))
    order = unheard_beside(both, before)
    run(both, now=MORNING)  # the bill has it, we do not
    assert booked("fee:") == {("channel", -5, DAY), ("fee", 5, DAY)}
    assert close(both, EVENING_AFTER) == [DAY]

    assert hear(both, order, EVENING_AFTER) is Settlement.paid
    run(both, now=EVENING_AFTER + timedelta(hours=14))  # the morning after, by the daily look

    after = DAY + ONE_DAY
    assert {row for row in booked("payment:") if row[2] != DAY} == {
        ("channel", 2_600, after),
        ("sales", -2_600, after),
    }
    assert {row for row in booked("fee:") if row[2] != DAY} == {
        ("channel", -14, after),
        ("fee", 14, after),
    }
    with database.reading() as session:
        closed = session.scalars(select(SettlementDay).where(SettlementDay.day == DAY)).one()
    assert (closed.taken_fen, closed.fee_fen) == (1_000, 5)


def unheard_beside(till: Till, other: Order) -> Order:
    (known,) = till.attempts(other)
    order = unheard(till)
    with database.transaction() as session:
        session.execute(
            update(PaymentAttempt)
            .where(PaymentAttempt.id == known.id)
            .values(settled_at=known.settled_at)
        )
    return order


def test_one_that_comes_too_late_for_its_order_is_of_its_day_too(till: Till) -> None:
    order = unheard(till)
    (attempt,) = till.attempts(order)
    with database.transaction() as session:
        assert attempts.end(session, attempt.id, AttemptState.closed, now=BEFORE_MIDNIGHT)

    assert hear(till, order, MORNING) is Settlement.late

    assert booked("payment:") == {("channel", 2_600, DAY), ("unclaimed", -2_600, DAY)}


@pytest.mark.parametrize("wrong", [timedelta(days=-900), timedelta(days=900)])
def test_a_channels_wrong_clock_opens_no_day_of_long_ago(till: Till, wrong: timedelta) -> None:
    order = unheard(till)
    place(till, order, BEFORE_MIDNIGHT, theirs=BEFORE_MIDNIGHT + wrong)
    with database.transaction() as session:
        session.execute(update(PaymentAttempt).values(settled_at=None))

    assert hear(till, order, MORNING) is Settlement.paid

    expected = DAY if wrong < timedelta() else DAY + ONE_DAY
    assert {row[2] for row in booked("payment:")} == {expected}
