"""Refunds as a list reads them: filtered, newest first, page by page; and the story of one."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import and_, or_, select, tuple_
from sqlalchemy.orm import Session

from core import cursors
from core.clock import day_bounds
from core.outbox import OutboxJob
from orders.models import Order
from payments.errors import RefundNotFound
from payments.models import PaymentAttempt, Refund, RefundState
from payments.refunding import stuck

SLICE = 500
STATES: dict[str, tuple[RefundState, ...]] = {
    "way": stuck.ON_THE_WAY,
    "done": (RefundState.succeeded,),
    "failed": (RefundState.failed,),
}


@dataclass(frozen=True)
class Filters:
    """`state` is a key of STATES, `stuck`, or "" for all."""

    store_ids: Collection[int]
    state: str = ""
    day: date | None = None


@dataclass(frozen=True)
class Listed:
    refund: Refund
    order: Order
    attempt: PaymentAttempt


@dataclass(frozen=True)
class Page:
    rows: list[Listed]
    next: str


def page(
    session: Session,
    merchant_id: int,
    filters: Filters,
    *,
    now: datetime,
    cursor: str = "",
    limit: int = 50,
) -> Page:
    """Raises Malformed for a cursor that is none."""
    found = _wanted(merchant_id, filters, now)
    if (place := cursors.place(cursor)) is not None:
        before = tuple_(Refund.requested_at, Refund.id) < place
        found = found.where(Refund.requested_at <= place[0], before)
    rows = [Listed(*row) for row in session.execute(found.limit(limit + 1))]
    last = rows[limit - 1].refund if len(rows) > limit else None
    return Page(rows[:limit], cursors.after(last.requested_at, last.id) if last else "")


def every(
    session: Session, merchant_id: int, filters: Filters, *, now: datetime, most: int
) -> Iterator[Listed]:
    """All of them, for a file, slice by slice."""
    cursor, given = "", 0
    while given < most:
        limit = min(SLICE, most - given)
        found = page(session, merchant_id, filters, now=now, cursor=cursor, limit=limit)
        yield from found.rows
        given, cursor = given + len(found.rows), found.next
        if not cursor:
            return


def get(session: Session, merchant_id: int, store_ids: Collection[int], no: str) -> Listed:
    """Raises RefundNotFound; another's is not found."""
    mine = and_(Refund.merchant_id == merchant_id, Refund.out_refund_no == no[:32])
    row = session.execute(_joined().where(mine, Refund.store_id.in_(store_ids))).one_or_none()
    if row is None:
        raise RefundNotFound
    return Listed(*row)


def count_stuck(
    session: Session, merchant_id: int, store_ids: Collection[int], now: datetime
) -> int:
    """As many as there are, up to a hundred."""
    wanted = _wanted(merchant_id, Filters(store_ids, "stuck"), now)
    return len(session.execute(wanted.with_only_columns(Refund.id).limit(100)).all())


def siblings(session: Session, refund: Refund) -> Sequence[Refund]:
    """All that was written down for one act, with what was asked again, in order."""
    mine = select(Refund).where(Refund.batch == refund.batch)
    return session.scalars(mine.order_by(Refund.id)).all()


def jobs_of(session: Session, refund_ids: Collection[int]) -> Sequence[OutboxJob]:
    """The jobs that were written for these, as long as they are kept."""
    names = ("payments.refund", "payments.query_refund", "payments.tell_stuck")
    exact = [f"{name}:{id_}" for name in names for id_ in refund_ids]
    more = [OutboxJob.key.startswith(f"{key}:", autoescape=True) for key in exact]
    mine = select(OutboxJob).where(or_(OutboxJob.key.in_(exact), *more))
    return session.scalars(mine.order_by(OutboxJob.id)).all()


def _joined() -> Any:
    return (
        select(Refund, Order, PaymentAttempt)
        .join(Order, Order.id == Refund.order_id)
        .join(PaymentAttempt, PaymentAttempt.id == Refund.attempt_id)
    )


def _wanted(merchant_id: int, filters: Filters, now: datetime) -> Any:
    found = _joined().where(
        Refund.merchant_id == merchant_id, Refund.store_id.in_(filters.store_ids)
    )
    if filters.state == "stuck":
        # Which can be: most refunds have come through, and the index passes over them.
        found = found.where(Refund.state != RefundState.succeeded, stuck.condition(now))
    elif filters.state in STATES:
        found = found.where(Refund.state.in_(STATES[filters.state]))
    if filters.day is not None:
        begin, end = day_bounds(filters.day)
        found = found.where(Refund.requested_at >= begin, Refund.requested_at < end)
    return found.order_by(Refund.requested_at.desc(), Refund.id.desc())
