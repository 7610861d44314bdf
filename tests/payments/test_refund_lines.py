"""A refund by lines: to the fen, never more than a line was paid, from where the money came."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from flask import Flask
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from catalogue import stock
from catalogue.models import StoreSku
from core import database
from core.outbox import OutboxJob
from coupons import locking
from coupons.models import Coupon, CouponState
from crm import balance
from crm.models import BalanceLot, Member
from gateways.pay.records import RefundResult, Way
from merchants.models import Merchant, Store
from orders import paying
from orders.models import Order, OrderLine, PaymentState
from orders.paying import CouponBack
from payments import refunding
from payments.attempts import Means
from payments.errors import (
    RefundAmountInvalid,
    RefundTooMuch,
)
from payments.models import (
    AttemptState,
    Bill,
    BillKind,
    BillState,
    Channel,
    LedgerEntry,
    PaymentAttempt,
    Refund,
    RefundedLine,
    RefundLine,
)
from payments.refunding import Wanted, rules
from tests import racing
from tests.conftest import NOW
from tests.factories.catalogue import make_sku
from tests.factories.coupons import make_coupon, make_template
from tests.factories.crm import make_member, make_order_id
from tests.factories.merchants import make_merchant, make_store
from tests.factories.orders import make_order

MEANS = Means(Channel.wechat, Way.mini, "1900006789", "wxa41f0c6d8e2b7593", "openid")


@dataclass
class Shop:
    """A paid order of three teas and a cake, and what the tables say of it."""

    session: Session
    store: Store
    member: Member
    order: Order
    skus: list[int] = field(default_factory=list)

    def ask(self, fen: int = 0, restock: tuple[int, ...] = (), **pieces: int) -> Refund:
        wanted = Wanted({int(at[1:]): n for at, n in pieces.items()}, 0, fen, frozenset(restock))
        with self.session.begin_nested():
            return refunding.request(self.session, self.order, wanted, "洒了", "staff:7", NOW)

    def refunds(self) -> list[tuple[int, int, str]]:
        found = select(Refund.channel_fen, Refund.balance_fen, Refund.state).order_by(Refund.id)
        return [(channel, own, state.value) for channel, own, state in self.session.execute(found)]

    def lines(self, refund: Refund) -> list[tuple[int, int, int]]:
        found = (
            select(OrderLine.position, RefundLine.pieces, RefundLine.amount_fen)
            .join(RefundLine, RefundLine.order_line_id == OrderLine.id)
            .where(RefundLine.refund_id == refund.id)
            .order_by(OrderLine.position)
        )
        return [(position, pieces, fen) for position, pieces, fen in self.session.execute(found)]

    def taken(self) -> dict[int, tuple[int, int]]:
        found = self.session.execute(
            select(OrderLine.position, RefundedLine.pieces, RefundedLine.amount_fen).join(
                RefundedLine, RefundedLine.order_line_id == OrderLine.id
            )
        )
        return {position: (pieces, fen) for position, pieces, fen in found}

    def decide(self, refund: Refund, state: str) -> str:
        attempt = self.session.get_one(PaymentAttempt, refund.attempt_id)
        no = refund.out_refund_no
        fen, whole = refund.channel_fen, attempt.channel_fen
        said = RefundResult(no, f"50{no}", state, fen, whole, NOW, attempt.account)
        return refunding.record_result(self.session, said, NOW)

    def left(self) -> list[int | None]:
        found = select(StoreSku.available).where(StoreSku.store_id == self.store.id)
        return list(self.session.scalars(found.order_by(StoreSku.sku_id)))


@pytest.fixture
def shop(session: Session) -> Shop:
    return open_shop(session)


def open_shop(session: Session, balance_fen: int = 0, deposit_fen: int = 0) -> Shop:
    """3 teas for 2,000 fen, a cake for 1,500; `balance_fen` of it is stored value, and a
    `deposit_fen` was paid before the rest."""
    store = make_store(session, make_merchant(session))
    member = make_member(session, merchant=session.get_one(Merchant, store.merchant_id))
    order = make_order(session, member, store, payable_fen=3_500, placed_at=NOW)
    skus = [make_sku(session, store, available=9).id for _ in range(2)]
    for position, (name, quantity, fen) in enumerate((("茶", 3, 2_000), ("蛋糕", 1, 1_500))):
        session.add(
            OrderLine(
                order_id=order.id,
                position=position,
                sku_id=skus[position],
                name=name,
                quantity=quantity,
                unit_fen=fen,
                amount_fen=fen,
                payable_fen=fen,
            )
        )
    session.flush()
    stock.hold(session, order.id, store.id, {skus[0]: 3, skus[1]: 1}, NOW)
    if balance_fen:
        top_up = make_order_id(session, member, store)
        balance.credit(session, member.id, top_up, paid_fen=600, bonus_fen=400, now=NOW)
    parts = [(BillKind.whole, 3_500 - deposit_fen)]
    if deposit_fen:
        parts.insert(0, (BillKind.deposit, deposit_fen))
    for seq, (kind, fen) in enumerate(parts, 1):
        pay(session, order, seq, kind, fen, balance_fen if seq == 1 else 0)
    assert paying.mark_paid(session, order, amount_fen=3_500, now=NOW)
    session.flush()
    session.refresh(order)
    return Shop(session, store, member, order, skus)


def another_order(shop: Shop, balance_fen: int) -> Order:
    """The same member's, of three of the same tea, paid by the balance in part."""
    session, sku = shop.session, shop.skus[0]
    order = make_order(session, shop.member, shop.store, payable_fen=2_000, placed_at=NOW)
    line = {"order_id": order.id, "position": 0, "sku_id": sku, "name": "茶", "quantity": 3}
    session.add(OrderLine(**line, unit_fen=2_000, amount_fen=2_000, payable_fen=2_000))
    session.flush()
    stock.hold(session, order.id, shop.store.id, {sku: 3}, NOW)
    top_up = make_order_id(session, shop.member, shop.store)
    balance.credit(session, shop.member.id, top_up, paid_fen=balance_fen, bonus_fen=0, now=NOW)
    pay(session, order, 1, BillKind.whole, 2_000, balance_fen)
    assert paying.mark_paid(session, order, amount_fen=2_000, now=NOW)
    session.flush()
    session.refresh(order)
    return order


def pay(
    session: Session, order: Order, seq: int, kind: BillKind, fen: int, balance_fen: int
) -> None:
    bill = Bill(order_id=order.id, seq=seq, kind=kind, amount_fen=fen, state=BillState.paid,
                created_at=NOW, paid_at=NOW)  # fmt: skip
    session.add(bill)
    session.flush()
    attempt = PaymentAttempt(
        out_trade_no=f"P{bill.id:08}", bill_id=bill.id, live=True, channel=MEANS.channel,
        way=MEANS.way, account=MEANS.account, amount_fen=fen, balance_fen=balance_fen,
        channel_fen=fen - balance_fen, state=AttemptState.succeeded, expires_at=NOW,
        created_at=NOW, settled_at=NOW,
    )  # fmt: skip
    session.add(attempt)
    session.flush()
    if balance_fen:
        balance.freeze(session, order.member_id, f"attempt:{attempt.id}", balance_fen, now=NOW)
        balance.capture(session, f"attempt:{attempt.id}", now=NOW)


def test_pieces_go_back_at_their_share_and_the_last_takes_the_rest(shop: Shop) -> None:
    first = shop.ask(p0=1, p1=1)

    assert (first.amount_fen, shop.lines(first)) == (2_167, [(0, 1, 667), (1, 1, 1_500)])
    second = shop.ask(p0=2)
    assert (second.amount_fen, shop.lines(second)) == (1_333, [(0, 2, 1_333)])
    assert shop.taken() == {0: (3, 2_000), 1: (1, 1_500)}
    for more in ({"p0": 1}, {"p1": 1}):
        with pytest.raises(RefundTooMuch):
            shop.ask(**more)
    assert len(shop.refunds()) == 2


@pytest.mark.parametrize(
    ("wanted", "refusal"),
    [
        (Wanted({7: 1}), RefundAmountInvalid),
        (Wanted({0: 0}), RefundAmountInvalid),
        (Wanted({0: 4}), RefundTooMuch),
        (Wanted(delivery_fen=1), RefundTooMuch),
        (Wanted(delivery_fen=-1), RefundAmountInvalid),
        (Wanted(free_fen=3_501), RefundTooMuch),
        (Wanted(), RefundAmountInvalid),
    ],
)
def test_what_was_not_sold_is_not_given_back(
    shop: Shop, wanted: Wanted, refusal: type[Exception]
) -> None:
    with pytest.raises(refusal):
        refunding.request(shop.session, shop.order, wanted, "洒了", "staff:7", NOW)

    assert (shop.refunds(), shop.taken()) == ([], {})


def test_the_delivery_fee_goes_back_apart_and_once(shop: Shop) -> None:
    """Whatever an order charges for none of its lines is its delivery fee."""
    cake = update(OrderLine).where(OrderLine.position == 1).values(payable_fen=1_000)
    shop.session.execute(cake)

    whole = Wanted({1: 1}, delivery_fen=500)
    refund = refunding.request(shop.session, shop.order, whole, "没送到", "staff:7", NOW)

    assert (refund.amount_fen, refund.delivery_fen) == (1_500, 500)
    with pytest.raises(RefundTooMuch):
        refunding.propose(shop.session, shop.order, Wanted(delivery_fen=1))


def test_money_for_no_goods_cuts_what_lines_can_give(shop: Shop) -> None:
    shop.ask(500)

    proposal = refunding.propose(shop.session, shop.order, Wanted({0: 3, 1: 1}))

    assert (proposal.amount_fen, proposal.cut_fen, proposal.left_fen) == (3_000, 500, 3_000)
    assert [part.amount_fen for part in proposal.lines] == [1_714, 1_286]
    assert shop.ask(p0=3, p1=1).amount_fen == 3_000


def test_what_can_be_sold_again_goes_back_on_the_shelf(shop: Shop) -> None:
    assert shop.left() == [6, 8]

    shop.ask(p0=1, p1=1, restock=(0,))

    assert shop.left() == [7, 8]
    shop.ask(p0=2, restock=(0,))
    assert shop.left() == [9, 8]


def test_a_mixed_payment_goes_back_in_proportion_the_balance_at_once(session: Session) -> None:
    shop = open_shop(session, balance_fen=700)
    assert shop.member.balance_fen == 300

    refund = shop.ask(p0=1, p1=1)

    assert shop.refunds() == [(1_734, 0, "requested"), (0, 433, "succeeded")]
    both = session.scalars(select(Refund).order_by(Refund.id)).all()
    assert {each.batch for each in both} == {refund.out_refund_no}
    assert [shop.lines(each) for each in both] == [
        [(0, 1, 667), (1, 1, 1_067)],
        [(1, 0, 433)],
    ]
    assert shop.taken() == {0: (1, 667), 1: (1, 1_500)}
    queued = session.scalars(select(OutboxJob.name).where(OutboxJob.name == "payments.refund"))
    assert len(queued.all()) == 1
    session.refresh(shop.order)
    assert (shop.order.refunded_fen, shop.order.payment_state) == (433, PaymentState.part_refunded)
    session.refresh(shop.member)
    lot = session.scalars(select(BalanceLot)).one()
    assert (shop.member.balance_fen, lot.principal_fen, lot.bonus_fen) == (733, 371, 362)
    assert entries(session, both[1]) == {"balance": -433, "sales": 433}

    assert shop.decide(refund, "SUCCESS") == "refunded"
    shop.ask(p0=2)
    assert shop.refunds()[2:] == [(1_066, 0, "requested"), (0, 267, "succeeded")]
    session.refresh(shop.member)
    assert (shop.member.balance_fen, shop.member.balance_bonus_fen) == (1_000, 400)
    assert balance.list_unbalanced(session, range(shop.member.id, shop.member.id + 1)) == []


def test_the_newest_bill_gives_back_first(session: Session) -> None:
    shop = open_shop(session, deposit_fen=1_000)

    shop.ask(2_000)
    shop.ask(1_000)

    found = session.execute(
        select(Bill.kind, Refund.amount_fen)
        .join(PaymentAttempt, PaymentAttempt.bill_id == Bill.id)
        .join(Refund, Refund.attempt_id == PaymentAttempt.id)
        .order_by(Refund.id)
    )
    assert [tuple(row) for row in found] == [
        (BillKind.whole, 2_000), (BillKind.whole, 500), (BillKind.deposit, 500),
    ]  # fmt: skip
    with pytest.raises(RefundTooMuch) as refused:
        shop.ask(501)
    assert refused.value.extra == {"refundable_fen": 500}


@pytest.mark.parametrize(
    ("rule", "expired", "state"),
    [
        (CouponBack.always, False, CouponState.issued),
        (CouponBack.always, True, CouponState.issued),
        (CouponBack.valid, False, CouponState.issued),
        (CouponBack.valid, True, CouponState.redeemed),
        (CouponBack.never, False, CouponState.redeemed),
    ],
)
def test_the_coupon_comes_back_with_the_last_fen_as_the_shop_says(
    shop: Shop, rule: CouponBack, expired: bool, state: CouponState
) -> None:
    session, merchant_id = shop.session, shop.store.merchant_id
    template = make_template(session, session.get_one(Merchant, merchant_id))
    coupon = make_coupon(session, shop.member, template)
    locking.lock(session, coupon, shop.order.id, NOW)
    locking.redeem_locked(session, shop.order.id, shop.store.id, NOW)
    said = rules.Rules(coupon_back=rule)
    rules.save(session, merchant_id, said, actor="staff:1", now=NOW)
    if expired:
        session.execute(update(Coupon).values(expires_at=NOW))

    shop.decide(shop.ask(p0=3), "SUCCESS")
    session.refresh(coupon)
    assert coupon.state is CouponState.redeemed
    shop.decide(shop.ask(p1=1), "SUCCESS")

    session.refresh(coupon)
    assert coupon.state is state


def entries(session: Session, refund: Refund) -> dict[str, int]:
    found = select(LedgerEntry).where(LedgerEntry.cause == f"refund:{refund.id}")
    return {e.account.partition(":")[0]: e.amount_fen for e in session.scalars(found)}


# Races, on a server


shared = racing.shared


@pytest.fixture
def arena(shared: Flask) -> Iterator[Flask]:
    yield shared
    racing.sweep()


def test_two_tills_give_one_cake_back_once(arena: Flask) -> None:
    with database.transaction() as session:
        order_id = open_shop(session).order.id

    def one(_: int) -> int:
        with database.transaction() as session:
            order, cake = session.get_one(Order, order_id), Wanted({1: 1})
            return refunding.request(session, order, cake, "洒了", "staff:7", NOW).amount_fen

    results = racing.race(arena, 8, one)

    assert racing.refusals(results) == [RefundTooMuch.code] * 7
    with database.reading() as session:
        assert session.scalars(select(Refund.amount_fen)).all() == [1_500]
        assert session.scalars(select(RefundedLine.pieces)).all() == [1]


def test_control_tills_that_look_then_write_give_it_back_to_everybody(arena: Flask) -> None:
    with database.transaction() as session:
        order_id = open_shop(session).order.id
    together = threading.Barrier(4)

    def naive(_: int) -> int:
        with database.transaction() as session:
            order = session.get_one(Order, order_id)
            proposal = refunding.propose(session, order, Wanted({1: 1}))
            together.wait()
            return proposal.amount_fen

    assert racing.race(arena, 4, naive) == [1_500] * 4
