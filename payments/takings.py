"""What counters took: the sums that clerks asked for, as they were paid, by way of payment."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from orders.models import LineKind, Order
from payments.models import AttemptState, Bill, Channel, PaymentAttempt

SHOWN = 20


@dataclass
class Takings:
    """`ways` holds what came by each, a mixed payment in its parts; `back_fen` was asked back."""

    count: int = 0
    fen: int = 0
    back_fen: int = 0
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
            func.sum(PaymentAttempt.refunded_fen),
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
        .order_by(Order.paid_at.desc(), PaymentAttempt.id.desc())
        .limit(SHOWN)
    )
    return [(order, attempt) for order, attempt in found]


def _paid(
    store_ids: Collection[int], since: datetime, until: datetime
) -> Select[Order, PaymentAttempt]:
    return (
        select(Order, PaymentAttempt)
        .join(Bill, Bill.order_id == Order.id)
        .join(PaymentAttempt, PaymentAttempt.bill_id == Bill.id)
        .where(
            Order.store_id.in_(store_ids),
            Order.kind == LineKind.amount,
            Order.paid_at >= since,
            Order.paid_at < until,
            PaymentAttempt.state == AttemptState.succeeded,
        )
    )


def _together(groups: Iterable[Any]) -> Takings:
    taken = Takings()
    for channel, count, channel_fen, balance_fen, back_fen in groups:
        taken.add(channel, int(channel_fen), int(balance_fen))
        taken.count += count
        taken.back_fen += int(back_fen)
    return taken
