"""Once a day: the snapshots are what the ledgers say, or somebody has to look."""

from typing import Any

import pytest
from flask import Flask
from sqlalchemy import delete, select, update

from core import clock
from core.database import reading, transaction
from core.outbox import JobState, OutboxJob
from coupons.models import Coupon, CouponState
from crm import purchases
from crm.models import Member
from orders.models import Order, PaymentState
from payments.models import AttemptState, Bill, BillState, Channel, LedgerEntry, PaymentAttempt
from tasks import books
from tests.factories.coupons import make_coupon, make_template
from tests.factories.crm import make_member, make_merchant, make_order_id, make_store
from tests.working import run_inline


def bought(fen: int) -> tuple[int, int]:
    """A member, and an order that was paid as `payments` would have it."""
    now = clock.now()
    with transaction() as session:
        store = make_store(session)
        member = make_member(session)
        order_id = make_order_id(session, member, store)
        purchases.record_purchase(session, member.id, order_id, store.id, fen, now)
        order = session.get_one(Order, order_id)
        order.payment_state, order.paid_fen, order.paid_at = PaymentState.paid, fen, now
        values = {"order_id": order_id, "amount_fen": fen, "state": BillState.paid}
        session.add(bill := Bill(**values, created_at=now, paid_at=now))
        session.flush()
        session.add(
            PaymentAttempt(
                out_trade_no=f"P{order_id}",
                bill_id=bill.id,
                live=True,
                channel=Channel.wechat,
                amount_fen=fen,
                channel_fen=fen,
                state=AttemptState.succeeded,
                expires_at=now,
                created_at=now,
            )
        )
        for account, amount in ((f"sales:{member.merchant_id}", -fen), ("channel:wechat:1", fen)):
            entry = {"cause": f"payment:{order_id}", "account": account, "amount_fen": amount}
            owner = {"merchant_id": member.merchant_id, "order_id": order_id, "at": now}
            owner["day"] = clock.business_day(now)
            session.add(LedgerEntry(**entry, **owner))
        return member.id, order_id


def named(**wrong: list[int]) -> str:
    kinds = (
        "member",
        "order",
        "coupon",
        "merchant",
        "statement",
        "store",
        "payout",
        "sharing",
        "fee",
        "bill",
        "loss",
    )
    some = {kind: wrong.get(kind, []) for kind in kinds}
    counts = {kind: len(ids) for kind, ids in some.items()}
    return f"BooksWrong: {counts}, among them {some}"


def outcome() -> tuple[JobState, str | None]:
    run_inline("core.check_books")
    with reading() as session:
        row = session.scalars(select(OutboxJob).where(OutboxJob.name == "core.check_books"))
        newest = max(row, key=lambda job: job.id)
        return newest.state, newest.last_error


def test_an_empty_shop_and_one_that_adds_up_are_in_order(app: Flask) -> None:
    assert outcome() == (JobState.done, None)

    for fen in (5_000, 99, 12_345):
        bought(fen)

    assert outcome() == (JobState.done, None)


@pytest.mark.parametrize("column", [Member.points, Member.points_pending])
def test_points_that_do_not_add_up_are_named(app: Flask, column: Any) -> None:
    ids = [bought(5_000)[0] for _ in range(5)]
    with transaction() as session:
        session.execute(update(Member).where(Member.id.in_(ids[2:4])).values({column: column + 1}))

    assert outcome() == (JobState.dead, named(member=ids[2:4]))


@pytest.mark.parametrize(
    "wrong",
    [
        delete(LedgerEntry).where(LedgerEntry.account.startswith("sales:")),
        delete(LedgerEntry).where(LedgerEntry.account.startswith("channel:")),
        delete(LedgerEntry),
        update(LedgerEntry).values(amount_fen=LedgerEntry.amount_fen * 2),
    ],
    ids=["no sale", "no channel", "nothing", "twice"],
)
def test_money_that_does_not_add_up_is_named(app: Flask, wrong: Any) -> None:
    ids = [bought(5_000)[1] for _ in range(5)]
    with transaction() as session:
        session.execute(wrong.where(LedgerEntry.order_id == ids[4]))

    assert outcome() == (JobState.dead, named(order=[ids[4]]))


def test_a_refund_that_only_the_order_knows_is_named(app: Flask) -> None:
    bought(5_000)
    _, order_id = bought(5_000)
    with transaction() as session:
        session.execute(update(Order).where(Order.id == order_id).values(refunded_fen=1))

    assert outcome() == (JobState.dead, named(order=[order_id]))


def test_every_slice_is_looked_at(app: Flask) -> None:
    ids = [1, books.SLICE, books.SLICE + 1, 3 * books.SLICE]
    with transaction() as session:
        for member_id in ids:
            make_member(session, id=member_id, points=1)

    assert outcome() == (JobState.dead, named(member=ids))


def test_a_coupon_that_moved_without_an_entry_is_named(app: Flask) -> None:
    with transaction() as session:
        merchant = make_merchant(session)
        template = make_template(session, merchant)
        member = make_member(session, merchant=merchant)
        ids = [make_coupon(session, member, template).id for _ in range(3)]
        moved = update(Coupon).where(Coupon.id == ids[1])
        session.execute(moved.values(state=CouponState.redeemed))

    assert outcome() == (JobState.dead, named(coupon=[ids[1]]))
