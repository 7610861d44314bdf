"""End of shift (交班): what a person took at a counter since their last one, kept for good.

A shift is tied to the very payments and refunds in it: each is in one shift at most, and one that
was on its way when a shift ended is in the next. So nothing falls between two shifts, whichever
clock its channel goes by.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Select, and_, case, exists, func, or_, select, update
from sqlalchemy.orm import Session

from core import cursors, rows
from core.database import claim
from core.errors import Conflict, NotFound
from merchants.models import Staff
from orders.models import Order
from payments.models import (
    AttemptState,
    Bill,
    BillState,
    Channel,
    CounterSale,
    PaymentAttempt,
    Refund,
    RefundState,
    Shift,
    ShiftLine,
)
from payments.takings import at_the_counter, begun_there

REACH = timedelta(days=31)
"""What is older than the last shift by more than this, or than today where there was none, is left
where it is: nobody hands over what was taken before there were shifts."""
PAGE = 50
BY_HAND = "hand"
"""The way of what somebody gave back otherwise: no channel did it."""


class NothingTaken(Conflict):
    code, title = "nothing_taken", "上次交班以后没有收过，也没有退过"


class ShiftMoved(Conflict):
    code, title = "shift_moved", "这一班已经交过了，刷新再看"


class ShiftNotFound(NotFound):
    code, title = "shift_not_found", "没有这一班"


@dataclass
class Open:
    """What somebody has not handed over yet at a store. `seq` is what the shift will be."""

    store_id: int
    seq: int = 1
    since: datetime | None = None
    payments: int = 0
    amount_fen: int = 0
    refund_fen: int = 0
    ways: dict[str, list[int]] = field(default_factory=dict)
    attempt_ids: list[int] = field(default_factory=list)
    refund_ids: list[int] = field(default_factory=list)
    batches: set[str] = field(default_factory=set)

    @property
    def refunds(self) -> int:
        """What went back at once to several places is one."""
        return len(self.batches)

    @property
    def is_empty(self) -> bool:
        return not (self.payments or self.refunds)

    def _add(self, side: int, channel: str, channel_fen: int, balance_fen: int) -> None:
        for way, fen in ((channel, channel_fen), (Channel.balance, balance_fen)):
            if fen:
                self.ways.setdefault(way, [0, 0])[side] += fen

    def take(self, attempt: PaymentAttempt, at: datetime) -> None:
        self.payments += 1
        self.amount_fen += attempt.amount_fen
        self.attempt_ids.append(attempt.id)
        self._add(0, attempt.channel, attempt.channel_fen, attempt.balance_fen)
        self._began(at)

    def give_back(self, refund: Refund, channel: Channel, at: datetime) -> None:
        self.batches.add(refund.batch)
        self.refund_fen += refund.amount_fen
        self.refund_ids.append(refund.id)
        if refund.finished_by is None:
            self._add(1, channel, refund.channel_fen, refund.balance_fen)
        else:
            self._add(1, BY_HAND, refund.amount_fen, 0)
        self._began(at)

    def _began(self, at: datetime) -> None:
        """The first shift begins with what was first taken in it."""
        if self.seq == 1:
            self.since = min(self.since or at, at)


@dataclass(frozen=True)
class Row:
    shift: Shift
    name: str


@dataclass(frozen=True)
class Page:
    rows: Sequence[Row]
    next: str | None


def taken_by(session: Session, bill: Bill, store_id: int, staff_id: int, now: datetime) -> None:
    """Whoever asks for a bill at the counter answers for what is paid there from now on, also by a
    code that was shown before and still is; once it is paid nobody else does."""
    sale = {"store_id": store_id, "staff_id": staff_id}
    if rows.add_new(session, CounterSale, {"bill_id": bill.id, "at": now, **sale}) is None:
        still_open = exists().where(Bill.id == CounterSale.bill_id, Bill.state == BillState.open)
        mine = update(CounterSale).where(CounterSale.bill_id == bill.id, still_open)
        at = case((_shown_before().exists(), CounterSale.at), else_=now)
        claim(session, mine.values(at=at, **sale))


def is_begun_there(session: Session, attempt: PaymentAttempt) -> bool:
    """Whether this one is by a code that was scanned or shown at the counter, not begun by the
    payer."""
    sale = select(CounterSale.bill_id).where(CounterSale.bill_id == attempt.bill_id)
    mine = sale.where(PaymentAttempt.id == attempt.id, begun_there())
    return session.scalar(mine) is not None


def _shown_before() -> Select[int]:
    return (
        select(PaymentAttempt.id)
        .where(
            PaymentAttempt.bill_id == CounterSale.bill_id,
            PaymentAttempt.live.is_(True),
            begun_there(),
        )
        .correlate(CounterSale)
    )


def open_of(
    session: Session, staff_id: int, store_ids: Collection[int], now: datetime
) -> list[Open]:
    """Of each store what this person has not handed over: as many questions for all of them."""
    last = _last(session, staff_id, store_ids)
    found = {store_id: Open(store_id) for store_id in store_ids}
    for store_id, (seq, ended_at) in last.items():
        found[store_id] = Open(store_id, seq + 1, ended_at)
    since = min([now, *(ended_at for _, ended_at in last.values())]) - REACH
    reach = {id_: (last[id_][1] if id_ in last else now) - REACH for id_ in found}
    for store_id, attempt, at in _payments(session, staff_id, store_ids, since, now):
        if at >= reach[store_id]:
            found[store_id].take(attempt, at)
    for refund, channel in _refunds(session, staff_id, store_ids, since, now):
        at = refund.settled_at or refund.requested_at
        if at >= reach[refund.store_id]:
            found[refund.store_id].give_back(refund, channel, at)
    return list(found.values())


def close(
    session: Session, staff: Staff, store_id: int, seq: int, now: datetime
) -> tuple[Shift, bool]:
    """Hand over shift `seq` of this person at this store. Answers (shift, newly closed).

    The number is what tells a second tap: it is the same shift again. Raises NothingTaken,
    ShiftMoved for a number that is not next.
    """
    if before := _numbered(session, staff.id, store_id, seq):
        return before, False
    [mine] = open_of(session, staff.id, [store_id], now)
    if mine.seq != seq:
        raise ShiftMoved
    if mine.is_empty:
        raise NothingTaken
    row: dict[str, Any] = {
        "merchant_id": staff.merchant_id,
        "store_id": store_id,
        "staff_id": staff.id,
        "seq": seq,
        "started_at": mine.since or now,
        "ended_at": now,
        "payments": mine.payments,
        "amount_fen": mine.amount_fen,
        "refunds": mine.refunds,
        "refund_fen": mine.refund_fen,
        "ways": {str(way): sums for way, sums in mine.ways.items()},
    }
    id_ = rows.add_new(session, Shift, row)
    if id_ is None:  # the other tap was first
        if before := _numbered(session, staff.id, store_id, seq):
            return before, False
        raise ShiftMoved
    empty = {"shift_id": id_, "attempt_id": None, "refund_id": None}
    lines = [{**empty, "attempt_id": each} for each in mine.attempt_ids]
    lines += [{**empty, "refund_id": each} for each in mine.refund_ids]
    rows.add_all(session, ShiftLine, lines)
    return session.get_one(Shift, id_), True


def page(
    session: Session,
    merchant_id: int,
    store_ids: Collection[int],
    *,
    staff_id: int | None = None,
    cursor: str = "",
    limit: int = PAGE,
) -> Page:
    """Past shifts of these stores, of one person or of all; the latest first. Raises Malformed."""
    conditions = _mine(merchant_id, store_ids, staff_id)
    if (at := cursors.place(cursor)) is not None:
        ended, id_ = Shift.ended_at, Shift.id
        conditions.append(or_(ended < at[0], and_(ended == at[0], id_ < at[1])))
    found = session.execute(
        select(Shift, Staff.name)
        .join(Staff, Staff.id == Shift.staff_id)
        .where(*conditions)
        .order_by(Shift.ended_at.desc(), Shift.id.desc())
        .limit(limit + 1)
    ).all()
    shown = [Row(shift, name) for shift, name in found[:limit]]
    last = shown[-1].shift if len(found) > limit else None
    return Page(shown, cursors.after(last.ended_at, last.id) if last else None)


def get_of(
    session: Session,
    merchant_id: int,
    store_ids: Collection[int],
    shift_id: int,
    *,
    staff_id: int | None = None,
) -> Row:
    """The gate: another store's, or where only one's own may be seen another's, is not found."""
    found = session.execute(
        select(Shift, Staff.name)
        .join(Staff, Staff.id == Shift.staff_id)
        .where(Shift.id == shift_id, *_mine(merchant_id, store_ids, staff_id))
    ).first()
    if found is None:
        raise ShiftNotFound
    return Row(found[0], found[1])


def payments_of(session: Session, shift_id: int) -> Sequence[tuple[PaymentAttempt, Order]]:
    """The payments that a shift's sums are of."""
    found = session.execute(
        select(PaymentAttempt, Order)
        .join(ShiftLine, ShiftLine.attempt_id == PaymentAttempt.id)
        .join(Bill, Bill.id == PaymentAttempt.bill_id)
        .join(Order, Order.id == Bill.order_id)
        .where(ShiftLine.shift_id == shift_id)
        .order_by(PaymentAttempt.settled_at, PaymentAttempt.id)
    )
    return [(attempt, order) for attempt, order in found]


def refunds_of(session: Session, shift_id: int) -> Sequence[tuple[Refund, Order]]:
    """The refunds in it, of whatever order."""
    found = session.execute(
        select(Refund, Order)
        .join(ShiftLine, ShiftLine.refund_id == Refund.id)
        .join(Order, Order.id == Refund.order_id)
        .where(ShiftLine.shift_id == shift_id)
        .order_by(Refund.settled_at, Refund.id)
    )
    return [(refund, order) for refund, order in found]


def _mine(merchant_id: int, store_ids: Collection[int], staff_id: int | None) -> list[Any]:
    conditions: list[Any] = [Shift.merchant_id == merchant_id, Shift.store_id.in_(store_ids)]
    if staff_id is not None:
        conditions.append(Shift.staff_id == staff_id)
    return conditions


def _numbered(session: Session, staff_id: int, store_id: int, seq: int) -> Shift | None:
    return session.scalar(
        select(Shift).where(
            Shift.staff_id == staff_id, Shift.store_id == store_id, Shift.seq == seq
        )
    )


def _last(
    session: Session, staff_id: int, store_ids: Collection[int]
) -> Mapping[int, tuple[int, datetime]]:
    """Of each store the number and the end of this person's last shift."""
    found = session.execute(
        select(Shift.store_id, func.max(Shift.seq), func.max(Shift.ended_at))
        .where(Shift.staff_id == staff_id, Shift.store_id.in_(store_ids))
        .group_by(Shift.store_id)
    )
    return {store_id: (seq, ended_at) for store_id, seq, ended_at in found}


def _payments(
    session: Session, staff_id: int, store_ids: Collection[int], since: datetime, now: datetime
) -> Sequence[tuple[int, PaymentAttempt, datetime]]:
    """What was taken and is in no shift yet: a sum is asked for before it is paid."""
    handed = select(ShiftLine.id).where(ShiftLine.attempt_id == PaymentAttempt.id)
    found = session.execute(
        select(CounterSale.store_id, PaymentAttempt)
        .join(Bill, Bill.id == CounterSale.bill_id)
        .join(Order, Order.id == Bill.order_id)
        .join(PaymentAttempt, PaymentAttempt.bill_id == Bill.id)
        .where(
            at_the_counter(),
            CounterSale.staff_id == staff_id,
            CounterSale.at >= since,
            CounterSale.store_id.in_(store_ids),
            PaymentAttempt.state == AttemptState.succeeded,
            PaymentAttempt.settled_at <= now,
            ~handed.exists(),
        )
        .order_by(PaymentAttempt.id)
    )
    return [(id_, each, each.settled_at or each.created_at) for id_, each in found]


def _refunds(
    session: Session, staff_id: int, store_ids: Collection[int], since: datetime, now: datetime
) -> Sequence[tuple[Refund, Channel]]:
    """What this person gave back, of whatever order, and is in no shift yet. What was finished by
    hand is whose hand it was, whoever had asked for it."""
    me = f"staff:{staff_id}"
    handed = select(ShiftLine.id).where(ShiftLine.refund_id == Refund.id)
    found = session.execute(
        select(Refund, PaymentAttempt.channel)
        .join(PaymentAttempt, PaymentAttempt.id == Refund.attempt_id)
        .where(
            or_(
                Refund.finished_by == me,
                and_(Refund.actor == me, Refund.finished_by.is_(None)),
            ),
            Refund.settled_at >= since,
            Refund.settled_at <= now,
            Refund.store_id.in_(store_ids),
            Refund.state == RefundState.succeeded,
            ~handed.exists(),
        )
        .order_by(Refund.id)
    )
    return [(refund, channel) for refund, channel in found]
