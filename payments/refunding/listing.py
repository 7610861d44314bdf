"""Refunds as a list reads them: filtered, newest first, page by page; and the story of one."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, case, func, or_, select, tuple_, union
from sqlalchemy.orm import Session, aliased

from core import cursors
from core.clock import business_day, day_bounds
from core.outbox import OutboxJob
from orders import finding
from orders.models import Order
from payments.asked_models import AskedRefund
from payments.errors import RefundNotFound
from payments.models import Channel, LedgerEntry, PaymentAttempt, Refund, RefundState
from payments.refunding import stuck

SLICE = 500
STATES: dict[str, tuple[RefundState, ...]] = {
    "way": stuck.ON_THE_WAY,
    "done": (RefundState.succeeded,),
    "failed": (RefundState.failed,),
}


MOST_SUMMED = 20_000


@dataclass(frozen=True)
class Filters:
    """`state` is a key of STATES, `stuck`, or "" for all. `actor`: who asked for it, or of one that
    takes two whoever asked or agreed; `member:` is any customer. `q`: a refund's number or an
    order's, whenever that was, or its short one of the last days."""

    store_ids: Collection[int]
    state: str = ""
    first: date | None = None
    last: date | None = None
    channel: Channel | None = None
    actor: str = ""
    q: str = ""


@dataclass(frozen=True)
class Sums:
    """What a list comes to. Failed ones are counted apart and in no sum: their money stayed."""

    number: int
    channel_fen: int
    balance_fen: int
    done_fen: int
    failed: int


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
    found = _wanted(session, merchant_id, filters, now)
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


def add_up(session: Session, merchant_id: int, filters: Filters, *, now: datetime) -> Sums | None:
    """None: more than MOST_SUMMED, which are not added up while somebody waits."""
    columns = (Refund.state, Refund.channel_fen, Refund.balance_fen, Refund.amount_fen)
    found = _wanted(session, merchant_id, filters, now).with_only_columns(*columns)
    mine = found.order_by(None).limit(MOST_SUMMED + 1).subquery()
    failed = mine.c.state == RefundState.failed
    done = mine.c.state == RefundState.succeeded
    sums = select(
        func.count(),
        func.coalesce(func.sum(case((failed, 0), else_=mine.c.channel_fen)), 0),
        func.coalesce(func.sum(case((failed, 0), else_=mine.c.balance_fen)), 0),
        func.coalesce(func.sum(case((done, mine.c.amount_fen), else_=0)), 0),
        func.coalesce(func.sum(case((failed, 1), else_=0)), 0),
    )
    number, channel, balance, gone, failures = map(int, session.execute(sums).one())
    if number > MOST_SUMMED:
        return None
    return Sums(number - failures, channel, balance, gone, failures)


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
    wanted = _wanted(session, merchant_id, Filters(store_ids, "stuck"), now)
    return len(session.execute(wanted.with_only_columns(Refund.id).limit(100)).all())


def siblings(session: Session, refund: Refund) -> Sequence[Refund]:
    """All that was written down for one act, with what was asked again, in order."""
    mine = select(Refund).where(Refund.batch == refund.batch)
    return session.scalars(mine.order_by(Refund.id)).all()


def in_batches(refunds: Sequence[Refund]) -> list[list[Refund]]:
    """What was asked for at once stands together, in the order of the first of each."""
    found: dict[str, list[Refund]] = {}
    for refund in refunds:
        found.setdefault(refund.batch, []).append(refund)
    return list(found.values())


def booked_refunds(session: Session, order_id: int) -> dict[datetime, list[int]]:
    """When money of the order was booked as given back, and how much each time."""
    gone = func.sum(case((LedgerEntry.amount_fen > 0, LedgerEntry.amount_fen), else_=0))
    mine = (LedgerEntry.order_id == order_id, LedgerEntry.cause.startswith("refund:"))
    of_causes = (
        select(LedgerEntry.at, gone).where(*mine).group_by(LedgerEntry.cause, LedgerEntry.at)
    )
    found: dict[datetime, list[int]] = {}
    for at, fen in session.execute(of_causes.order_by(func.min(LedgerEntry.id))):
        found.setdefault(at, []).append(int(fen))
    return found


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


def _wanted(session: Session, merchant_id: int, filters: Filters, now: datetime) -> Any:
    found = _joined().where(
        Refund.merchant_id == merchant_id, Refund.store_id.in_(filters.store_ids)
    )
    if filters.state == "stuck":
        # Which can be: most refunds have come through, and the index passes over them.
        found = found.where(Refund.state != RefundState.succeeded, stuck.condition(now))
    elif filters.state in STATES:
        found = found.where(Refund.state.in_(STATES[filters.state]))
    if filters.channel is not None:
        found = found.where(Refund.channel == filters.channel)
    if filters.actor:
        found = found.where(_by(merchant_id, filters.actor))
    if filters.q:
        found = found.where(_number(session, filters, now))
    else:
        if filters.first is not None:
            found = found.where(Refund.requested_at >= day_bounds(filters.first)[0])
        if filters.last is not None:
            found = found.where(Refund.requested_at < day_bounds(filters.last)[1])
    return found.order_by(Refund.requested_at.desc(), Refund.id.desc())


def _by(merchant_id: int, actor: str) -> ColumnElement[bool]:
    if actor.endswith(":"):
        return Refund.actor.startswith(actor)
    own, first, rest = aliased(Refund), aliased(Refund), aliased(Refund)
    alone = select(own.id).where(own.merchant_id == merchant_id, own.actor == actor)
    with_another = (
        select(rest.id)
        .join(first, first.batch == rest.batch)
        .join(AskedRefund, AskedRefund.refund_id == first.id)
        .where(
            AskedRefund.merchant_id == merchant_id,
            or_(AskedRefund.asked_by == actor, AskedRefund.decided_by == actor),
        )
    )
    either = union(alone, with_another).subquery()
    return Refund.id.in_(select(either.c.id))


def _number(session: Session, filters: Filters, now: datetime) -> ColumnElement[bool]:
    """Each kind of number has a key of its own; an order's may be the short one that is shown."""
    given = filters.q.strip().upper()[:32]
    if given.startswith("R") and len(given) > finding.SHOWN:
        return Refund.out_refund_no == given
    found = finding.find_ids(session, filters.store_ids, given, business_day(now))
    return Refund.order_id.in_(found)
