"""What happened to stored value, newest first: a member's own lines, and everybody's."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, exists, func, literal, select, tuple_
from sqlalchemy.orm import Session, aliased

from crm.models import BalanceEntry, BalanceHold, HoldState, Member

Place = tuple[datetime, int]


def entries_of(
    session: Session,
    member_id: int,
    *,
    before: Place | None = None,
    limit: int = 30,
    folded: bool = False,
) -> list[BalanceEntry]:
    """The newest movements first; `before` is the (at, id) of the last one seen. `folded`: without
    what was kept and freed again with nothing bought."""
    mine = select(BalanceEntry).where(BalanceEntry.member_id == member_id)
    if folded:
        mine = mine.where(~_of_a_pair("keep:", "back:"), ~_of_a_pair("back:", "keep:"))
    return list(session.scalars(_newest(mine, before).limit(limit)))


def _of_a_pair(mine: str, other: str) -> ColumnElement[bool]:
    """The other half is the same member's, of the same hold and the same sums."""
    half = aliased(BalanceEntry)
    cause = literal(other) + func.substr(BalanceEntry.cause, len(mine) + 1)
    return BalanceEntry.cause.startswith(mine) & exists().where(
        half.cause == cause,
        half.member_id == BalanceEntry.member_id,
        half.principal_fen == -BalanceEntry.principal_fen,
        half.bonus_fen == -BalanceEntry.bonus_fen,
    )


def still_kept(session: Session, causes: Iterable[str]) -> set[str]:
    """Which of these causes of the ledger only keep their sum: it is neither spent nor free."""
    holds = {cause.removeprefix("keep:"): cause for cause in causes if cause.startswith("keep:")}
    if not holds:
        return set()
    held = BalanceHold.state == HoldState.held
    found = session.scalars(select(BalanceHold.cause).where(BalanceHold.cause.in_(holds), held))
    return {holds[cause] for cause in found}


def entries_of_merchant(
    session: Session, merchant_id: int, *, before: Place | None = None, limit: int = 30
) -> list[tuple[BalanceEntry, Member]]:
    """Everybody's newest movements first; `before` is the (at, id) of the last one seen."""
    found = (
        select(BalanceEntry, Member)
        .join(Member, Member.id == BalanceEntry.member_id)
        .where(BalanceEntry.merchant_id == merchant_id)
    )
    rows_ = session.execute(_newest(found, before).limit(limit))
    return [(entry, member) for entry, member in rows_]


def _newest(found: Any, before: Place | None) -> Any:
    if before is not None:
        place = tuple_(BalanceEntry.at, BalanceEntry.id) < before
        found = found.where(BalanceEntry.at <= before[0], place)
    return found.order_by(BalanceEntry.at.desc(), BalanceEntry.id.desc())
