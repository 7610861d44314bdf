"""What counters took: sums, and bills of orders of goods, as they were paid, by way of payment."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, func, or_, select
from sqlalchemy.orm import Session

from gateways.pay.records import Way
from orders.models import LineKind, Order
from payments import returned
from payments.models import AttemptState, Bill, Channel, CounterSale, PaymentAttempt
from payments.returned import NOTHING, Returned

SHOWN = 20
_REACH = timedelta(days=1)  # longer than anything that is begun at a counter stays open


@dataclass
class Takings:
    """`ways` holds what came by each, a mixed payment in its parts."""

    count: int = 0
    fen: int = 0
    back: Returned = NOTHING
    ways: dict[Channel, int] = field(default_factory=dict)

    def add(self, channel: Channel, channel_fen: int, balance_fen: int) -> None:
        self.fen += channel_fen + balance_fen
        for way, fen in ((channel, channel_fen), (Channel.balance, balance_fen)):
            if fen:
                self.ways[way] = self.ways.get(way, 0) + fen


def sums(session: Session, store_ids: Collection[int], since: datetime, until: datetime) -> Takings:
    """All payments of these stores' counters in that time, late ones that go back left out."""
    found = session.execute(
        _paid(store_ids, since, until)
        .with_only_columns(
            PaymentAttempt.channel,
            func.count(),
            func.sum(PaymentAttempt.channel_fen),
            func.sum(PaymentAttempt.balance_fen),
            *returned.sums(),
        )
        .group_by(PaymentAttempt.channel)
    )
    return _together(found)


def latest(
    session: Session, store_ids: Collection[int], since: datetime, until: datetime
) -> Sequence[tuple[Order, PaymentAttempt]]:
    """The last of them, each with its order."""
    found = session.execute(
        _paid(store_ids, since, until)
        .order_by(PaymentAttempt.settled_at.desc(), PaymentAttempt.id.desc())
        .limit(SHOWN)
    )
    return [(order, attempt) for order, attempt in found]


def _paid(
    store_ids: Collection[int], since: datetime, until: datetime
) -> Select[Order, PaymentAttempt]:
    return (
        select(Order, PaymentAttempt)
        .select_from(CounterSale)
        .join(Bill, Bill.id == CounterSale.bill_id)
        .join(Order, Order.id == Bill.order_id)
        .join(PaymentAttempt, PaymentAttempt.bill_id == Bill.id)
        .where(
            at_the_counter(),
            CounterSale.store_id.in_(store_ids),
            CounterSale.at >= since - _REACH,
            CounterSale.at < until,
            PaymentAttempt.state == AttemptState.succeeded,
            PaymentAttempt.settled_at >= since,
            PaymentAttempt.settled_at < until,
        )
    )


def at_the_counter() -> ColumnElement[bool]:
    """Of the attempts to pay a bill that somebody of the staff took: those begun at the counter. A
    sum is asked for nowhere else; a bill of goods may be paid on the customer's phone all the same.
    """
    return or_(Order.kind == LineKind.amount, begun_there())


def begun_there() -> ColumnElement[bool]:
    """Of the attempts beside what somebody of the staff took: those that began since, our way."""
    there = PaymentAttempt.way.in_((Way.code, Way.native))
    return and_(there, PaymentAttempt.created_at >= CounterSale.at)


def _together(groups: Iterable[Any]) -> Takings:
    taken = Takings()
    for channel, count, channel_fen, balance_fen, done, going in groups:
        taken.add(channel, int(channel_fen), int(balance_fen))
        taken.count += count
        back = taken.back
        taken.back = Returned(back.done_fen + int(done), back.going_fen + int(going))
    return taken
