"""Payments as a merchant looks for them, and everything that is known of one."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.orm import Session

from core import cursors
from core.errors import NotFound
from core.inbox import InboundEvent
from core.outbox import OutboxJob
from gateways.pay.records import Way
from orders import finding
from orders.models import Order
from payments import returned
from payments.models import (
    AttemptState,
    Bill,
    Channel,
    LedgerEntry,
    PaymentAttempt,
    Refund,
)
from payments.returned import NOTHING, Returned
from payments.shipping.models import PaymentShipping

PAGE = 50
_OURS = re.compile(r"[A-Z]{1,3}\d{8}[0-9A-Z]{16}")


class PaymentNotFound(NotFound):
    code = "payment_not_found"
    title = "没有这笔付款"


@dataclass(frozen=True)
class Wanted:
    """What is looked for; `q` is a number: ours, the channel's, or an order's, whole or short."""

    since: datetime
    until: datetime
    today: date
    state: AttemptState | None = None
    channel: Channel | None = None
    way: Way | None = None
    q: str = ""


@dataclass(frozen=True)
class Row:
    attempt: PaymentAttempt
    order_id: int
    order_no: str
    number: str
    back: Returned


@dataclass(frozen=True)
class Page:
    rows: Sequence[Row]
    next: str | None


@dataclass(frozen=True)
class History:
    """All of one order's money: its bills and tries, notices, jobs, refunds, postings."""

    order: Order
    bills: Sequence[Bill]
    attempts: Sequence[PaymentAttempt]
    notices: Sequence[InboundEvent]
    jobs: Sequence[OutboxJob]
    refunds: Sequence[Refund]
    entries: Sequence[LedgerEntry]
    shipping: PaymentShipping | None
    back: Returned


def page(
    session: Session,
    merchant_id: int,
    store_ids: Collection[int],
    wanted: Wanted,
    *,
    cursor: str = "",
    limit: int = PAGE,
) -> Page:
    """The latest first. Raises Malformed for a cursor that is none."""
    conditions = _mine(merchant_id, store_ids)
    if wanted.q:
        conditions.append(_number(session, store_ids, wanted))
    else:
        conditions += [
            PaymentAttempt.created_at >= wanted.since,
            PaymentAttempt.created_at < wanted.until,
        ]
    for column, value in (
        (PaymentAttempt.state, wanted.state),
        (PaymentAttempt.channel, wanted.channel),
        (PaymentAttempt.way, wanted.way),
    ):
        if value is not None:
            conditions.append(column == value)
    if (at := cursors.place(cursor)) is not None:
        created, id_ = PaymentAttempt.created_at, PaymentAttempt.id
        conditions.append(or_(created < at[0], and_(created == at[0], id_ < at[1])))
    found = session.execute(
        select(PaymentAttempt, Order.id, Order.no, Order.pickup_number)
        .join(Bill, Bill.id == PaymentAttempt.bill_id)
        .join(Order, Order.id == Bill.order_id)
        .where(*conditions)
        .order_by(PaymentAttempt.created_at.desc(), PaymentAttempt.id.desc())
        .limit(limit + 1)
    ).all()
    back = returned.of(session, [attempt for attempt, *_ in found[:limit]])
    rows = [
        Row(attempt, id_, no, number or no[-6:], back.get(attempt.id, NOTHING))
        for attempt, id_, no, number in found[:limit]
    ]
    last = rows[-1].attempt if len(found) > limit else None
    return Page(rows, cursors.after(last.created_at, last.id) if last else None)


def get_of(
    session: Session, merchant_id: int, store_ids: Collection[int], attempt_id: int
) -> PaymentAttempt:
    """The gate: another merchant's, or another store's, is not found."""
    mine = _mine(merchant_id, store_ids)
    found = session.scalar(select(PaymentAttempt).where(PaymentAttempt.id == attempt_id, *mine))
    if found is None:
        raise PaymentNotFound
    return found


def history(session: Session, attempt: PaymentAttempt) -> History:
    """As many questions whatever there is to be told."""
    order = session.scalars(
        select(Order).join(Bill, Bill.order_id == Order.id).where(Bill.id == attempt.bill_id)
    ).one()
    bills = session.scalars(select(Bill).where(Bill.order_id == order.id).order_by(Bill.seq)).all()
    tries = session.scalars(
        select(PaymentAttempt)
        .where(PaymentAttempt.bill_id.in_([bill.id for bill in bills]))
        .order_by(PaymentAttempt.id)
    ).all()
    refunds = session.scalars(
        select(Refund).where(Refund.order_id == order.id).order_by(Refund.id)
    ).all()
    numbers = [each.out_trade_no for each in tries]
    notices = session.scalars(
        select(InboundEvent).where(InboundEvent.about.in_(numbers)).order_by(InboundEvent.id)
    ).all()
    keys = _job_keys(order, tries, refunds)
    jobs = session.scalars(
        select(OutboxJob).where(OutboxJob.key.in_(keys)).order_by(OutboxJob.id)
    ).all()
    entries = session.scalars(
        select(LedgerEntry).where(LedgerEntry.order_id == order.id).order_by(LedgerEntry.id)
    ).all()
    shipping = session.scalar(
        select(PaymentShipping).where(PaymentShipping.attempt_id == attempt.id)
    )
    back = returned.of(session, [attempt]).get(attempt.id, NOTHING)
    return History(order, bills, tries, notices, jobs, refunds, entries, shipping, back)


def find_notice(session: Session, attempt: PaymentAttempt, event_id: int) -> InboundEvent:
    """Raises PaymentNotFound for one that speaks of something else."""
    event = session.get(InboundEvent, event_id)
    if event is None or event.about != attempt.out_trade_no:
        raise PaymentNotFound("没有这条通知")
    return event


def _mine(merchant_id: int, store_ids: Collection[int]) -> list[ColumnElement[bool]]:
    return [PaymentAttempt.merchant_id == merchant_id, PaymentAttempt.store_id.in_(store_ids)]


def _number(session: Session, store_ids: Collection[int], wanted: Wanted) -> ColumnElement[bool]:
    """Each kind of number has a key of its own; what it is shows in how it is written."""
    given = wanted.q.strip()
    if _OURS.fullmatch(given.upper()):
        return PaymentAttempt.out_trade_no == given.upper()
    if found := finding.find_ids(session, store_ids, given, wanted.today):
        return PaymentAttempt.bill_id.in_(select(Bill.id).where(Bill.order_id.in_(found)))
    # By channel, because the key begins with it.
    return and_(
        PaymentAttempt.channel.in_(list(Channel)), PaymentAttempt.transaction_id == given[:64]
    )


def _job_keys(
    order: Order, tries: Sequence[PaymentAttempt], refunds: Sequence[Refund]
) -> list[str]:
    of_tries = ("payments.query_pending", "payments.close_attempt", "payments.follow_code")
    of_refunds = ("payments.refund", "payments.query_refund")
    return [
        *(f"{name}:{each.id}" for each in tries for name in of_tries),
        *(f"{name}:{each.id}" for each in refunds for name in of_refunds),
        *(
            f"{name}:{order.id}"
            for name in ("orders.expire", "orders.after_paid", "orders.after_completed")
        ),
    ]
