"""A day's statement waits for the bills of its accounts, and not for ever."""

from datetime import date, timedelta

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from core import clock, database, rows
from core.clock import day_bounds
from core.outbox import enqueue
from merchants.models import Merchant
from payments import ledger
from payments.models import DayState, LedgerEntry, SettlementDay
from payments.models.statements import StatementDay, StatementKind, StatementState
from payments.recon import remote
from payments.settlement import awaiting
from tests.factories.merchants import make_merchant
from tests.payments.conftest import Till
from tests.payments.test_recon import DAY as PAID_DAY
from tests.payments.test_recon import both as both
from tests.payments.test_recon import paid, want
from tests.payments.test_settlement import BILL, CLOSING, DAY, MCHID, NOON, Shop, open_shop

THREE_DAYS = timedelta(days=3)
SECOND = timedelta(seconds=1)


@pytest.fixture
def shop(session: Session) -> Shop:
    return open_shop(session)


def bill(shop: Shop, owner: Merchant | None, day: date = DAY, **values: object) -> StatementDay:
    """A file that nobody has yet."""
    whose = {"channel": "wechat", "account": MCHID, "day": day}
    row = BILL | whose | {"state": StatementState.wanted, "merchant_id": owner and owner.id}
    rows.add_new(shop.session, StatementDay, row | values)
    return shop.session.scalars(select(StatementDay).order_by(StatementDay.id.desc())).all()[0]


@pytest.mark.parametrize("kind", [StatementKind.trade, StatementKind.fund])
@pytest.mark.parametrize("state", [StatementState.wanted, StatementState.fetched])
def test_a_day_waits_until_its_bill_is_matched(
    shop: Shop, kind: StatementKind, state: StatementState
) -> None:
    shop.sell(10_000)
    late = bill(shop, shop.merchant, kind=kind, state=state)

    assert shop.close() == []
    waiting = awaiting.missing(shop.session, shop.merchant.id, [DAY], now=CLOSING)
    assert waiting == {DAY: ["wechat"]}
    late.state = StatementState.differs  # somebody has to look, but all of it is known
    (closed,) = shop.close()

    assert (closed.day, closed.state, closed.net_fen) == (DAY, DayState.closed, 10_000)


def test_a_bill_that_never_comes_holds_a_day_for_three_days(shop: Shop) -> None:
    shop.sell(10_000)
    bill(shop, shop.merchant)

    assert awaiting.closes_at_last(DAY) == CLOSING + THREE_DAYS
    assert shop.close(CLOSING + THREE_DAYS - SECOND) == []
    (closed,) = shop.close(CLOSING + THREE_DAYS)

    assert (closed.day, closed.state) == (DAY, DayState.closed)


def test_a_day_that_waits_holds_up_no_other(shop: Shop) -> None:
    shop.sell(10_000)
    shop.sell(700, at=NOON + timedelta(days=1))
    bill(shop, shop.merchant)

    (closed,) = shop.close(CLOSING + timedelta(days=1))

    assert (closed.day, closed.net_fen) == (DAY + timedelta(days=1), 700)


def test_a_shared_account_holds_up_whose_money_went_through_it(session: Session) -> None:
    used, beside = open_shop(session), open_shop(session)
    used.sell(10_000)
    other = {"channel:alipay:2021000000000001": 500, f"sales:{beside.merchant.id}": -500}
    ledger.post(session, "payment:900", other, beside.merchant.id, day=DAY, now=NOON)
    late = bill(used, None)

    assert used.close() == []
    (closed,) = beside.close()
    assert closed.net_fen == 500

    late.state = StatementState.matched
    (closed,) = used.close()
    assert closed.net_fen == 10_000


def test_nobody_waits_for_another_merchants_bill_another_day_or_own_books(shop: Shop) -> None:
    shop.sell(10_000)
    bill(shop, make_merchant(shop.session))
    bill(shop, shop.merchant, DAY - timedelta(days=1))
    own = {"channel": "none", "account": str(shop.merchant.id), "kind": StatementKind.orders}
    bill(shop, shop.merchant, **own)

    assert [one.day for one in shop.close()] == [DAY]


def test_a_merchant_without_channels_waits_for_nobody(shop: Shop) -> None:
    whose = shop.merchant.id
    spent = {f"balance:{whose}": 900, f"sales:{whose}": -900}
    ledger.post(shop.session, "payment:901", spent, whose, day=DAY, now=NOON)
    bill(shop, None)

    (closed,) = shop.close()

    assert (closed.day, closed.state, closed.net_fen) == (DAY, DayState.closed, 0)


def statement() -> SettlementDay:
    with database.reading() as session:
        found = select(SettlementDay).where(SettlementDay.day == PAID_DAY)
        return session.scalars(found).one()


def test_the_run_wants_the_bills_first_and_the_last_of_them_closes_the_day(both: Till) -> None:
    want(both, day_bounds(PAID_DAY)[0] + timedelta(hours=11))  # of the day before
    paid(both, 2_600)
    with database.transaction() as session:
        session.execute(update(LedgerEntry).values(day=PAID_DAY))
        enqueue(session, "payments.settle")
    assert both.run_jobs("payments.settle") == ["done"]
    assert both.run_jobs("payments.settle_days") == ["done"]

    assert statement().state is DayState.open
    bills = wanted()
    assert len(bills) == 4  # two of WeChat's, one each of Alipay's and UnionPay's
    for bill_id in bills:
        assert statement().state is DayState.open
        remote.reconcile(both.cashier, bill_id, clock.now())
        both.run_jobs("payments.settle_days")

    done = statement()
    assert (done.state, done.taken_fen, done.fee_fen) == (DayState.closed, 2_600, 14)
    assert done.net_fen == 2_586
    remote.reconcile(both.cashier, bills[0], clock.now())
    assert both.run_jobs("payments.settle", "payments.settle_days") == []


def wanted() -> list[int]:
    """The files of the day."""
    with database.reading() as session:
        of_day = (StatementDay.day == PAID_DAY, StatementDay.kind.in_(awaiting.FILES))
        still = StatementDay.state == StatementState.wanted
        found = select(StatementDay.id).where(*of_day, still)
        return list(session.scalars(found.order_by(StatementDay.id)))
