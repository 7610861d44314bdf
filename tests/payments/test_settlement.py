"""A day becomes a statement: what the ledger says to the fen, and the same for ever once closed."""

import threading
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from core import database, rows
from core.clock import business_day
from core.config import Config, PayMerchant
from core.numbers import random_code
from coupons.models import CouponTemplate
from gateways.pay.bills import RowKind
from gateways.pay.records import RefundResult, Transaction, Way
from merchants.models import Merchant, Store
from orders.models import DiscountKind, Order, OrderDiscount
from payments import accounts, billing, ledger, proof, refunding, settling
from payments.attempts import Means, start
from payments.errors import PayoutTakenBack, PayoutTooMuch, VoucherUsed
from payments.models import (
    Channel,
    DayState,
    LedgerEntry,
    PaymentAttempt,
    Payout,
    Refund,
    SettlementDay,
    SettlementLine,
)
from payments.models.statements import (
    StatementDay,
    StatementKind,
    StatementLine,
    StatementState,
    StatementTotal,
)
from payments.recon import booking
from payments.settlement import days, payouts, terms
from payments.settlement.figures import add_up, lines_of
from tests.factories.coupons import make_coupon, make_template
from tests.factories.crm import make_member
from tests.factories.merchants import make_merchant, make_store
from tests.factories.orders import make_order
from tests.payments.conftest import Till

MCHID = "1900006789"
MEANS = Means(Channel.wechat, Way.mini, MCHID, "wxa41f0c6d8e2b7593", "openid")
DAY = date(2026, 11, 22)
NOON = datetime(2026, 11, 22, 4, tzinfo=UTC)  # in Beijing
MORNING_AFTER = NOON + timedelta(hours=22)
CLOSING = datetime(2026, 11, 23, 6, tzinfo=UTC)


NOTHING = ("rows", "paid_fen", "refunded_fen", "fee_fen", "settled_fen", "other_fen")
BILL = {
    "kind": StatementKind.trade,
    "merchant_id": None,
    "state": StatementState.matched,
    "error": "",
    "hash": "",
    **dict.fromkeys(NOTHING, 0),
}
LINE = {"kind": RowKind.payment, "rate": None, "state": "SUCCESS"}
TOTALS = [c.name for c in StatementTotal.__table__.columns if c.name.endswith(("s", "_fen"))]


@dataclass
class Shop:
    session: Session
    merchant: Merchant
    stores: list[Store]
    paid: list[PaymentAttempt] = field(default_factory=list)

    def sell(self, fen: int, *, at: datetime = NOON, store: int = 0) -> Order:
        session = self.session
        member = make_member(session, merchant=self.merchant)
        times = {"placed_at": at, "expires_at": at + timedelta(minutes=15)}
        order = make_order(session, member, self.stores[store], payable_fen=fen, **times)
        billing.open_bill(session, order)
        if fen:
            self.pay(order, at)
        return order

    def pay(self, order: Order, at: datetime) -> None:
        attempt, _ = start(self.session, order, MEANS, now=at)
        told = Transaction(
            out_trade_no=attempt.out_trade_no,
            transaction_id=f"42{attempt.id:020}",
            state="SUCCESS",
            amount_fen=attempt.channel_fen,
            currency="CNY",
            account=MCHID,
            appid=MEANS.appid,
            payer="openid",
            success_at=at,
        )
        settling.settle(self.session, told, at)
        self.session.refresh(order)
        self.paid.append(attempt)

    def refund(self, order: Order, fen: int, *, at: datetime = NOON) -> Refund:
        refund = refunding.request(self.session, order, fen, reason="测试", actor="staff:1", now=at)
        attempt = self.session.get_one(PaymentAttempt, refund.attempt_id)
        whole, number = attempt.amount_fen, "50" + random_code(8)
        result = RefundResult(
            refund.out_refund_no, number, "SUCCESS", fen, whole, at, attempt.account
        )
        refunding.record_result(self.session, result, at)
        self.session.refresh(order)
        return refund

    def close(self, now: datetime = CLOSING) -> list[SettlementDay]:
        days.open_due(self.session, self.merchant.id, now=now)
        due = days.list_closable(self.session, self.merchant.id, now=now)
        assert all(days.close(self.session, one.id, now=now) for one in due)
        return [self.session.get_one(SettlementDay, one.id, populate_existing=True) for one in due]

    def pay_out(self, fen: int, voucher: str, *, store: int = 0, at: datetime = CLOSING) -> Payout:
        return payouts.record(
            self.session,
            self.merchant.id,
            self.stores[store].id,
            fen,
            voucher=voucher,
            note="",
            actor="staff:1",
            now=at,
        )

    def account(self, kind: str) -> int:
        entries = self.session.scalars(select(LedgerEntry)).all()
        return sum(e.amount_fen for e in entries if accounts.kind_of(e.account) == kind)


def post_fees(session: Session, fees: dict[int, int], day: date, *, now: datetime) -> int:
    """Attempt → fee, as the bill of the day has them; how many were new."""
    whose = {"channel": Channel.wechat, "account": MCHID, "day": day}
    rows.add_new(session, StatementDay, BILL | whose)
    bill = session.scalars(select(StatementDay).filter_by(**whose)).one()
    for attempt_id, fen in fees.items():
        attempt = session.get_one(PaymentAttempt, attempt_id)
        number, paid = attempt.out_trade_no, attempt.channel_fen
        line = {"day_id": bill.id, "channel_no": number, "our_no": number, "payment_no": number}
        told = LINE | line | {"amount_fen": paid, "settled_fen": paid, "at": now}
        rows.add_new(session, StatementLine, told | {"fee_fen": fen})
        total = {"day_id": bill.id, "merchant_id": attempt.merchant_id}
        rows.add_new(session, StatementTotal, dict.fromkeys(TOTALS, 0) | total)
        session.execute(
            update(StatementLine)
            .where(StatementLine.day_id == bill.id, StatementLine.our_no == number)
            .values(fee_fen=fen)
        )
    return booking.post_fees(session, bill, now=now)


@pytest.fixture
def shop(session: Session) -> Shop:
    return open_shop(session)


def open_shop(session: Session) -> Shop:
    merchant = make_merchant(session)
    return Shop(session, merchant, [make_store(session, merchant) for _ in range(2)])


def test_a_day_is_closed_to_the_fen(shop: Shop) -> None:
    first, second = shop.sell(10_000), shop.sell(3_333, store=1)
    shop.refund(first, 2_500)
    shop.sell(700, at=NOON + timedelta(days=1))
    attempts = {attempt.id: fee for attempt, fee in zip(shop.paid, (60, 20, 4), strict=True)}
    post_fees(shop.session, attempts, DAY, now=MORNING_AFTER)

    assert shop.close(CLOSING - timedelta(seconds=1)) == []
    (statement,) = shop.close()

    assert (statement.day, statement.state, statement.closed_at) == (DAY, DayState.closed, CLOSING)
    assert (statement.taken_fen, statement.refunded_fen, statement.fee_fen) == (13_333, 2_500, 84)
    assert (statement.commission_fen, statement.shared_fen) == (0, 0)
    assert statement.net_fen == 13_333 - 2_500 - 84
    lines = shop.session.scalars(select(SettlementLine)).all()
    assert sum(line.amount_fen for line in lines) == 0
    at_channel = f"channel:wechat:{MCHID}"
    assert {
        (line.store_id, line.kind): (line.amount_fen, line.entries)
        for line in lines
        if line.account == at_channel
    } == {
        (first.store_id, "payment"): (10_000, 1),
        (first.store_id, "refund"): (-2_500, 1),
        (first.store_id, "fee"): (-64, 2),
        (second.store_id, "payment"): (3_333, 1),
        (second.store_id, "fee"): (-20, 1),
    }
    purses = payouts.purses(shop.session, shop.merchant.id)
    assert {store: purse.earned_fen for store, purse in purses.items()} == {
        first.store_id: 7_436,
        second.store_id: 3_313,
    }
    assert days.close(shop.session, statement.id, now=CLOSING) is False
    assert shop.session.scalars(select(SettlementLine)).all() == lines


def test_what_comes_after_the_end_of_a_day_falls_into_the_next(shop: Shop) -> None:
    shop.sell(10_000)
    (closed,) = shop.close()

    assert post_fees(shop.session, {shop.paid[0].id: 60}, DAY, now=CLOSING)

    fee = shop.session.scalars(select(LedgerEntry).where(LedgerEntry.cause.startswith("fee:")))
    assert {(e.account, e.amount_fen, e.day) for e in fee} == {
        (f"fee:wechat:{shop.merchant.id}", 60, business_day(CLOSING)),
        (f"channel:wechat:{MCHID}", -60, business_day(CLOSING)),
    }
    assert (closed.fee_fen, closed.net_fen) == (0, 10_000)
    (following,) = shop.close(CLOSING + timedelta(days=1))
    assert (following.taken_fen, following.fee_fen, following.net_fen) == (0, 60, -60)
    assert not post_fees(shop.session, {shop.paid[0].id: 61}, DAY, now=CLOSING)
    assert shop.account("fee") == 60


def give_coupon(shop: Shop, order: Order, fen: int, template: CouponTemplate) -> None:
    member = make_member(shop.session, merchant=shop.merchant)
    shop.session.add(
        OrderDiscount(
            order_id=order.id,
            position=0,
            kind=DiscountKind.coupon,
            ref_id=make_coupon(shop.session, member, template).id,
            name="券",
            amount_fen=fen,
            per_line=[fen],
        )
    )
    shop.session.flush()


def test_who_bears_a_coupon(shop: Shop) -> None:
    """4,000 by the merchant's terms, everything of the second by its template's; half goes back."""
    terms.agree(
        shop.session,
        shop.merchant.id,
        since=DAY,
        commission_bp=0,
        coupon_platform_bp=4_000,
        actor="operator",
        now=NOON,
    )
    both, theirs = (make_template(shop.session, shop.merchant) for _ in range(2))
    terms.bear(shop.session, theirs.id, 10_000, actor="operator", now=NOON)
    first, second = shop.sell(2_000), shop.sell(1_000)
    give_coupon(shop, first, 501, both)
    give_coupon(shop, second, 300, theirs)
    shop.refund(first, 1_000)

    (statement,) = shop.close()

    # Of 501 the platform bears 200 and the merchant 301; half of each goes back.
    assert (statement.subsidy_fen, statement.coupon_cost_fen) == (200 - 100 + 300, 301 - 151)
    assert shop.account("given") == -(statement.subsidy_fen + statement.coupon_cost_fen)
    assert statement.net_fen == 2_000

    shop.refund(first, 1_000, at=CLOSING)
    (following,) = shop.close(CLOSING + timedelta(days=1))
    assert (following.subsidy_fen, following.coupon_cost_fen) == (-100, -150)
    assert (shop.account("subsidy"), shop.account("coupon_cost")) == (300, 0)


def test_a_store_is_paid_what_it_earned_and_no_more(shop: Shop) -> None:
    shop.sell(10_000)
    shop.close()
    made = shop.pay_out(9_000, "V1")
    with pytest.raises(PayoutTooMuch) as refused, shop.session.begin_nested():
        shop.pay_out(1_001, "V2")
    assert refused.value.extra["left_fen"] == 1_000
    with pytest.raises(VoucherUsed), shop.session.begin_nested():
        shop.pay_out(100, "V1")
    with pytest.raises(PayoutTooMuch), shop.session.begin_nested():
        shop.pay_out(1, "V3", store=1)

    assert [p.voucher for p in shop.session.scalars(select(Payout))] == ["V1"]
    assert (shop.account("store"), shop.account("payout")) == (9_000, -9_000)

    back = payouts.take_back(shop.session, shop.merchant.id, made.id, actor="staff:1", now=CLOSING)
    assert (back.amount_fen, back.takes_back_id) == (-9_000, made.id)
    with pytest.raises(PayoutTakenBack), shop.session.begin_nested():
        payouts.take_back(shop.session, shop.merchant.id, made.id, actor="staff:1", now=CLOSING)
    assert payouts.left_fen(shop.session, shop.stores[0].id) == 10_000
    assert (shop.account("store"), shop.account("payout")) == (0, 0)


def share_the_account(app: Flask) -> None:
    """One account that belongs to no merchant, so it takes the money of all."""
    config: Config = app.extensions["linli.config"]
    values = {"mchid": MCHID, "merchant": None, "sub_mchid": None}
    account = PayMerchant.model_construct(**values)  # type: ignore[arg-type]
    wechat = config.wechat.model_copy(update={"pay_merchants": [account]})
    app.extensions["linli.config"] = config.model_copy(update={"wechat": wechat})


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["sell", "refund", "fee", "payout", "next day"]),
        st.integers(0, 7),
        st.integers(1, 5_000),
    ),
    max_size=14,
)


@settings(
    deadline=None,
    max_examples=25,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=STEPS)
def test_whatever_happens_statements_are_the_sum_of_the_entries(
    app: Flask, session: Session, steps: list[tuple[str, int, int]]
) -> None:
    shop, now, sold = open_shop(session), NOON, []
    for number, (verb, which, fen) in enumerate(steps):
        if verb == "sell":
            sold.append(shop.sell(fen, at=now, store=which % 2))
        elif verb == "fee" and sold:
            attempt = shop.paid[which % len(sold)]
            post_fees(session, {attempt.id: fen % 50}, business_day(attempt.created_at), now=now)
        elif verb == "refund" and sold:
            order = sold[which % len(sold)]
            if left := order.paid_fen - order.refunded_fen:
                shop.refund(order, min(fen, left), at=now)
        elif verb == "payout":
            left = payouts.left_fen(session, shop.stores[which % 2].id)
            if left > 0:
                shop.pay_out(min(fen, left), f"V{number}", store=which % 2, at=now)
        elif verb == "next day":
            now += timedelta(days=1)
            shop.close(now)

    merchant_id = shop.merchant.id
    mine = select(LedgerEntry).where(LedgerEntry.merchant_id == merchant_id)
    entries = session.scalars(mine).all()
    by_cause: dict[str, int] = defaultdict(int)
    for entry in entries:
        by_cause[entry.cause] += entry.amount_fen
    assert set(by_cause.values()) <= {0}
    for day in {entry.day for entry in entries}:
        own = [e.amount_fen for e in entries if e.day == day and e.account.startswith("channel:")]
        assert add_up(lines_of(session, merchant_id, day)).net_fen == sum(own)
    wanted = select(SettlementDay).where(SettlementDay.merchant_id == merchant_id)
    for statement in session.scalars(wanted.execution_options(populate_existing=True)):
        if statement.state is DayState.closed:
            live = add_up(lines_of(session, merchant_id, statement.day))
            kept = (statement.taken_fen, statement.refunded_fen, statement.fee_fen)
            assert kept == (live.taken_fen, live.refunded_fen, live.fee_fen)
            assert statement.net_fen == live.net_fen
    every = range(1, 10**6)
    assert proof.wrong_days(session, every) == []
    assert proof.wrong_purses(session, every) == []
    assert proof.wrong_payouts(session, every) == []
    assert proof.wrong_payments(session, every) == []


def test_what_reconciliation_gave_up_has_a_column_of_its_own(shop: Shop) -> None:
    shop.sell(10_000)
    amounts = {f"channel:wechat:{MCHID}": -70, accounts.loss(shop.merchant.id): 70}
    ledger.post(shop.session, "loss:1", amounts, shop.merchant.id, now=NOON)

    (statement,) = shop.close()

    assert (statement.taken_fen, statement.other_fen, statement.net_fen) == (10_000, -70, 9_930)
    assert proof.wrong_days(shop.session, range(1, 10**6)) == []


@pytest.mark.mariadb
@pytest.mark.parametrize("held", [True, False], ids=["held", "control"])
def test_what_is_being_booked_while_a_day_is_closed(mariadb_till: Till, held: bool) -> None:
    """Whoever holds the day is waited for; who does not slips in behind it, and the proof tells."""
    with database.transaction() as session:
        shop = open_shop(session)
        shop.sell(10_000)
        merchant_id, attempt_id = shop.merchant.id, shop.paid[0].id
        days.open_due(session, merchant_id, now=CLOSING)
    booked, closed = threading.Event(), threading.Event()

    def book() -> None:
        with mariadb_till.app.app_context(), database.transaction() as session:
            if held:
                post_fees(session, {attempt_id: 60}, DAY, now=MORNING_AFTER)
            else:
                amounts = {f"channel:wechat:{MCHID}": -60, f"fee:wechat:{merchant_id}": 60}
                ledger.post(session, "fee:0", amounts, merchant_id, day=DAY, now=MORNING_AFTER)
            session.flush()
            booked.set()
            closed.wait(0.4 if held else 30)  # only whoever is held up needs us to be over

    clerk = threading.Thread(target=book)
    clerk.start()
    assert booked.wait(10)
    with database.transaction() as session:
        [due] = days.list_closable(session, merchant_id, now=CLOSING)
        assert days.close(session, due.id, now=CLOSING)
    closed.set()
    clerk.join()

    every = range(1, 10**6)
    with database.reading() as session:
        [statement] = session.scalars(select(SettlementDay)).all()
        assert (statement.fee_fen, statement.net_fen) == ((60, 9_940) if held else (0, 10_000))
        assert proof.wrong_days(session, every) == ([] if held else [statement.id])
        assert proof.wrong_purses(session, every) == []
        assert proof.wrong_payments(session, every) == []
    if held:
        with database.transaction() as session:
            shop.session = session
            made = shop.pay_out(9_940, "V1")
        with database.reading() as session:
            assert made.amount_fen == 9_940
            assert proof.wrong_payouts(session, every) == []
            assert proof.wrong_purses(session, every) == []
