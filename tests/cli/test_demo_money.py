"""The demo's money: one fee on every page, and channels that know the shop's past."""

import json
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

import gateways
from core.clock import business_day, day_bounds
from core.clock import now as clock_now
from core.database import reading, transaction
from core.outbox import OutboxJob
from gateways.pay.records import Way
from orders.models import Order, PaymentState
from payments.models import (
    AttemptState,
    Bill,
    BillKind,
    BillState,
    BookProof,
    Channel,
    LedgerEntry,
    PaymentAttempt,
    ReceiverState,
    Refund,
    RefundState,
    ReturnState,
    Sharing,
    SharingReceiver,
    SharingReturn,
    SharingState,
)
from payments.models.statements import (
    Discrepancy,
    StatementDay,
    StatementKind,
    StatementLine,
    StatementState,
    StatementTotal,
)
from payments.recon import days, remote
from payments.sharing import returning
from tests.console.conftest import Browser
from tests.wechat_world import Shop, run_sandbox, run_shop
from tests.working import run_inline


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A past that the sandbox was told of."""
    folder = tmp_path_factory.mktemp("money")
    with run_sandbox(folder, past=True) as wechat, run_shop(wechat, folder) as shop:
        told = folder / "told.json"
        args = ("demo-data", "--history", "24", "--audience", "120", "--told", str(told))
        done = shop.app.test_cli_runner().invoke(args=args)
        assert done.exit_code == 0, done.output
        answer = shop.app_post("past", json.loads(told.read_text("utf-8")))
        assert answer["payments"] > answer["refunds"] > 0
        yield shop


def fees_of(found: Any) -> dict[date, int]:
    return {day: int(fen) for day, fen in found if fen}


def test_every_day_that_was_matched_has_the_fees_of_its_bill(past: Shop) -> None:
    with reading() as session:
        billed = (
            select(StatementDay.day, func.sum(StatementTotal.fee_fen))
            .join(StatementDay, StatementDay.id == StatementTotal.day_id)
            .group_by(StatementDay.day)
        )
        matched = fees_of(session.execute(billed))
        first = session.scalar(
            select(func.min(StatementDay.day)).where(StatementDay.kind == StatementKind.trade)
        )
        kept = (
            select(LedgerEntry.day, func.sum(LedgerEntry.amount_fen))
            .where(LedgerEntry.account.startswith("fee:"), LedgerEntry.day >= first)
            .group_by(LedgerEntry.day)
        )
        booked = fees_of(session.execute(kept))

    assert len(matched) >= 5
    assert booked == matched


def test_only_the_two_planted_differences_are_open(past: Shop) -> None:
    with reading() as session:
        found = session.scalars(select(Discrepancy).order_by(Discrepancy.id)).all()
        kinds = [(each.kind, each.about) for each in found]

    assert kinds == [("fee", "payment"), ("short", "payment")]


def test_the_bills_have_the_refunds(past: Shop) -> None:
    with reading() as session:
        told = session.scalars(
            select(StatementLine.our_no).where(StatementLine.kind == "refund")
        ).all()
        first = session.scalar(select(func.min(StatementDay.day)))
        assert first is not None
        arrived = session.scalars(
            select(Refund.out_refund_no).where(
                Refund.state == RefundState.succeeded,
                Refund.channel_fen > 0,
                Refund.requested_at >= day_bounds(first)[0],
            )
        ).all()

    assert arrived
    assert set(arrived) <= set(told)


def test_all_ways_of_paying_are_there(past: Shop) -> None:
    with reading() as session:
        found = session.execute(
            select(PaymentAttempt.channel, PaymentAttempt.way).where(
                PaymentAttempt.state == AttemptState.succeeded
            )
        )
        tries = dict(
            session.execute(
                select(PaymentAttempt.state, func.count()).group_by(PaymentAttempt.state)
            ).all()
        )
        on_the_way = session.scalar(
            select(func.count()).where(Refund.state == RefundState.processing)
        )
        ways = {(channel, way) for channel, way in found}
        part = session.scalar(
            select(func.count()).where(
                PaymentAttempt.channel == Channel.wechat, PaymentAttempt.balance_fen > 0
            )
        )

    assert {
        (Channel.wechat, Way.mini),
        (Channel.wechat, Way.code),
        (Channel.alipay, Way.code),
        (Channel.balance, None),
    } <= ways
    assert Channel.unionpay in {channel for channel, _ in ways}
    assert part == 1
    assert (tries[AttemptState.failed], tries[AttemptState.closed]) == (1, 1)
    assert on_the_way


def test_a_rest_is_open_and_friends_paid_their_shares(past: Shop) -> None:
    bills: dict[int, list[tuple[BillKind, BillState, bool]]] = {}  # and whether a friend paid
    with reading() as session:
        found = session.execute(
            select(Order, Bill, PaymentAttempt.member_id)
            .join(Bill, Bill.order_id == Order.id)
            .outerjoin(PaymentAttempt, PaymentAttempt.bill_id == Bill.id)
            .where(Bill.kind != BillKind.whole)
            .order_by(Order.id, Bill.seq)
        ).all()
        for order, bill, payer in found:
            assert payer != order.member_id
            bills.setdefault(order.id, []).append((bill.kind, bill.state, payer is not None))
        open_ = [order.id for order, _, _ in found if order.payment_state is PaymentState.part_paid]
        ends = select(OutboxJob.args, OutboxJob.run_at).where(OutboxJob.name == "orders.expire")
        ending = {args["order_id"]: run_at for args, run_at in session.execute(ends)}

    share, paid, owed = BillKind.share, BillState.paid, BillState.open
    assert list(bills.values()) == [
        [(BillKind.deposit, paid, False), (BillKind.rest, owed, False)],
        [(share, paid, False), (share, paid, True)],
        [(share, owed, False), (share, paid, True), (share, owed, False)],
    ]
    assert ending == {order.id: order.expires_at for order, _, _ in found if order.id in open_}
    owner = Browser(past.app)
    owner.log_in("owner", "linli-demo")
    assert owner.get("/orders/waiting/").text.count("已付 ¥") == len(set(open_)) == 2


def test_what_was_shared_came_back_or_can_be_asked_for_again(past: Shop) -> None:
    """Of two refunds the head office gave back its part of one; the other part comes when asked."""
    with reading() as session:
        named = dict(session.execute(select(SharingReceiver.state, SharingReceiver.error)).all())
        states = session.scalars(select(Sharing.state)).all()
        returns = session.execute(
            select(SharingReturn.amount_fen, SharingReturn.state, SharingReturn.id).order_by(
                SharingReturn.id
            )
        ).all()
        told = select(LedgerEntry.amount_fen).where(LedgerEntry.cause.startswith("sharing_back:"))
        booked = session.scalars(told.where(LedgerEntry.amount_fen > 0)).all()

    assert named == {
        ReceiverState.ended: "",
        ReceiverState.refused: "RECEIVER_REAL_NAME_NOT_VERIFIED",
    }
    assert states == [SharingState.released] * 5
    done, failed = ReturnState.succeeded, ReturnState.failed
    assert [(fen, state) for fen, state, _ in returns] == [
        (100, done), (840, done), (72, done), (600, failed),
    ]  # fmt: skip
    assert sorted(booked) == [72, 100, 840]
    owner = Browser(past.app)
    owner.log_in("owner", "linli-demo")
    page = owner.get("/settlement/sharing/").text
    assert all(word in page for word in ("没收回来的", "¥6.00", "微信没有接受", "接收方没有实名"))

    with transaction() as session:
        merchant_id = session.scalars(select(Sharing.merchant_id).limit(1)).one()
        kept = returns[3].id
        returning.again(session, merchant_id, kept, actor="staff:1", now=clock_now())
    run_inline("payments.check_return", return_id=kept)
    past.app_post("sharings", {})
    run_inline("payments.check_return", return_id=kept)
    with reading() as session:
        assert session.get_one(SharingReturn, kept).state is done


def test_the_demos_books_are_proved(past: Shop) -> None:
    run_inline("core.check_books")

    with reading() as session:
        [proof] = session.scalars(select(BookProof)).all()
    assert proof.counts["order"] > 0
    assert not any(proof.wrong.values())


def test_the_days_that_the_sandbox_tells_are_the_days_that_we_know(past: Shop) -> None:
    """Fetched from the sandbox itself, every day agrees: also today's, once it is over."""
    today = business_day(clock_now())
    past.app_post("bills", {"early": True})
    cashier = gateways.cashier()
    tomorrow = day_bounds(today)[1] + timedelta(hours=days.READY_HOUR, minutes=5)
    with transaction() as session:
        days.want(session, remote.accounts(cashier), now=tomorrow)
    with transaction() as session:
        found = session.scalars(
            select(StatementDay)
            .where(
                StatementDay.kind.in_((StatementKind.trade, StatementKind.fund)),
                StatementDay.channel == "wechat",
            )
            .order_by(StatementDay.day, StatementDay.kind.desc())
        ).all()
        for each in found:
            if each.state is not StatementState.wanted:
                days.move(session, each, StatementState.wanted)
        ids = [each.id for each in found]
        newest = found[-1].day
    for day_id in ids:
        remote.reconcile(cashier, day_id, tomorrow)

    with reading() as session:
        again = session.scalars(select(StatementDay).where(StatementDay.id.in_(ids))).all()
        assert newest == today
        assert {each.state for each in again} == {StatementState.matched}
        taken = session.scalar(
            select(func.count()).where(
                PaymentAttempt.channel == Channel.wechat,
                PaymentAttempt.state == AttemptState.succeeded,
                PaymentAttempt.settled_at >= day_bounds(today)[0],
            )
        )
        given = session.scalar(
            select(func.count())
            .select_from(Refund)
            .join(PaymentAttempt, PaymentAttempt.id == Refund.attempt_id)
            .where(
                PaymentAttempt.channel == Channel.wechat,
                Refund.channel_fen > 0,
                Refund.requested_at >= day_bounds(today)[0],
            )
        )
        told = sum(e.rows for e in again if e.day == today and e.kind is StatementKind.trade)
        assert told == (taken or 0) + (given or 0)
