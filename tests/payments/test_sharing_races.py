"""Sharing on a real server: whoever is first, nobody gets a part twice, and each race has a control
that loses."""

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import select, update

from core import config, database
from core.outbox import enqueue
from gateways.pay.sharing import Party, PartyKind
from orders.models import Order
from payments.errors import SharedTooMuch
from payments.models import (
    PartState,
    ReceiverPurpose,
    RefundState,
    ReturnState,
    Sharing,
    SharingPart,
    SharingReceiver,
    SharingReturn,
    SharingState,
)
from payments.sharing import receivers, remote, returning
from tests.payments.conftest import MINI, Channel, open_till
from tests.payments.test_sharing import Provider
from tests.payments.test_sharing import till_config as provider_config
from tests.racing import race, refusals
from tests.servers import MariaDB
from tests.tables import lease, running

pytestmark = pytest.mark.mariadb
till_config = provider_config


@pytest.fixture
def provider(
    channel: Channel, till_config: Callable[..., dict[str, Any]], mariadb: MariaDB
) -> Iterator[Provider]:
    with lease(mariadb) as url:
        raw = till_config(channel.base, url)
        raw["database"]["pool_size"] = 40
        with running(config.parse(raw)) as app:
            yield Provider(open_till(app, channel))


def now() -> datetime:
    return datetime.now(UTC)


def ask_back(provider: Provider, order: Order, fen: int) -> int:
    return provider.refund(order, fen).id


def advance(provider: Provider, sharing: Sharing) -> str:
    return remote.advance(provider.till.cashier.sharing, sharing.id, now())


def add(provider: Provider, i: int) -> int:
    party = Party(PartyKind.merchant, f"19000080{i:02}", MINI, f"公司{i}", "PARTNER")
    share = ReceiverPurpose.share
    told = {"purpose": share, "share_bp": 1_000, "actor": "staff:1", "now": now()}
    with database.transaction() as session:
        return receivers.add(session, provider.merchant_id, party, **told).share_bp


def test_receivers_added_at_once_stay_within_the_bound(provider: Provider) -> None:
    results = race(provider.till.app, 8, lambda i: add(provider, i))

    assert refusals(results) == [SharedTooMuch.code] * 5
    assert [one.share_bp for one in provider.all(SharingReceiver)] == [1_000] * 3


def test_control_receivers_that_look_before_they_are_added_are_too_many(
    provider: Provider,
) -> None:
    together = threading.Barrier(8)

    def naive(i: int) -> bool:
        with database.transaction() as session:
            known = sum(session.scalars(select(SharingReceiver.share_bp)))
            together.wait()
            row = SharingReceiver(
                merchant_id=provider.merchant_id,
                purpose=ReceiverPurpose.share,
                kind=PartyKind.merchant,
                account=str(i),
                appid=MINI,
                name="公司",
                relation="PARTNER",
                share_bp=1_000,
                state="wanted",
                created_at=now(),
            )
            session.add(row)
            return known + 1_000 <= 3_000

    assert race(provider.till.app, 8, naive) == [True] * 8


def test_one_payment_is_shared_by_eight_workers_once(provider: Provider) -> None:
    provider.agree(1_000)
    provider.sell()
    [sharing] = provider.all(Sharing)

    results = race(provider.till.app, 8, lambda _: advance(provider, sharing))

    assert set(results) == {"asked"}
    assert [part.amount_fen for part in provider.all(SharingPart)] == [1_000]
    assert len(provider.till.channel.world.sharings.shares) == 1
    provider.decide()
    race(provider.till.app, 8, lambda _: advance(provider, sharing))
    assert provider.sums()["commission"] == 1_000
    assert len(provider.till.channel.world.sharings.shares) == 2  # and one release


def test_control_workers_that_look_then_ask_share_it_eight_times(provider: Provider) -> None:
    provider.agree(1_000)
    provider.sell()
    [sharing] = provider.all(Sharing)
    [receiver] = provider.all(SharingReceiver)
    together = threading.Barrier(8)

    def naive(i: int) -> bool:
        with database.transaction() as session:
            state = session.scalar(select(Sharing.state).where(Sharing.id == sharing.id))
            together.wait()
            part = SharingPart(
                sharing_id=sharing.id, receiver_id=receiver.id, no=f"S{i}", amount_fen=1_000
            )
            mine = update(Sharing).where(Sharing.id == sharing.id)
            session.execute(mine.values(state=SharingState.asked))
            session.add(part)
            return state is SharingState.due

    assert race(provider.till.app, 8, naive) == [True] * 8
    assert len(provider.all(SharingPart)) == 8


def test_a_sharing_and_a_refund_at_once_leave_each_their_part(provider: Provider) -> None:
    """Whoever is first: either the part is of what was left, or it waits for the refund; and a
    refund that comes second takes its part of the part back."""
    provider.agree(1_000)
    orders = [provider.sell() for _ in range(4)]
    sharings = provider.all(Sharing)

    def act(i: int) -> object:
        if i % 2:
            return advance(provider, sharings[i // 2])
        return ask_back(provider, orders[i // 2], 4_000)

    results = race(provider.till.app, 8, act)
    assert refusals(results) == []
    with database.transaction() as session:
        for one in sharings:
            enqueue(session, "payments.share", sharing_id=one.id)
    for _ in range(4):
        provider.till.run_jobs("payments.refund")
        provider.decide()
        for order in orders:
            for refund in provider.till.refunds(order):
                if refund.state is RefundState.processing:
                    provider.till.channel.decide_refund(refund.out_refund_no, "SUCCESS")
                    provider.till.deliver(provider.till.channel.next_notice())
        provider.till.run_jobs("payments.share")
    provider.decide()
    provider.till.run_jobs("payments.share")

    assert [one.state for one in provider.all(Sharing)] == [SharingState.released] * 4
    assert provider.sums() == {"channel": 4 * 5_400, "sales": -4 * 6_000, "commission": 4 * 600}


def test_two_refunds_at_once_take_a_part_back_once_each(provider: Provider) -> None:
    provider.agree(1_000)
    order = provider.sell()
    provider.settle()
    ids = [ask_back(provider, order, fen) for fen in (2_500, 7_500)]

    def act(i: int) -> bool:
        return remote.return_first(provider.till.cashier.sharing, ids[i % 2], now())

    race(provider.till.app, 8, act)
    provider.decide()
    race(provider.till.app, 8, act)

    backs = provider.all(SharingReturn)
    assert sum(back.amount_fen for back in backs) == 1_000
    assert {back.state for back in backs} == {ReturnState.succeeded}
    assert [part.returned_fen for part in provider.all(SharingPart)] == [1_000]
    assert provider.sums()["commission"] == 0


def test_a_return_asked_again_and_a_second_refund_take_the_part_back_once(
    provider: Provider,
) -> None:
    provider.agree(1_000)
    order = provider.sell()
    provider.settle()
    ask_back(provider, order, 2_500)
    provider.till.run_jobs("payments.refund")
    [part] = provider.all(SharingPart)
    provider.decide(**{provider.all(SharingReceiver)[0].account: "PAYER_ACCOUNT_ABNORMAL"})
    provider.till.run_jobs("payments.refund")
    [failed] = provider.all(SharingReturn)
    second = ask_back(provider, order, 7_500)

    def act(i: int) -> object:
        if i % 2:
            return remote.return_first(provider.till.cashier.sharing, second, now())
        with database.transaction() as session:
            mine = provider.merchant_id
            return returning.again(session, mine, failed.id, actor="staff:1", now=now())

    race(provider.till.app, 6, act)
    provider.till.run_jobs("payments.check_return")
    provider.decide()
    race(provider.till.app, 6, act)
    provider.till.run_jobs("payments.check_return")

    backs = [one for one in provider.all(SharingReturn) if one.state is ReturnState.succeeded]
    assert sum(one.amount_fen for one in backs) == 1_000
    assert [one.returned_fen for one in provider.all(SharingPart)] == [part.amount_fen]
    assert provider.sums()["commission"] == 0


def test_control_refunds_that_look_then_write_take_a_part_back_twice(provider: Provider) -> None:
    provider.agree(1_000)
    provider.sell()
    provider.settle()
    [part] = provider.all(SharingPart)
    assert part.state is PartState.succeeded
    together = threading.Barrier(2)

    def naive(_: int) -> int:
        with database.transaction() as session:
            mine = session.get_one(SharingPart, part.id)
            together.wait()
            due = mine.amount_fen - mine.returned_fen
            mine.returned_fen += due
            return due

    assert race(provider.till.app, 2, naive) == [1_000, 1_000]
