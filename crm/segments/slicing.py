"""Going through a merchant's members in pieces that a transaction can carry."""

from collections.abc import Iterator, Sequence
from typing import TypeVar

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from crm.models import Member

T = TypeVar("T")


def end_of_slice(session: Session, merchant_id: int, after_id: int, size: int) -> int | None:
    """The id of the last of the next `size` members; None when there are not so many."""
    ids = select(Member.id).where(Member.merchant_id == merchant_id, Member.id > after_id)
    return session.scalar(ids.order_by(Member.id).offset(size - 1).limit(1))


def between(
    column: InstrumentedAttribute[int], after_id: int, last_id: int | None
) -> tuple[ColumnElement[bool], ...]:
    """The column's ids in the slice; `last_id` None: to the end."""
    return (column > after_id,) if last_id is None else (column > after_id, column <= last_id)


def pieces(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
