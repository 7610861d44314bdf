"""A bill's rows become ours, a few thousand at a time; twice is as good as once."""

from collections.abc import Sequence
from datetime import UTC

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from core import bulk
from core.database import claim
from gateways.pay.bills import BillRow
from payments.models.statements import StatementLine

SLICE = 5_000
_NAMES = BillRow._fields


def put(session: Session, day_id: int, rows: Sequence[BillRow]) -> int:
    """Keep rows of a day; those that are kept already stay as they are. The number of new ones."""
    return bulk.insert_ignore_alike(
        session, StatementLine, {"day_id": day_id}, _NAMES, [_values(row) for row in rows]
    )


def drop_some(session: Session, day_id: int) -> int:
    """Forget a slice of what an earlier run kept; 0: nothing is left."""
    some = select(StatementLine.id).where(StatementLine.day_id == day_id).limit(SLICE)
    ids = session.scalars(some).all()
    if not ids:
        return 0
    return claim(session, delete(StatementLine).where(StatementLine.id.in_(ids)))


def count(session: Session, day_id: int) -> int:
    found = select(func.count()).select_from(StatementLine).where(StatementLine.day_id == day_id)
    return session.scalar(found) or 0


def has_some(session: Session, day_id: int) -> bool:
    kept = select(StatementLine.id).where(StatementLine.day_id == day_id).limit(1)
    return session.scalar(kept) is not None


def _values(row: BillRow) -> list[int | str | None]:
    at = row.at.astimezone(UTC).isoformat(" ", "microseconds")
    return [*row[:-1], at.removesuffix("+00:00")]
