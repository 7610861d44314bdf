"""Stored value over a day: what was owed, what moved, what is owed then, as members have it."""

from datetime import date, timedelta

from sqlalchemy import func, select, update

from core import clock, database
from core.clock import business_day
from crm.models import BalanceHold, HoldState, Member
from payments.models import LedgerEntry
from payments.settlement import days, stored_value
from payments.settlement.holding import open_day
from payments.settlement.stored_value import Moved
from tests.payments.conftest import Till
from tests.payments.test_balance import BALANCE, mixed, top_up
from tests.payments.test_plan_refunds import ask, due, settle

ONE_DAY = timedelta(days=1)


def moved(till: Till, begin: date, end: date) -> Moved:
    with database.reading() as session:
        return stored_value.moved(session, till.store.merchant_id, begin, end)


def owed(till: Till) -> int:
    """By the other book: what members have, and what is frozen of it."""
    with database.reading() as session:
        free = session.scalar(
            select(func.sum(Member.balance_fen)).where(Member.merchant_id == till.store.merchant_id)
        )
        held = session.scalar(
            select(func.sum(BalanceHold.amount_fen)).where(BalanceHold.state == HoldState.held)
        )
        return int(free or 0) + int(held or 0)


def as_if_yesterday(till: Till, *, closed: bool) -> date:
    """All entries so far were of a day that is over."""
    now = clock.now()
    day = business_day(now) - ONE_DAY
    with database.transaction() as session:
        session.execute(update(LedgerEntry).values(day=day))
        open_day(session, till.store.merchant_id, day, now=now)
    if closed:
        with database.transaction() as session:
            (statement,) = days.list_closable(session, till.store.merchant_id, now=now + ONE_DAY)
            assert days.close(session, statement.id, now=now)
    return day


def test_a_days_stored_value_ties_with_what_members_have(till: Till) -> None:
    order = top_up(till)
    day = as_if_yesterday(till, closed=True)
    today = day + ONE_DAY
    assert moved(till, day, today) == Moved(0, 10_000, 2_000, 0, 0, 0, 0, 0)

    spent = till.order(2_500)
    till.open(spent, BALANCE)
    part = till.order(2_500)
    till.channel.pay(till.open(part, mixed(till)))
    assert till.deliver(till.channel.next_notice()) == 204
    ask(spent, 1_000)
    till.open(till.order(700), mixed(till, 300))  # frozen only: owed all the same
    closing = 12_000 - 3_500 + 1_000

    found = moved(till, today, today + ONE_DAY)
    assert found == Moved(12_000, 0, 0, 0, -3_500, 1_000, 0, 0)
    assert (found.closing_fen, owed(till)) == (closing, closing)

    settle(till, ask(order, due(order)))

    found = moved(till, today, today + ONE_DAY)
    assert found.taken_back_fen < 0
    assert found.other_fen == 0
    assert found.closing_fen == closing + found.taken_back_fen == owed(till)
    both = moved(till, day, today + ONE_DAY)
    assert (both.opening_fen, both.topped_up_fen, both.closing_fen) == (0, 10_000, owed(till))


def test_a_day_that_is_not_closed_counts_as_well(till: Till) -> None:
    top_up(till)
    day = as_if_yesterday(till, closed=False)

    with database.reading() as session:
        for after, fen in ((0, 0), (1, 12_000), (9, 12_000)):
            before = day + after * ONE_DAY
            assert stored_value.owed_before(session, till.store.merchant_id, before) == fen
        assert stored_value.owed_before(session, till.store.merchant_id + 1, before) == 0
