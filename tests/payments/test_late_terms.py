"""Of a payment that is heard after midnight: what its coupons cost, who gets how much of it, and
what it costs to hear many at once, or one twice."""

import threading
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import select, update
from sqlalchemy.exc import OperationalError

from core import database, rows
from core.clock import business_day, day_bounds
from core.database import is_conflict
from crm.models import Member
from merchants.models import Merchant
from orders.models import DiscountKind, Order, OrderDiscount
from payments import proof_parts, remote
from payments.models import (
    LedgerEntry,
    PaymentAttempt,
    ReceiverPurpose,
    SettlementDay,
    Sharing,
    SharingPart,
)
from payments.settlement import awaiting, terms
from payments.settlement.holding import hold
from payments.settling import Settlement
from payments.sharing import receivers, running
from tests.counting import statements
from tests.factories.coupons import make_coupon, make_template
from tests.payments.conftest import MCHID, Till
from tests.payments.test_heard_late import (
    BEFORE_MIDNIGHT,
    ONE_DAY,
    booked,
    both,
    close,
    hear,
    unheard,
)
from tests.payments.test_recon import DAY, MORNING
from tests.payments.test_several_bills import with_deposit
from tests.payments.test_sharing import OFFICE, Provider, provider, till_config
from tests.racing import race

__all__ = ["both", "provider", "till_config"]

AFTER = DAY + ONE_DAY
NEXT_CLOSING = MORNING + awaiting.CLOSES_AFTER


def use_coupon(till: Till, order: Order, fen: int = 500) -> None:
    """Whose cost is the platform's."""
    with database.transaction() as session:
        terms.agree(
            session,
            till.store.merchant_id,
            since=DAY,
            commission_bp=0,
            coupon_platform_bp=10_000,
            actor="operator",
            now=BEFORE_MIDNIGHT,
        )
        merchant = session.get_one(Merchant, till.store.merchant_id)
        member = session.get_one(Member, till.member.id)
        coupon = make_coupon(session, member, make_template(session, merchant))
        session.add(
            OrderDiscount(
                order_id=order.id,
                position=0,
                kind=DiscountKind.coupon,
                ref_id=coupon.id,
                name="券",
                amount_fen=fen,
                per_line=[fen],
            )
        )


def subsidies() -> dict[date, int]:
    with database.reading() as session:
        found = session.scalars(select(SettlementDay)).all()
        return {each.day: each.subsidy_fen for each in found}


def test_a_coupons_cost_is_of_the_day_of_its_payment_whenever_that_is_heard(both: Till) -> None:
    order = unheard(both)
    use_coupon(both, order)
    assert hear(both, order, MORNING) is Settlement.paid
    assert business_day(both.read(order).paid_at or MORNING) == AFTER

    with database.reading() as session:
        assert proof_parts.wrong_coupon_costs(session, range(1, 99)) == []  # not closed yet
    assert close(both, NEXT_CLOSING) == [DAY]

    assert booked("coupon:") == {("subsidy", 500, DAY), ("given", -500, DAY)}
    for later in range(1, 4):
        close(both, NEXT_CLOSING + later * ONE_DAY)
    assert subsidies() == {DAY: 500}
    with database.reading() as session:
        assert proof_parts.wrong_coupon_costs(session, range(1, 99)) == []


def test_a_cost_that_was_never_booked_is_found(till: Till) -> None:
    order = unheard(till)
    hear(till, order, MORNING)
    assert close(till, NEXT_CLOSING) == [DAY]

    use_coupon(till, order)

    with database.reading() as session:
        assert proof_parts.wrong_coupon_costs(session, range(1, 99)) == [order.id]


def part_unheard(till: Till, order: Order, at: datetime) -> PaymentAttempt:
    """The next bill is paid then, and the notice lost."""
    till.channel.pay(till.open(order))
    till.channel.next_notice()
    attempt = till.attempts(order)[-1]
    known = till.channel.world.ledger.find_order(MCHID, attempt.out_trade_no)
    assert known is not None
    known.success_at = at.timestamp()
    with database.transaction() as session:
        mine = update(PaymentAttempt).where(PaymentAttempt.id == attempt.id)
        session.execute(mine.values(created_at=at - timedelta(minutes=1)))
    return attempt


def test_of_several_payments_the_day_that_is_closed_last_has_the_cost(both: Till) -> None:
    """The deposit's day was closed before the rest was heard, which had been paid the day before
    and whose day had no statement yet."""
    order = with_deposit(both)
    deposit = part_unheard(both, order, MORNING)
    assert remote.check(both.cashier, deposit, MORNING) is Settlement.paid
    use_coupon(both, order)
    heard = NEXT_CLOSING + ONE_DAY
    assert close(both, heard) == [AFTER]
    assert booked("coupon:") == set()

    rest = part_unheard(both, order, BEFORE_MIDNIGHT)
    assert remote.check(both.cashier, rest, heard) is Settlement.paid
    with database.reading() as session:
        assert proof_parts.wrong_coupon_costs(session, range(1, 99)) == []
    assert close(both, heard) == [DAY]

    assert booked("coupon:") == {("subsidy", 500, DAY), ("given", -500, DAY)}
    assert subsidies() == {DAY: 500, AFTER: 0}


def test_what_was_paid_yesterday_is_shared_as_was_agreed_then(provider: Provider) -> None:
    """Heard of after midnight: by then the commission is another, and somebody has come."""
    till = provider.till
    provider.agree(500)
    order = till.order(10_000)
    till.channel.pay(till.open(order))
    till.channel.next_notice()
    now = datetime.now(UTC)
    heard = day_bounds(business_day(now))[1] + timedelta(minutes=10)
    with database.transaction() as session:
        told = {"coupon_platform_bp": 0, "actor": "operator", "now": now}
        since = business_day(heard)
        terms.agree(session, provider.merchant_id, since=since, commission_bp=2_000, **told)
        came = {"now": heard - timedelta(minutes=5), "actor": "staff:1"}
        share = {"purpose": ReceiverPurpose.share, "share_bp": 1_000}
        receivers.add(session, provider.merchant_id, OFFICE, **share, **came)
    assert till.run_jobs("payments.tell_receiver") == ["done"]

    assert remote.check(till.cashier, till.attempts(order)[0], heard) is Settlement.paid

    [sharing] = provider.all(Sharing)
    assert business_day(sharing.paid_at) == business_day(now)
    assert {each.day for each in provider.all(LedgerEntry)} == {business_day(now)}
    for paid in till.channel.world.ledger.orders.values():
        paid.success_at -= 120  # the first minute is over
    with database.transaction() as session:
        assert running.queue_due(session, provider.merchant_id, after=0, now=heard) == sharing.id
    till.run_jobs("payments.share")
    for _ in range(3):
        provider.decide()
        till.run_jobs("payments.share")
    assert [part.amount_fen for part in provider.all(SharingPart)] == [500]
    assert provider.sums() == {"channel": 9_500, "sales": -10_000, "commission": 500}


@pytest.mark.parametrize("wrong", [timedelta(days=-900), timedelta(days=900)])
def test_a_channels_wrong_clock_changes_no_terms(provider: Provider, wrong: timedelta) -> None:
    till = provider.till
    provider.agree(500)
    order = till.order(10_000)
    till.channel.pay(till.open(order))
    till.channel.next_notice()
    for paid in till.channel.world.ledger.orders.values():
        paid.success_at += wrong.total_seconds()
    [attempt] = till.attempts(order)
    heard = attempt.created_at + timedelta(seconds=5)

    assert remote.check(till.cashier, attempt, heard) is Settlement.paid

    [sharing] = provider.all(Sharing)
    assert sharing.paid_at == (attempt.created_at if wrong < timedelta() else heard)


def test_what_was_heard_before_holds_no_day_again(both: Till) -> None:
    order = unheard(both)
    assert hear(both, order, MORNING) is Settlement.paid

    with statements(database.db.engine) as seen:
        assert hear(both, order, MORNING) is Settlement.repeated

    assert [each.split()[0] for each in seen if "settlement_days" in each] == []
    assert not any(each.startswith(("INSERT", "UPDATE")) for each in seen)
    assert not any("FOR UPDATE" in each for each in seen)


@pytest.mark.mariadb
@pytest.mark.parametrize("known", [False, True])
def test_many_who_hold_one_day_wait_for_each_other_in_turn(mariadb_till: Till, known: bool) -> None:
    merchant_id = mariadb_till.store.merchant_id
    if known:
        with database.transaction() as session:
            assert hold(session, merchant_id, DAY, now=MORNING) == DAY
    conflicts: list[str] = []

    def late(_: int) -> date:
        try:
            with database.transaction() as session:
                return hold(session, merchant_id, DAY, now=MORNING)
        except OperationalError as error:
            conflicts.append(str(error.orig))
            raise

    assert race(mariadb_till.app, 16, late) == [DAY] * 16
    assert conflicts == []
    with database.reading() as session:
        assert session.scalars(select(SettlementDay.day)).all() == [DAY]


@pytest.mark.mariadb
def test_control_to_insert_first_and_then_want_it_alone_is_a_deadlock(
    mariadb_till: Till,
) -> None:
    """INSERT IGNORE has what is there together with others, who then wait for each other."""
    merchant_id = mariadb_till.store.merchant_id
    with database.transaction() as session:
        hold(session, merchant_id, DAY, now=MORNING)
        row = {"merchant_id": merchant_id, "day": DAY, "opened_at": MORNING}
    both_have_it = threading.Barrier(2)

    def naive(_: int) -> bool:
        mine = select(SettlementDay.state).filter_by(merchant_id=merchant_id, day=DAY)
        try:
            with database.transaction() as session:
                assert rows.add_new(session, SettlementDay, row) is None
                both_have_it.wait()
                session.scalars(mine.with_for_update()).one()
        except OperationalError as error:
            return is_conflict(error)
        return False

    assert sorted(race(mariadb_till.app, 2, naive)) == [False, True]
