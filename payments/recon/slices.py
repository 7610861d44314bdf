"""A day in parts of some thousand rows, each read off one index from one end to the other.

A question that is asked of a whole day at once is answered by a scan of everything that was ever
kept as soon as the server takes the day for a large part of it.
"""

from collections.abc import Iterator
from datetime import datetime

from sqlalchemy import ColumnElement, and_, func, select
from sqlalchemy.orm import Session

from core.clock import day_bounds
from payments.models import PaymentAttempt
from payments.models.statements import StatementDay, StatementLine
from payments.recon import days

STEP = 10_000


def of_lines(session: Session, day: StatementDay) -> Iterator[ColumnElement[bool]]:
    """The bill's rows, as they stand in it: a day's were kept one after the other."""
    mine = StatementLine.day_id == day.id
    ends = select(func.min(StatementLine.id), func.max(StatementLine.id)).where(mine)
    first, last = session.execute(ends).one()
    if first is not None:
        for start in range(first, last + 1, STEP):
            yield and_(mine, StatementLine.id >= start, StatementLine.id < start + STEP)


def of_taken(session: Session, day: StatementDay) -> Iterator[tuple[datetime, datetime]]:
    """From when to when about so many payments of the account were settled."""
    start, end = day_bounds(day.day)
    settled = PaymentAttempt.settled_at
    while start < end:
        further = select(settled).where(days.paid_through(day), settled > start, settled < end)
        cut = session.scalar(further.order_by(settled).offset(STEP).limit(1)) or end
        yield start, cut
        start = cut
