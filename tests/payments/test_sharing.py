"""A payment is shared, released, and given back in part: once each, whatever is lost in between."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import delete, select, update

from core import database, outbox
from core.clock import business_day
from gateways.pay.records import Way
from gateways.pay.sharing import Party, PartyKind
from orders.models import Order
from payments import counter, proof, refunding
from payments.attempts import Means
from payments.models import Channel as Channels
from payments.models import (
    LedgerEntry,
    PartState,
    PaymentAttempt,
    ReceiverPurpose,
    Refund,
    ReturnState,
    Sharing,
    SharingPart,
    SharingReturn,
    SharingState,
)
from payments.settlement import days, terms
from payments.settlement.figures import add_up, lines_of
from payments.sharing import receivers, running
from tests.payments.conftest import MCHID, MINI, Channel, Till, open_till

SUB, HEADQUARTER = "1900007001", "1900008001"
PLATFORM = Party(PartyKind.merchant, MCHID, MINI, "邻里科技有限公司", "SERVICE_PROVIDER")
OFFICE = Party(PartyKind.merchant, HEADQUARTER, MINI, "青禾总部有限公司", "HEADQUARTER")


@pytest.fixture
def till_config(till_config: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    """The shop's money comes in under its own number, through a service provider."""

    def make(sandbox_url: str, database_url: str, **own: Any) -> dict[str, Any]:
        raw = till_config(sandbox_url, database_url, **own)
        raw["wechat"]["pay_merchants"][0]["sub_mchid"] = SUB
        return raw

    return make


@dataclass
class Provider:
    till: Till

    @property
    def merchant_id(self) -> int:
        return self.till.store.merchant_id

    def agree(self, commission_bp: int, *others: tuple[Party, int]) -> None:
        now = datetime.now(UTC)
        with database.transaction() as session:
            terms.agree(
                session,
                self.merchant_id,
                since=business_day(now),
                commission_bp=commission_bp,
                coupon_platform_bp=0,
                actor="operator",
                now=now,
            )
            purpose = ReceiverPurpose.commission
            receivers.add(
                session,
                self.merchant_id,
                PLATFORM,
                purpose=purpose,
                share_bp=0,
                actor="operator",
                now=now,
            )
            for party, bp in others:
                receivers.add(
                    session,
                    self.merchant_id,
                    party,
                    purpose=ReceiverPurpose.share,
                    share_bp=bp,
                    actor="staff:1",
                    now=now,
                )
        assert set(self.till.run_jobs("payments.tell_receiver")) == {"done"}

    def sell(self, fen: int = 10_000) -> Order:
        order = self.till.order(fen)
        self.till.channel.pay(self.till.open(order))
        assert self.till.deliver(self.till.channel.next_notice()) == 204
        for paid in self.till.channel.world.ledger.orders.values():
            paid.success_at -= 120  # the first minute is over
        return order

    def share(self) -> list[str]:
        """Every payment that is due, as on the next day; then what waits at the channel."""
        with database.transaction() as session:
            tomorrow = datetime.now(UTC) + timedelta(days=1)
            running.queue_due(session, self.merchant_id, after=0, now=tomorrow)
        return self.till.run_jobs("payments.share")

    def decide(self, **refuse: str) -> None:
        answer = self.till.channel.client.post("/sandbox/api/sharings", json={"refuse": refuse})
        assert answer.status_code == 200

    def settle(self, **refuse: str) -> None:
        """The commission and then the others' parts, decided upon and released."""
        self.share()
        for _ in range(3):
            self.decide(**refuse)
            self.till.run_jobs("payments.share")

    def refund(self, order: Order, fen: int) -> Refund:
        with database.transaction() as session:
            found = session.get_one(Order, order.id)
            return refunding.request(session, found, fen, "缺货", "staff:7", datetime.now(UTC))

    def all(self, model: Any) -> list[Any]:
        with database.reading() as session:
            return list(session.scalars(select(model).order_by(model.id)))

    def sums(self) -> dict[str, int]:
        found: dict[str, int] = {}
        for account, amount in self.till.ledger():
            found[account] = found.get(account, 0) + amount
        return found


@pytest.fixture
def provider(app: Flask, channel: Channel) -> Provider:
    return Provider(open_till(app, channel))


def test_commission_and_shares_leave_the_payment_and_the_rest_is_released(
    provider: Provider,
) -> None:
    provider.agree(60, (OFFICE, 500))
    provider.sell(10_001)
    [attempt] = provider.all(PaymentAttempt)
    assert attempt.shared

    assert provider.share() == ["later"]
    [sharing] = provider.all(Sharing)
    assert sharing.state is SharingState.asked
    assert [part.amount_fen for part in provider.all(SharingPart)] == [60]  # first, by itself
    for answer in ("later", "later", "done"):
        provider.decide()
        assert provider.till.run_jobs("payments.share") == [answer]

    [sharing] = provider.all(Sharing)
    assert (sharing.state, sharing.error, sharing.round) == (SharingState.released, "", 2)
    parts = provider.all(SharingPart)
    assert len({part.no for part in parts}) == 2
    assert [(part.amount_fen, part.state) for part in parts] == [
        (60, PartState.succeeded),
        (500, PartState.succeeded),
    ]
    assert provider.sums() == {
        "channel": 10_001 - 560,
        "sales": -10_001,
        "commission": 60,
        "sharing": 500,
    }
    with database.reading() as session:
        figures = add_up(lines_of(session, provider.merchant_id, business_day(datetime.now(UTC))))
    assert (figures.commission_fen, figures.shared_fen, figures.net_fen) == (60, 500, 9_441)
    assert provider.share() == []


def test_nobody_who_receives_nothing_is_shared(provider: Provider) -> None:
    provider.sell()

    assert [attempt.shared for attempt in provider.all(PaymentAttempt)] == [False]
    assert provider.share() == []
    assert provider.all(Sharing) == []


def test_a_lost_answer_shares_once(provider: Provider) -> None:
    provider.agree(60)
    provider.sell()
    provider.till.channel.fault(api="pay.share", kind="drop_after")

    assert provider.share() == ["later"]
    assert len(provider.till.channel.world.sharings.shares) == 1
    provider.till.channel.fault(api="pay.release", kind="drop_after")
    provider.settle()
    provider.till.run_jobs("payments.share")

    [sharing] = provider.all(Sharing)
    assert sharing.state is SharingState.released
    assert len(provider.till.channel.world.sharings.shares) == 2  # the sharing and the release
    assert provider.sums()["commission"] == 60


def test_a_refund_before_makes_the_parts_smaller(provider: Provider) -> None:
    provider.agree(1_000)
    order = provider.sell()
    refund = provider.refund(order, 4_000)

    assert provider.share() == ["later"]  # the refund is under way
    assert [one.state for one in provider.all(Sharing)] == [SharingState.due]
    provider.till.run_jobs("payments.refund")
    provider.till.channel.decide_refund(refund.out_refund_no, "SUCCESS")
    provider.till.deliver(provider.till.channel.next_notice())
    provider.settle()

    assert [part.amount_fen for part in provider.all(SharingPart)] == [600]
    assert provider.all(SharingReturn) == []
    assert provider.sums() == {"channel": 5_400, "sales": -6_000, "commission": 600}


def test_a_payers_code_at_the_counter_pays_commission_too(provider: Provider) -> None:
    provider.agree(500)
    till, world = provider.till, provider.till.channel.world
    order = till.order(10_000)
    code = world.pay_codes.new(world.people.get("aqing"))
    charged = counter.charge(
        till.cashier,
        order.id,
        Means(Channels.wechat, Way.code, MCHID, MINI),
        code,
        description="青禾茶铺",
        store_no="jingan",
        client_ip="10.0.0.1",
        now=datetime.now(UTC),
    )
    assert charged == counter.Charged(counter.Charge.paid)
    for paid in world.ledger.orders.values():
        paid.success_at -= 120

    provider.settle()

    assert [attempt.shared for attempt in provider.all(PaymentAttempt)] == [True]
    assert [(part.amount_fen, part.state) for part in provider.all(SharingPart)] == [
        (500, PartState.succeeded)
    ]


def test_finished_is_not_success_and_is_asked_again_by_a_person(provider: Provider) -> None:
    provider.agree(60, (OFFICE, 500))
    provider.sell()
    provider.settle(**{HEADQUARTER: "RECEIVER_RECEIPT_LIMIT"})

    [sharing] = provider.all(Sharing)
    assert (sharing.state, sharing.error) == (SharingState.shared, "RECEIVER_RECEIPT_LIMIT")
    assert provider.sums() == {"channel": 9_940, "sales": -10_000, "commission": 60}
    with database.transaction() as session:
        assert [one.id for one in running.list_stuck(session, provider.merchant_id)] == [sharing.id]
        now = datetime.now(UTC)
        running.again(session, provider.merchant_id, sharing.id, actor="staff:1", now=now)
    provider.settle()

    [sharing] = provider.all(Sharing)
    assert (sharing.state, sharing.round) == (SharingState.released, 3)
    assert provider.sums() == {
        "channel": 9_440,
        "sales": -10_000,
        "commission": 60,
        "sharing": 500,
    }


def test_what_the_channel_refuses_for_good_waits_for_somebody(provider: Provider) -> None:
    provider.agree(60)
    provider.sell()
    provider.till.channel.fault(api="pay.share", kind="error", status=403, code="NO_AUTH")

    assert provider.share() == ["done"]

    [sharing] = provider.all(Sharing)
    assert (sharing.state, sharing.error) == (SharingState.failed, "NO_AUTH")
    assert [part.state for part in provider.all(SharingPart)] == [PartState.failed]
    assert "commission" not in provider.sums()


def test_too_early_is_asked_again_under_another_number(provider: Provider) -> None:
    provider.agree(60)
    provider.sell()
    for paid in provider.till.channel.world.ledger.orders.values():
        paid.success_at += 120

    assert provider.share() == ["later"]
    [sharing] = provider.all(Sharing)
    assert (sharing.state, sharing.error) == (SharingState.due, "INVALID_REQUEST")
    for paid in provider.till.channel.world.ledger.orders.values():
        paid.success_at -= 120
    provider.till.run_jobs("payments.share")
    provider.settle()

    [sharing] = provider.all(Sharing)
    assert (sharing.state, sharing.round) == (SharingState.released, 2)
    assert provider.sums()["commission"] == 60


def test_the_run_closes_days_and_queues_what_is_due(provider: Provider) -> None:
    provider.agree(60)
    provider.sell()
    with database.transaction() as session:
        for one in session.scalars(select(Sharing)):
            one.paid_at -= timedelta(days=1)
        outbox.enqueue(session, "payments.settle_days", merchant_id=provider.merchant_id)

    assert provider.till.run_jobs("payments.settle_days") == ["done"]

    assert provider.till.queued().count("payments.share") == 1
    with database.reading() as session:
        now = datetime.now(UTC)
        assert days.list_closable(session, provider.merchant_id, now=now) == []


def test_what_the_channel_refuses_the_others_leaves_the_commission_alone(
    provider: Provider,
) -> None:
    provider.agree(1_000, (OFFICE, 2_000))
    provider.sell()
    provider.share()
    provider.till.channel.world.sharings.most_bp = 2_500  # less than was agreed here
    for _ in range(3):
        provider.decide()
        provider.till.run_jobs("payments.share")

    [sharing] = provider.all(Sharing)
    assert (sharing.state, sharing.error) == (SharingState.failed, "RULE_LIMIT")
    assert provider.sums() == {"channel": 9_000, "sales": -10_000, "commission": 1_000}


def test_what_nobody_put_right_is_released_before_the_month_is_over(provider: Provider) -> None:
    provider.agree(60)
    provider.sell()
    provider.settle(**{MCHID: "RECEIVER_HIGH_RISK"})
    later = datetime.now(UTC) + timedelta(days=27)
    with database.transaction() as session:
        assert running.release_old(session, provider.merchant_id, now=later) == 0
        later += timedelta(days=2)
        assert running.release_old(session, provider.merchant_id, now=later) == 1
        [stuck] = session.scalars(select(Sharing)).all()
        outbox.enqueue(session, "payments.share", sharing_id=stuck.id)
    provider.till.run_jobs("payments.share")
    provider.decide()
    provider.till.run_jobs("payments.share")

    [sharing] = provider.all(Sharing)
    assert sharing.state is SharingState.released
    assert provider.sums() == {"channel": 10_000, "sales": -10_000}


def test_the_nightly_proof_compares_parts_and_what_came_back_with_the_ledger(
    provider: Provider,
) -> None:
    provider.agree(1_000)
    first, second = provider.sell(), provider.sell(5_000)
    provider.settle()
    provider.refund(first, 2_500)
    provider.till.run_jobs("payments.refund")
    provider.decide()
    provider.till.run_jobs("payments.refund")
    [one, other] = provider.all(Sharing)
    [back] = provider.all(SharingReturn)
    assert (one.order_id, other.order_id, back.state) == (
        first.id,
        second.id,
        ReturnState.succeeded,
    )
    with database.reading() as session:
        assert proof.wrong_sharings(session, range(1, 100)) == []

    for change, wrong in (
        (update(SharingReturn).values(amount_fen=SharingReturn.amount_fen + 1), [one.id]),
        (
            update(SharingPart)
            .where(SharingPart.sharing_id == other.id)
            .values(state=PartState.failed),
            [one.id, other.id],
        ),
        (delete(LedgerEntry).where(LedgerEntry.cause == f"sharing_back:{back.id}"), [1, 2]),
    ):
        with database.transaction() as session:
            session.execute(change)
        with database.reading() as session:
            assert proof.wrong_sharings(session, range(1, 100)) == wrong
            assert proof.wrong_sharings(session, range(other.id, other.id + 1)) == wrong[1:]
