"""Whatever payers, channels, a shop and dying workers do, in whatever order and with whatever
faults: at rest the money that was taken and not given back is what the order says, in every
channel and to the fen, and nothing that an order holds is lost or kept.

PAYMENT_EXAMPLES=2000 for a longer look; `make faults` takes 300.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import func, select, update

from catalogue.models import HoldState as StockState
from catalogue.models import Sku, StockHold
from core import clock, database
from core.errors import LinliError
from core.outbox import JobState, OutboxJob, enqueue
from coupons.models import Coupon, CouponState
from crm import balance, points, tiers
from crm.models import BalanceHold, HoldState, Member, PointHold
from crm.tiers import editing
from gateways.pay.errors import ChannelRefused, ChannelUnavailable
from gateways.pay.records import Way
from merchants.models import Merchant
from orders.models import Fulfilment, Order, OrderState, PaymentState
from orders.placing import place
from orders.quoting import Cart, Item
from payments import billing, counter, ledger, refunding, remote, stored
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
    RefundedLine,
    RefundState,
)
from payments.refunding import ending, stuck
from payments.refunding.wanted import Wanted
from sandbox.channel_keys import APP_ID, MER_ID
from sandbox.people import openid_of
from tests.factories.catalogue import available, make_sku
from tests.factories.coupons import make_coupon, make_template
from tests.payments.conftest import MCHID, MINI, Till
from tests.payments.played import Killed, Played, Reaper, skipping

STOCK, STORED, PRICE, POINTS = 1_000, 100_000, 1_400, 900
FAULTS = ("drop_before", "drop_after", "error", "wrong_signature", "duplicate")
CALLS = (
    *("pay.prepay", "pay.query", "pay.close", "pay.refund", "pay.notify"),
    *("pay.micropay", "pay.orderquery", "pay.reverse_v2"),
    *("alipay.query", "alipay.close", "alipay.refund", "alipay.pay", "alipay.cancel"),
    *("alipay.fastpay.refund.query", "unionpay.query", "unionpay.refund"),
)
WAYS = {
    "sheet": Means(Channel.wechat, Way.mini, MCHID, MINI, openid_of(MINI, "aqing")),
    "other": Means(Channel.wechat, Way.mini, MCHID, MINI, openid_of(MINI, "xiaozhou")),
    "qr": Means(Channel.wechat, Way.native, MCHID, MINI),
    "alipay": Means(Channel.alipay, Way.page, APP_ID),
    "alipay_qr": Means(Channel.alipay, Way.native, APP_ID),
    "unionpay": Means(Channel.unionpay, Way.page, MER_ID),
}
CODES = {
    "code": Means(Channel.wechat, Way.code, MCHID, MINI),
    "alipay_code": Means(Channel.alipay, Way.code, APP_ID),
}
A_DAY = 90_000.0
WAITS, SKIPS = (20.0, 45.0), (360.0, 1_300.0, A_DAY)
# A channel's no and its silence are told to whoever asked; who died asked nobody.
REFUSED = (LinliError, ChannelRefused, ChannelUnavailable, Killed)
BACK = "http://127.0.0.1:8000/back"


class Paying(RuleBasedStateMachine):
    till: Till
    sku: Sku
    played: Played
    afresh: Callable[[], None]
    reaper: Reaper

    def __init__(self) -> None:
        super().__init__()
        self.sheets: list[tuple[str, dict[str, str]]] = []

    @initialize(
        pieces=st.integers(2, 3),
        spend=st.sampled_from([333, 0, "most"]),
        begun=st.sampled_from([*WAYS, *CODES, "bills"]),
        paid=st.booleans(),
    )
    def an_order(self, pieces: int, spend: Any, begun: str, paid: bool) -> None:
        """Of counted goods, with a coupon and points, of a member who has stored value."""
        self.reaper.arm(0, after=False)
        self.afresh()
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
                points=spend,
            )
            order, _ = place(session, cart, member, key=f"model:{coupon.id}", now=now)
            billing.open_bill(session, order)
            self.order_id, self.coupon_id, self.pieces = order.id, coupon.id, pieces
        if begun == "bills":
            self.several_bills(700, deposit=paid)
        elif begun in CODES:
            self.scan(begun, password=not paid, poor=False)
        else:
            self.open_and_pay(begun, 0) if paid else self.open(begun, 0)

    @rule(name=st.sampled_from(sorted(WAYS)), part=st.sampled_from([0, 0, 1, 700]))
    def open(self, name: str, part: int) -> None:
        """By any channel; whoever was asked before is switched from."""
        with suppress(*REFUSED):
            opening = remote.open_payment(
                self.till.cashier,
                self.order_id,
                replace(WAYS[name], balance_fen=part),
                description="青禾茶铺",
                return_url=BACK,
                now=clock.now(),
            )
            who = "xiaozhou" if name == "other" else "aqing"
            self.sheets.append((who, dict(opening.params)))

    @rule(name=st.sampled_from(sorted(WAYS)), part=st.sampled_from([0, 0, 1, 700]))
    def open_and_pay(self, name: str, part: int) -> None:
        shown = len(self.sheets)
        self.open(name, part)
        for who, newest in self.sheets[shown:]:
            self.played.pay(newest, who, "ok")

    @rule()
    def open_with_the_balance(self) -> None:
        with suppress(*REFUSED):
            self.till.open(self._order(), Means(Channel.balance))

    @rule(
        channel=st.sampled_from(sorted(CODES)),
        password=st.booleans(),
        poor=st.sampled_from([False, False, True]),
    )
    def scan(self, channel: str, password: bool, poor: bool) -> None:
        """The payer's code at the counter."""
        code = self.played.code(channel, "aqing", asks_password=password, poor=poor)
        with suppress(*REFUSED):
            counter.charge(
                self.till.cashier,
                self.order_id,
                CODES[channel],
                code,
                description="青禾茶铺",
                store_no="jingan",
                client_ip="10.0.0.1",
                now=clock.now(),
            )

    @rule(outcome=st.sampled_from(["ok", "cancel"]))
    def type_password(self, outcome: str) -> None:
        self.played.type_passwords(outcome)

    @rule(first=st.integers(1, 1_300), deposit=st.booleans())
    def several_bills(self, first: int, deposit: bool) -> None:
        now = clock.now()
        with suppress(*REFUSED), database.transaction() as session:
            order = session.get_one(Order, self.order_id)
            if deposit:
                rest_by = now + timedelta(days=1)
                billing.open_deposit(session, order, first, rest_by=rest_by, now=now)
            else:
                shares = [first, order.payable_fen - first]
                billing.split(session, order, shares, now=now)

    @precondition(lambda self: self.sheets)
    @rule(data=st.data(), outcome=st.sampled_from(["ok", "ok", "cancel"]))
    def pay(self, data: st.DataObject, outcome: str) -> None:
        """Any page or sheet that was ever shown."""
        who, shown = data.draw(st.sampled_from(self.sheets))
        self.played.pay(shown, who, outcome)

    @precondition(lambda self: self.played.notices)
    @rule(data=st.data(), copies=st.integers(1, 2))
    def notify(self, data: st.DataObject, copies: int) -> None:
        """Any notice there ever was, once more too."""
        arrived = data.draw(st.sampled_from(self.played.notices))
        for _ in range(copies):
            with suppress(Killed):
                self.played.tell(arrived)

    @precondition(lambda self: self.played.later)
    @rule(number=st.integers(0, 30))
    def happen(self, number: int) -> None:
        self.played.happen(number)

    @rule()
    def query(self) -> None:
        for attempt in self._unsettled():
            with suppress(*REFUSED):
                remote.check(self.till.cashier, attempt, clock.now())

    @rule()
    def close(self) -> None:
        for attempt in self._unsettled():
            with suppress(*REFUSED):
                remote.close(self.till.cashier, attempt, clock.now(), close_later=True)

    @rule(kind=st.sampled_from(FAULTS), api=st.sampled_from(CALLS))
    def fault(self, kind: str, api: str) -> None:
        self.till.channel.fault(api=api, kind=kind)

    @rule(commits=st.integers(1, 4), after=st.booleans())
    def kill(self, commits: int, after: bool) -> None:
        """Whoever works next dies beside one of its commits."""
        self.reaper.arm(commits, after=after)

    @rule(seconds=st.sampled_from(WAITS))
    def wait(self, seconds: float) -> None:
        self.played.skip(seconds)

    @rule(seconds=st.sampled_from(SKIPS))
    def skip(self, seconds: float) -> None:
        if seconds == A_DAY:  # so long no channel is without an answer to its notices
            self.reaper.arm(0, after=False)
            self._hear()
        self.played.skip(seconds)

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

    @rule(pieces=st.integers(1, 3), restock=st.booleans())
    def refund_pieces(self, pieces: int, restock: bool) -> None:
        wanted = Wanted(pieces={0: pieces}, restock=frozenset([0] if restock else []))
        with suppress(*REFUSED), database.transaction() as session:
            order = session.get_one(Order, self.order_id)
            refunding.request(session, order, wanted, "缺货", "staff:7", clock.now())

    @rule()
    def give_up_and_restart(self) -> None:
        """What was sent is believed to have failed, and is asked for anew while it goes on."""
        self.work()
        for refund in self._refunds():
            if refund.channel_fen and refund.state in stuck.ON_THE_WAY:
                with suppress(*REFUSED), database.transaction() as session:
                    refunding.fail(session, refund.id, "USER_ACCOUNT_ABNORMAL", clock.now())
        for refund in self._refunds():
            if refund.state is RefundState.failed:
                with suppress(*REFUSED), database.transaction() as session:
                    mine = session.get_one(Refund, refund.id)
                    stuck.restart(session, mine, actor="staff:7", now=clock.now())
        self.work()

    @rule(verdict=st.sampled_from(["SUCCESS", "CLOSED"]))
    def ask_after(self, verdict: str) -> None:
        """Of each refund that failed: what the channel made of it, as 对账 asks."""
        self.played.decide_refunds(verdict)
        for refund in self._refunds():
            if refund.state is RefundState.failed and refund.channel_fen:
                with suppress(*REFUSED):
                    remote.check_refund(self.till.cashier, refund.id, clock.now())

    @rule()
    def work(self) -> None:
        """A worker does what is due, until it dies."""
        with suppress(Killed):
            self._run_due()

    @rule(verdict=st.sampled_from(["SUCCESS", "SUCCESS", "CLOSED"]))
    def decide(self, verdict: str) -> None:
        self.played.decide_refunds(verdict)

    @invariant()
    def nothing_is_held_in_the_place_of_what_is_done(self) -> None:
        known = {refund.id: refund for refund in self._refunds()} if self._begun else {}
        for refund in known.values():
            earlier = known.get(refund.replaces_id or 0)
            done = earlier is not None and earlier.state is RefundState.succeeded
            assert not (done and refund.state is RefundState.requested)

    def teardown(self) -> None:
        """Nothing goes wrong any more, everybody does what is left: at rest all is right."""
        if not self._begun:
            return
        self.reaper.arm(0, after=False)
        self.till.channel.client.delete("/sandbox/api/faults")
        for seconds in (0.0, 60.0, 1_200.0, 3_600.0, A_DAY, A_DAY, 3_600.0):
            self.played.skip(seconds)
            for _ in range(8):
                self._hear()
                self.ask_after("SUCCESS")
                if not self._run_due():
                    break
        self._at_rest()

    def _hear(self) -> None:
        """Every notice comes once more, and every refund arrives."""
        self.played.decide_refunds("SUCCESS")
        self.played.happen()
        self.played.later.clear()
        for arrived in self.played.notices:
            self.played.tell(arrived)
        self.played.notices.clear()

    def _run_due(self) -> list[str]:
        """What payments mean to do and is due; first what a dead worker left."""
        now = clock.now()
        left = OutboxJob.state == JobState.pushed
        with database.transaction() as session:
            session.execute(update(OutboxJob).where(left).values(state=JobState.waiting))
        with database.reading() as session:
            due = session.scalars(
                select(OutboxJob.name).where(
                    OutboxJob.state == JobState.waiting, OutboxJob.run_at <= now
                )
            ).all()
        names = {name for name in due if name.startswith("payments.")} | {"orders.expire"}
        return self.till.run_jobs(*sorted(names & set(due)), until=now)

    def _at_rest(self) -> None:
        with database.transaction() as session:
            enqueue(session, "core.check_books")
        assert self.till.run_jobs("core.check_books") == ["done"]
        order, attempts, refunds = self._order(), self._attempts(), self._refunds()
        paid = [attempt for attempt in attempts if attempt.state in PAID]
        back = [refund for refund in refunds if refund.state is RefundState.succeeded]
        by_id = {attempt.id: attempt for attempt in attempts}
        taken, returned = self.played.taken(), self.played.returned()
        assert taken == _sums((a.channel, a.channel_fen) for a in paid)
        assert returned == _sums((by_id[r.attempt_id].channel, r.channel_fen) for r in back)
        assert [attempt for attempt in attempts if attempt.state in UNSETTLED] == []
        assert [
            r for r in refunds if r.state in (RefundState.requested, RefundState.processing)
        ] == []

        ours = [attempt for attempt in attempts if attempt.state is AttemptState.succeeded]
        spent = sum(a.balance_fen for a in ours) - sum(r.balance_fen for r in back)
        with database.reading() as session:
            member = session.get_one(Member, self.till.member.id)
            assert member.balance_fen == STORED - spent
            held = session.scalars(select(BalanceHold).where(BalanceHold.state == HoldState.held))
            assert held.all() == []
            assert balance.list_unbalanced(session, range(member.id, member.id + 1)) == []
            assert stored.list_different(session, [order.merchant_id]) == []
            assert ledger.list_unbalanced(session, range(order.id, order.id + 1)) == []
            causes = select(LedgerEntry.cause, func.sum(LedgerEntry.amount_fen))
            for cause, total in session.execute(causes.group_by(LedgerEntry.cause)):
                assert total == 0, cause
            bills = session.scalars(select(Bill).where(Bill.state != BillState.void)).all()
            coupon = session.get_one(Coupon, self.coupon_id)
            left = available(session, self.till.store, self.sku)
            stock = session.scalars(select(StockHold)).one()
            frozen = session.scalars(select(PointHold)).one_or_none()
            given_back = session.scalar(select(func.sum(RefundedLine.pieces))) or 0
            dead = session.execute(
                select(OutboxJob.name, OutboxJob.last_error).where(OutboxJob.state == JobState.dead)
            ).all()
        assert dead == []
        failed = sum(r.amount_fen for r in refunds if r.state is RefundState.failed)
        owed = order.paid_fen - order.refunded_fen
        kept = sum(taken.values()) - sum(returned.values())
        assert kept + spent == owed + self._stuck(paid, refunds)
        settled = [bill for bill in bills if bill.state is BillState.paid]
        assert sorted(attempt.bill_id for attempt in ours) == [bill.id for bill in settled]
        assert order.paid_fen == sum(attempt.amount_fen for attempt in ours)
        assert (order.paid_at is not None) == (order.paid_fen == order.payable_fen)
        gone = order.state is OrderState.cancelled
        assert order.paid_at is not None or gone
        assert left == STOCK - self.pieces + stock.returned
        all_back = stock.returned == self.pieces
        assert stock.state is (StockState.returned if all_back else StockState.sold)
        if gone:
            # What went back whole ended the order: of pieces that a refund named it said what is
            # to be sold again.
            named = given_back if order.cancel_reason == ending.REASON else 0
            assert self.pieces - named <= stock.returned <= self.pieces
            assert failed or owed == 0
        whole = order.payment_state is PaymentState.refunded
        if order.paid_at is None or whole:
            assert coupon.state is CouponState.issued
        else:
            assert coupon.state is CouponState.redeemed
        self._points_are_right(order, member, frozen, free=order.paid_at is None or whole)

    def _points_are_right(
        self, order: Order, member: Member, hold: PointHold | None, *, free: bool
    ) -> None:
        """What was spent comes back with the money, what was earned is taken back with it."""
        used = order.points_used
        back = used if free else used * order.refunded_fen // max(order.paid_fen, 1)
        assert member.points == POINTS - used + back
        assert (hold.points, hold.returned) == (used, back) if hold else used == 0
        earned = 0 if order.paid_at is None else order.paid_fen - order.refunded_fen
        assert member.points_pending == points.points_for(earned)

    def _stuck(self, paid: list[PaymentAttempt], refunds: list[Refund]) -> int:
        """Of late payments, what could not be given back: the channel closed refund upon refund."""
        late = {a.id: a.channel_fen for a in paid if a.state is AttemptState.succeeded_late}
        for refund in refunds:
            if refund.attempt_id in late and refund.state is RefundState.succeeded:
                late[refund.attempt_id] -= refund.channel_fen
        return sum(late.values())

    @property
    def _begun(self) -> bool:
        return hasattr(self, "order_id")

    def _order(self) -> Order:
        with database.reading() as session:
            return session.get_one(Order, self.order_id)

    def _attempts(self) -> list[PaymentAttempt]:
        return self.till.attempts(self._order())

    def _unsettled(self) -> list[PaymentAttempt]:
        return [attempt for attempt in self._attempts() if attempt.state in UNSETTLED]

    def _refunds(self) -> list[Refund]:
        return self.till.refunds(self._order())


def _sums(parts: Any) -> dict[str, int]:
    found: dict[str, int] = {}
    for channel, fen in parts:
        if fen:
            found[channel.value] = found.get(channel.value, 0) + fen
    return found


@pytest.fixture
def till_config(till_config: Callable[..., dict[str, Any]], tmp_path: Path) -> Any:
    """On a clock that both sides read and the model may move."""

    def make(*args: Any, **own: Any) -> dict[str, Any]:
        raw = till_config(*args, **own)
        raw["app"]["clock_file"] = str(tmp_path / "clock")
        return raw

    return make


@pytest.fixture
def shop(till: Till, tmp_path: Path) -> Iterator[type[Paying]]:
    """The member has stored value from elsewhere and points, and the store counts what it sells.
    Every example begins with these tables."""
    now = clock.now() - timedelta(minutes=1)
    with database.transaction() as session:
        sku = make_sku(session, till.store, price_fen=PRICE, available=STOCK)
        member = session.get_one(Member, till.member.id)
        rules = tiers.DEFAULTS._replace(spend_rate=100)
        editing.write(session, member.merchant_id, rules, now)
        points.grant(session, member.id, POINTS, cause="gift", now=now)
        balance.bring(
            session, member.id, "import:1", principal_fen=STORED - 5_000, bonus_fen=5_000, now=now
        )
        stored.post_imported(session, member.merchant_id, "import:1", STORED - 5_000, 5_000, now)
    file, kept = tmp_path / "till.db", tmp_path / "kept.db"
    database.db.engine.dispose()
    shutil.copyfile(file, kept)
    played = Played(till, tmp_path / "clock")

    def afresh() -> None:
        database.db.engine.dispose()
        for name in ("till.db-wal", "till.db-shm"):
            (tmp_path / name).unlink(missing_ok=True)
        shutil.copyfile(kept, file)
        played.begin()

    Paying.till, Paying.sku, Paying.played = till, sku, played
    Paying.afresh = staticmethod(afresh)  # type: ignore[assignment]
    Paying.reaper = Reaper()
    with skipping(), Paying.reaper.about():
        yield Paying


def test_whatever_happens_the_money_is_where_it_belongs(shop: Any) -> None:
    longer = os.environ.get("PAYMENT_EXAMPLES")
    profile = settings(
        max_examples=int(longer or 25),
        stateful_step_count=30 if longer else 12,
        derandomize=not longer,
        deadline=None,
        phases=[Phase.generate, Phase.shrink] if longer else [Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(shop, settings=profile)


def test_a_refund_given_up_asked_anew_and_done_after_all(shop: type[Paying]) -> None:
    """One way through the model that must stay in it: the second is begun, the first is done."""
    model = shop()
    model.an_order(pieces=2, spend=0, begun="sheet", paid=True)
    for arrived in list(model.played.notices):
        model.played.tell(arrived)
    model.refund(333)
    model.give_up_and_restart()
    assert [refund.state.value for refund in model._refunds()] == ["failed", "requested"]

    model.ask_after("SUCCESS")

    assert [refund.state.value for refund in model._refunds()] == ["succeeded", "failed"]
    model.nothing_is_held_in_the_place_of_what_is_done()
    model.teardown()
