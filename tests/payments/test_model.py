"""Whatever a payer, a channel and a shop do, in whatever order and with whatever faults: at rest
the money that was taken and not given back is what the order says, and nothing is lost or kept.

PAYMENT_EXAMPLES=300 for a longer look.
"""

import os
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import func, select

from catalogue.models import Sku
from core import clock, database
from core.errors import LinliError
from core.outbox import JobState, OutboxJob
from coupons.models import Coupon, CouponState
from crm import balance
from crm.models import BalanceHold, HoldState, Member
from gateways.pay.errors import ChannelRefused, ChannelUnavailable
from merchants.models import Merchant
from orders.models import Fulfilment, Order, OrderState, PaymentState
from orders.placing import place
from orders.quoting import Cart, Item
from payments import billing, ledger, refunding, remote, stored
from payments.attempts import Means
from payments.models import (
    PAID,
    UNSETTLED,
    AttemptState,
    Bill,
    BillState,
    Channel,
    LedgerEntry,
    PaymentAttempt,
    Refund,
    RefundState,
)
from sandbox.people import openid_of
from tests.factories.catalogue import available, make_sku
from tests.factories.coupons import make_coupon, make_template
from tests.payments.conftest import MINI, HeldNotice, Till

STOCK, STORED, PRICE = 1_000_000, 100_000, 1_400
FAULTS = ("drop_before", "drop_after", "error", "wrong_signature", "duplicate")
CALLS = ("pay.prepay", "pay.query", "pay.close", "pay.refund")
# A channel's no and its silence are told to whoever asked; who asks again is a rule of its own.
REFUSED = (LinliError, ChannelRefused, ChannelUnavailable)


class Paying(RuleBasedStateMachine):
    till: Till
    sku: Sku

    def __init__(self) -> None:
        super().__init__()
        self.notices: list[HeldNotice] = []
        self.sheets: list[dict[str, str]] = []
        self.heard: set[bytes] = set()

    @initialize(pieces=st.integers(2, 3))
    def an_order(self, pieces: int) -> None:
        """Of counted goods, with a coupon, of a member who has stored value."""
        now = clock.now()
        with database.transaction() as session:
            member = session.get_one(Member, self.till.member.id)
            merchant = session.get_one(Merchant, member.merchant_id)
            coupon = make_coupon(session, member, make_template(session, merchant), now=now)
            cart = Cart(
                self.till.store.id,
                Fulfilment.pickup,
                (Item(self.sku.id, pieces, ()),),
                coupon.id,
            )
            order, _ = place(session, cart, member, key=f"model:{coupon.id}", now=now)
            billing.open_bill(session, order)
            self.order_id, self.coupon_id, self.pieces = order.id, coupon.id, pieces
            self.had = (available(session, self.till.store, self.sku) or 0) + pieces
            self.stored_fen = member.balance_fen
            self.payable_fen = order.payable_fen

    @rule(who=st.sampled_from(["aqing", "xiaozhou"]), part=st.sampled_from([0, 0, 1, 700]))
    def open_sheet(self, who: str, part: int) -> None:
        means = replace(self.till.means, payer=openid_of(MINI, who), balance_fen=part)
        with suppress(*REFUSED):
            self.sheets.append({**self.till.open(self._order(), means), "by": who})

    @rule(first=st.integers(1, 3_000), deposit=st.booleans())
    def several_bills(self, first: int, deposit: bool) -> None:
        now = clock.now()
        with suppress(*REFUSED), database.transaction() as session:
            order = session.get_one(Order, self.order_id)
            if deposit:
                rest_by = now + timedelta(days=1)
                billing.open_deposit(session, order, first, rest_by=rest_by, now=now)
            else:
                billing.split(session, order, [first, order.payable_fen - first], now=now)

    @rule()
    def pay_with_the_balance(self) -> None:
        with suppress(*REFUSED):
            self.till.open(self._order(), Means(Channel.balance))

    @precondition(lambda self: self.sheets)
    @rule(data=st.data())
    def pay(self, data: st.DataObject) -> None:
        """Any sheet that was ever shown; the channel says no to most."""
        sheet = dict(data.draw(st.sampled_from(self.sheets)))
        body = {"appid": MINI, "outcome": "ok", **sheet}
        person = body.pop("by")
        self.till.channel.client.post(f"/sandbox/api/people/{person}/pay", json=body)
        self._collect()

    @precondition(lambda self: self.notices)
    @rule(data=st.data(), copies=st.integers(1, 2))
    def notify(self, data: st.DataObject, copies: int) -> None:
        """Any notice there ever was, once more too."""
        notice = data.draw(st.sampled_from(self.notices))
        for _ in range(copies):
            assert self.till.deliver(notice) == 204

    @rule()
    def query(self) -> None:
        for attempt in self._attempts():
            if attempt.state in UNSETTLED:
                with suppress(*REFUSED):
                    remote.check(self.till.cashier, attempt, clock.now())

    @rule()
    def close(self) -> None:
        for attempt in self._attempts():
            if attempt.state in UNSETTLED:
                with suppress(*REFUSED):
                    remote.close(self.till.cashier, attempt, clock.now(), close_later=True)

    @rule(kind=st.sampled_from(FAULTS), api=st.sampled_from(CALLS))
    def fault(self, kind: str, api: str) -> None:
        self.till.channel.fault(api=api, kind=kind)

    @rule(keep_paid=st.booleans())
    def cancel(self, keep_paid: bool) -> None:
        """By the member, or because nobody paid in time."""
        with suppress(*REFUSED):
            remote.cancel_order(
                self.till.cashier,
                self.order_id,
                actor="system" if keep_paid else "member:1",
                reason="不要了",
                now=clock.now(),
                keep_paid=keep_paid,
            )

    @rule(fen=st.sampled_from([1, 333, 700, 10**6]))
    def refund(self, fen: int) -> None:
        with suppress(*REFUSED), database.transaction() as session:
            order = session.get_one(Order, self.order_id)
            amount = min(fen, max(order.paid_fen, 1))
            refunding.request(session, order, amount, "缺货", "staff:7", clock.now())

    @rule(name=st.sampled_from(["payments.refund", "payments.close_attempt"]))
    def work(self, name: str) -> None:
        self._run(name)

    @rule(verdict=st.sampled_from(["SUCCESS", "SUCCESS", "CLOSED"]))
    def decide(self, verdict: str) -> None:
        for refund in self._refunds():
            if refund.state is RefundState.processing:
                self._decide(refund, verdict)

    def teardown(self) -> None:
        """Nothing goes wrong any more, everybody does what is left: at rest all is right."""
        try:
            if hasattr(self, "order_id"):
                self.till.channel.client.delete("/sandbox/api/faults")
                for _ in range(8):
                    if self._settle_down():
                        break
                self._at_rest()
        finally:
            with database.transaction() as session:
                session.query(OutboxJob).update({OutboxJob.state: JobState.done})

    def _settle_down(self) -> bool:
        """True when there was nothing left to do."""
        now, heard = clock.now(), len(self.heard)
        self._collect()
        for notice in self.notices:
            if notice.body not in self.heard:
                assert self.till.deliver(notice) == 204
                self.heard.add(notice.body)
        for attempt in self._attempts():
            if attempt.state in UNSETTLED:
                remote.close(self.till.cashier, attempt, now)
        ran = self.till.run_jobs("payments.close_attempt", "payments.refund")
        going = [r for r in self._refunds() if r.state is RefundState.processing]
        for refund in going:
            self._decide(refund, "SUCCESS")
            remote.check_refund(self.till.cashier, refund.id, now)
        return not (ran or going) and len(self.heard) == heard

    def _at_rest(self) -> None:
        order, attempts, refunds = self._order(), self._attempts(), self._refunds()
        paid = [attempt for attempt in attempts if attempt.state in PAID]
        taken, returned = self._at_channel()
        assert taken == sum(attempt.channel_fen for attempt in paid)
        back = [refund for refund in refunds if refund.state is RefundState.succeeded]
        assert returned == sum(refund.channel_fen for refund in back)
        assert [attempt for attempt in attempts if attempt.state in UNSETTLED] == []
        assert [
            r for r in refunds if r.state in (RefundState.requested, RefundState.processing)
        ] == []

        with database.reading() as session:
            member = session.get_one(Member, self.till.member.id)
            spent = self.stored_fen - member.balance_fen
            held = session.scalars(select(BalanceHold).where(BalanceHold.state == HoldState.held))
            assert held.all() == []
            assert balance.list_unbalanced(session, range(member.id, member.id + 1)) == []
            assert stored.list_different(session, [order.merchant_id]) == []
            assert ledger.list_unbalanced(session, range(order.id, order.id + 1)) == []
            mine = LedgerEntry.order_id == order.id
            causes = select(LedgerEntry.cause, func.sum(LedgerEntry.amount_fen)).where(mine)
            for cause, total in session.execute(causes.group_by(LedgerEntry.cause)):
                assert total == 0, cause
            bills = session.scalars(
                select(Bill).where(Bill.order_id == order.id, Bill.state != BillState.void)
            ).all()
            coupon = session.get_one(Coupon, self.coupon_id)
            left = available(session, self.till.store, self.sku)
        failed = sum(r.amount_fen for r in refunds if r.state is RefundState.failed)
        owed = order.paid_fen - order.refunded_fen
        assert (taken - returned) + spent == owed + self._stuck(paid, refunds)
        ours = [attempt for attempt in attempts if attempt.state is AttemptState.succeeded]
        settled = [bill for bill in bills if bill.state is BillState.paid]
        assert sorted(attempt.bill_id for attempt in ours) == [bill.id for bill in settled]
        assert order.paid_fen == sum(attempt.amount_fen for attempt in ours)
        assert (order.paid_at is not None) == (bool(settled) and settled == list(bills))
        gone = order.state is OrderState.cancelled
        assert left == self.had - (0 if gone else self.pieces)
        if gone and not failed:
            assert owed == 0
        if order.paid_at is None:
            assert coupon.state is (CouponState.issued if gone else CouponState.locked)
        elif order.payment_state is PaymentState.refunded:
            assert coupon.state is CouponState.issued
        else:
            assert coupon.state is CouponState.redeemed

    def _stuck(self, paid: list[PaymentAttempt], refunds: list[Refund]) -> int:
        """Of late payments, what could not be given back: the channel closed refund upon refund."""
        late = {a.id: a.channel_fen for a in paid if a.state is AttemptState.succeeded_late}
        for refund in refunds:
            if refund.attempt_id in late and refund.state is RefundState.succeeded:
                late[refund.attempt_id] -= refund.channel_fen
        return sum(late.values())

    def _at_channel(self) -> tuple[int, int]:
        """What WeChat Pay itself says: taken and given back, of this order's numbers."""
        numbers = {attempt.out_trade_no for attempt in self._attempts()}
        books = self.till.channel.world.ledger
        taken = [o for o in books.orders.values() if o.out_trade_no in numbers and o.success_at]
        back = [r for r in books.refunds.values() if r.out_trade_no in numbers]
        return (
            sum(order.total_fen for order in taken),
            sum(refund.refund_fen for refund in back if refund.status == "SUCCESS"),
        )

    def _decide(self, refund: Refund, verdict: str) -> None:
        self.till.channel.client.post(
            f"/sandbox/api/refunds/{self.till.means.account}/{refund.out_refund_no}",
            json={"status": verdict},
        )
        self._collect()

    def _collect(self) -> None:
        held = self.till.channel.held
        while not held.empty():
            self.notices.append(held.get())

    def _run(self, *names: str) -> None:
        self.till.run_jobs(*names)

    def _order(self) -> Order:
        with database.reading() as session:
            return session.get_one(Order, self.order_id)

    def _attempts(self) -> list[PaymentAttempt]:
        return self.till.attempts(self._order())

    def _refunds(self) -> list[Refund]:
        return self.till.refunds(self._order())


@pytest.fixture
def shop(till: Till) -> type[Paying]:
    """The member has stored value from elsewhere, and the store counts what it sells."""
    with database.transaction() as session:
        sku = make_sku(session, till.store, price_fen=PRICE, available=STOCK)
        member = session.get_one(Member, till.member.id)
        now = datetime.now(UTC) - timedelta(minutes=1)
        balance.bring(
            session, member.id, "import:1", principal_fen=STORED - 5_000, bonus_fen=5_000, now=now
        )
        stored.post_imported(session, member.merchant_id, "import:1", STORED - 5_000, 5_000, now)
    Paying.till, Paying.sku = till, sku
    return Paying


def test_whatever_happens_the_money_is_where_it_belongs(shop: Any) -> None:
    longer = os.environ.get("PAYMENT_EXAMPLES")
    profile = settings(
        max_examples=int(longer or 20),
        stateful_step_count=30 if longer else 10,
        derandomize=not longer,
        deadline=None,
        phases=[Phase.generate, Phase.shrink] if longer else [Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(shop, settings=profile)
