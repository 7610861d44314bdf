"""The few shapes of SQL that fields are made of. None of them is ever NULL."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, ScalarSelect, Select, exists, func, select
from sqlalchemy.orm import InstrumentedAttribute

from crm.models import Member


def ago(now: datetime, days: int | None) -> datetime:
    return now - timedelta(days=days or 0)


def within(
    column: InstrumentedAttribute[Any], days: int | None, now: datetime
) -> tuple[ColumnElement[bool], ...]:
    """At most so many days ago; None: ever."""
    return () if days is None else (column >= ago(now, days),)


def compared(fact: Any, op: str, value: Any) -> ColumnElement[bool]:
    """A fact that is never NULL beside a value."""
    answer: dict[str, ColumnElement[bool]] = {
        ">=": fact >= value,
        "<=": fact <= value,
        "=": fact == value,
    }
    return answer[op]


def one_of(
    owner: InstrumentedAttribute[int],
    *facts: ColumnElement[bool],
    least: ColumnElement[bool] | None,
) -> ColumnElement[bool]:
    """The member has such a row, or, with `least`, rows that together reach it.

    For facts that an index finds: the set is made once, whoever asks.
    """
    wanted = select(owner).where(*facts)
    if least is not None:
        wanted = wanted.group_by(owner).having(least)
    return Member.id.in_(wanted)


def has_any(
    owner: InstrumentedAttribute[int], *facts: ColumnElement[bool], least: int = 1
) -> ColumnElement[bool]:
    """The member has at least so many such rows. For facts that only the member's own rows tell."""
    if least <= 1:
        return exists().where(owner == Member.id, *facts).correlate(Member)
    return number_of(owner, *facts) >= least


def number_of(owner: InstrumentedAttribute[int], *facts: ColumnElement[bool]) -> ScalarSelect[int]:
    """How many such rows the member has; never NULL."""
    return of_member(select(func.count()).select_from(owner.class_), owner, *facts)


def of_member(
    asked: Select[Any], owner: InstrumentedAttribute[int], *facts: ColumnElement[bool]
) -> ScalarSelect[Any]:
    """One value from the member's own rows."""
    return asked.where(owner == Member.id, *facts).correlate(Member).scalar_subquery()
