"""One service provider, several merchants: each is paid, billed and shared under its own number."""

import io
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from core import database
from core.clock import business_day, day_bounds
from core.inbox import InboundEvent
from gateways.pay.bills import BillKind
from gateways.pay.errors import ChannelRefused
from gateways.pay.sharing import Part, Party, PartyKind
from orders.models import Order, PaymentState
from payments import refunding
from payments.asks import asked_of, refund_of
from payments.models import AttemptState, LedgerEntry, RefundState
from payments.models.statements import (
    Discrepancy,
    StatementDay,
    StatementKind,
    StatementState,
)
from payments.recon import days, remote
from sandbox.pay import notices as sandbox_notices
from sandbox.pay.orders import describe
from tests.factories.crm import make_member
from tests.factories.merchants import make_merchant, make_store
from tests.payments.conftest import MCHID, MINI, Channel, Till, open_till

QINGHE, BAITANG, STRANGER = "1900007001", "1900007002", "1900007003"


@pytest.fixture
def till_config(till_config: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    def make(sandbox_url: str, database_url: str, **own: Any) -> dict[str, Any]:
        raw = till_config(sandbox_url, database_url, **own)
        [account] = raw["wechat"]["pay_merchants"]
        account["sub_mchid"] = QINGHE
        raw["wechat"]["pay_merchants"] += [account | {"sub_mchid": BAITANG, "merchant": "baitang"}]
        return raw

    return make


@dataclass
class Shop(Till):
    """A till whose money comes in under `sub`."""

    sub: str = ""

    @property
    def account(self) -> str:
        return f"{MCHID}-{self.sub}"

    def ordered(self, fen: int = 2500) -> tuple[Order, dict[str, str]]:
        order = self.order(fen)
        return order, self.open(order, replace(self.means, account=self.account))

    def paid(self, fen: int = 2500) -> Order:
        order, params = self.ordered(fen)
        self.channel.pay(params)
        assert self.deliver(self.channel.next_notice()) == 204
        return order

    def tell(self, order: Order, **changed: Any) -> int:
        """A genuine notice that the order was paid, with something else in it."""
        number = self.attempts(order)[0].out_trade_no
        known = self.channel.world.ledger.find_order(MCHID, number)
        assert known is not None
        sandbox_notices.create(
            self.channel.world,
            MCHID,
            known.request["notify_url"],
            event_type="TRANSACTION.SUCCESS",
            original_type="transaction",
            summary="支付成功",
            plain=describe(known) | changed,
            title="通知",
            person=None,
        )
        return self.deliver(self.channel.next_notice())


@pytest.fixture
def shops(app: Flask, channel: Channel) -> tuple[Shop, Shop]:
    first = open_till(app, channel)
    with database.transaction() as session:
        merchant = make_merchant(session, code="baitang")
        store, member = make_store(session, merchant), make_member(session, merchant=merchant)
    return (
        Shop(app, channel, first.member, first.store, QINGHE),
        Shop(app, channel, member, store, BAITANG),
    )


def events() -> list[InboundEvent]:
    with database.reading() as session:
        return list(session.scalars(select(InboundEvent).order_by(InboundEvent.id)))


def booked() -> dict[str, int]:
    with database.reading() as session:
        entries = session.scalars(select(LedgerEntry)).all()
    return {e.account: e.amount_fen for e in entries if e.account.startswith("channel:")}


def test_each_is_paid_on_its_own_account_through_one_door(shops: tuple[Shop, Shop]) -> None:
    qinghe, baitang = shops
    mine, theirs = qinghe.paid(2500), baitang.paid(900)

    assert [qinghe.read(mine).payment_state, baitang.read(theirs).payment_state] == [
        PaymentState.paid,
        PaymentState.paid,
    ]
    assert booked() == {
        f"channel:wechat:{MCHID}-{QINGHE}": 2500,
        f"channel:wechat:{MCHID}-{BAITANG}": 900,
    }
    assert {event.source for event in events()} == {f"wechat.pay:{MCHID}"}
    found = qinghe.channel.world.ledger.orders.values()
    assert {one.sub_mchid for one in found} == {QINGHE, BAITANG}
    assert {one.request["notify_url"] for one in found} == {
        f"http://127.0.0.1:8000/pay/wechat/notify/{MCHID}"
    }


def test_merchants_are_found_by_their_codes(shops: tuple[Shop, Shop]) -> None:
    cashier = shops[0].cashier
    for code, sub in (("qinghe", QINGHE), ("baitang", BAITANG)):
        pay, sharing = cashier.find_for(code, "wechat"), cashier.sharing_for(code)
        assert pay is cashier.of("wechat", f"{MCHID}-{sub}")
        assert sharing is not None
        assert (sharing.account, sharing.provider, sharing.seller) == (pay.account, MCHID, sub)


def test_a_notice_of_one_does_not_settle_what_the_other_is_owed(shops: tuple[Shop, Shop]) -> None:
    qinghe, _ = shops
    order, params = qinghe.ordered()
    before = qinghe.attempts(order)[0].state
    world = qinghe.channel.world
    qinghe.channel.pay(params)
    qinghe.channel.next_notice()

    assert qinghe.tell(order, sub_mchid=BAITANG) == 204

    assert [event.outcome for event in events()] == ["mismatch"]
    assert (qinghe.attempts(order)[0].state, qinghe.ledger()) == (before, [])
    assert qinghe.read(order).payment_state is PaymentState.unpaid
    # The control: the same with the right number does.
    assert qinghe.tell(order) == 204
    assert qinghe.read(order).payment_state is PaymentState.paid
    assert len(world.ledger.orders) == 1


def test_who_is_not_configured_is_refused(shops: tuple[Shop, Shop]) -> None:
    qinghe, _ = shops
    order, params = qinghe.ordered()
    qinghe.channel.pay(params)
    qinghe.channel.next_notice()

    odd: list[Any] = [STRANGER, "", None, [QINGHE], {"a": 1}]
    assert {qinghe.tell(order, sub_mchid=named) for named in odd} == {403}

    assert events() == []
    assert qinghe.read(order).payment_state is PaymentState.unpaid


def test_each_sees_only_its_own_payments(shops: tuple[Shop, Shop]) -> None:
    qinghe, baitang = shops
    order = qinghe.paid()
    attempt = qinghe.attempts(order)[0]
    cashier = qinghe.cashier

    mine = cashier.of("wechat", qinghe.account).query(asked_of(attempt))
    assert mine is not None
    assert mine.account == qinghe.account
    assert cashier.of("wechat", baitang.account).query(asked_of(attempt)) is None


def test_each_has_a_bill_of_its_own(shops: tuple[Shop, Shop]) -> None:
    qinghe, baitang = shops
    numbers = {}
    for shop, fen in ((qinghe, 2500), (baitang, 900)):
        numbers[shop.account] = shop.attempts(shop.paid(fen))[0].out_trade_no
    qinghe.channel.world.bills.wrongs.early = True
    today = (datetime.now(UTC) + timedelta(hours=8)).date()

    for shop, fen in ((qinghe, 2500), (baitang, 900)):
        source, file = shop.cashier.bills_of("wechat", shop.account), io.BytesIO()
        assert source.kinds == {BillKind.trade}
        assert source.fetch(today, BillKind.trade, file)
        file.seek(0)
        found = [(row.our_no, row.amount_fen) for row in source.rows(file)]
        assert found == [(numbers[shop.account], fen)]


def test_a_refund_names_whose_money_it_is(shops: tuple[Shop, Shop]) -> None:
    qinghe, baitang = shops
    order = qinghe.paid()
    with database.transaction() as session:
        found = session.get_one(Order, order.id)
        asked = refunding.request(session, found, 700, "缺货", "staff:7", datetime.now(UTC))
    attempt = qinghe.attempts(order)[0]

    with pytest.raises(ChannelRefused, match="RESOURCE_NOT_EXISTS"):
        baitang.cashier.of("wechat", baitang.account).refund(
            asked_of(attempt), refund_of(asked, attempt)
        )
    qinghe.run_jobs("payments.refund")

    [refund] = qinghe.refunds(order)
    assert refund.state is RefundState.processing
    [known] = qinghe.channel.world.ledger.refunds.values()
    assert (known.sub_mchid, known.refund_fen) == (QINGHE, 700)


def test_sharing_names_whose_money_it_is(shops: tuple[Shop, Shop]) -> None:
    qinghe, baitang = shops
    order, params = qinghe.ordered()
    number = qinghe.attempts(order)[0].out_trade_no
    known = qinghe.channel.world.ledger.find_order(MCHID, number)
    assert known is not None
    known.request["settle_info"] = {"profit_sharing": True}
    qinghe.channel.pay(params)
    known.success_at -= 120
    part = Part(Party(PartyKind.merchant, MCHID, MINI), 100, "佣金")

    with pytest.raises(ChannelRefused, match="NO_AUTH"):
        baitang.cashier.sharing(baitang.account).share("S1", known.transaction_id, [part])
    qinghe.cashier.sharing(qinghe.account).share("S1", known.transaction_id, [part])

    [share] = qinghe.channel.world.sharings.shares.values()
    assert share.request["sub_mchid"] == QINGHE


def test_what_was_kept_under_the_bare_number_is_the_first_one_s(shops: tuple[Shop, Shop]) -> None:
    """A payment from before the provider served several."""
    qinghe, _ = shops
    order = qinghe.order()
    params = qinghe.open(order)  # under the number alone
    qinghe.channel.pay(params)

    assert qinghe.deliver(qinghe.channel.next_notice()) == 204

    [attempt] = qinghe.attempts(order)
    assert (attempt.account, attempt.state) == (MCHID, AttemptState.succeeded)
    [known] = qinghe.channel.world.ledger.orders.values()
    assert known.sub_mchid == QINGHE
    assert qinghe.cashier.can_share("wechat", MCHID)


def test_each_is_reconciled_with_what_came_before_under_the_bare_number(
    shops: tuple[Shop, Shop],
) -> None:
    qinghe, baitang = shops
    qinghe.channel.pay(qinghe.open(qinghe.order(10_000)))
    assert qinghe.deliver(qinghe.channel.next_notice()) == 204
    qinghe.paid(20_000)
    baitang.paid(30_000)
    qinghe.channel.world.bills.wrongs.early = True
    now = datetime.now(UTC)
    tomorrow = day_bounds(business_day(now))[1] + timedelta(hours=10, minutes=5)
    with database.transaction() as session:
        days.want(session, remote.accounts(qinghe.cashier), now=tomorrow)
    with database.reading() as session:
        trades = select(StatementDay).where(
            StatementDay.kind == StatementKind.trade, StatementDay.channel == "wechat"
        )
        wanted = {day.account: day.id for day in session.scalars(trades)}
    assert set(wanted) == {qinghe.account, baitang.account}

    for day_id in wanted.values():
        remote.reconcile(qinghe.cashier, day_id, tomorrow)

    with database.reading() as session:
        found = {session.get_one(StatementDay, id_).state for id_ in wanted.values()}
        wrong = session.scalars(select(Discrepancy)).all()
        fees = session.scalars(select(LedgerEntry).where(LedgerEntry.cause.startswith("fee:")))
        kept = {e.account: e.amount_fen for e in fees if e.account.startswith("channel:")}
    assert (found, wrong) == ({StatementState.matched}, [])
    assert kept == {
        f"channel:wechat:{MCHID}": -54,
        f"channel:wechat:{qinghe.account}": -108,
        f"channel:wechat:{baitang.account}": -162,
    }
