"""Moments that the database works out from a column: the dialects say it differently."""

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from core.database import UTCDateTime


class days_after(FunctionElement[datetime]):  # noqa: N801  reads as the function it is
    """`days_after(column, 30)`: so many days of 24 hours after the column's moment."""

    type = UTCDateTime()
    inherit_cache = True

    def __init__(self, moment: ColumnElement[Any], days: int) -> None:
        super().__init__(moment, days)


@compiles(days_after, "sqlite")
def _on_sqlite(element: days_after, compiler: Any, **kw: Any) -> str:
    moment, days = (compiler.process(clause, **kw) for clause in element.clauses)
    return f"strftime('%Y-%m-%d %H:%M:%f', {moment}, {days} || ' days')"


@compiles(days_after)
def _elsewhere(element: days_after, compiler: Any, **kw: Any) -> str:
    moment, days = (compiler.process(clause, **kw) for clause in element.clauses)
    return f"DATE_ADD({moment}, INTERVAL {days} DAY)"
