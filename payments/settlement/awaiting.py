"""A day waits for the bills of the accounts its money went through, as long as they may be late."""

from collections.abc import Collection
from datetime import date, datetime, timedelta

from sqlalchemy import and_, or_, select
from sqlalchemy.orm import Session

from core.clock import business_day, day_bounds
from payments import accounts
from payments.models import LedgerEntry
from payments.models.statements import StatementDay, StatementKind, StatementState

# The channels' bills of a day come on the next morning, and are matched before noon.
CLOSES_AFTER = timedelta(hours=14)
# A bill may come late; one that never comes holds nobody's statement for longer than this.
WAITS_AT_MOST = timedelta(days=3)
FILES = (StatementKind.trade, StatementKind.fund)
UNMATCHED = (StatementState.wanted, StatementState.fetched)
_UNMATCHED = and_(StatementDay.kind.in_(FILES), StatementDay.state.in_(UNMATCHED))


def closes_at(day: date) -> datetime:
    return day_bounds(day)[1] + CLOSES_AFTER


def closes_at_last(day: date) -> datetime:
    """When it is closed with whatever bills there are."""
    return closes_at(day) + WAITS_AT_MOST


def missing(
    session: Session, merchant_id: int, several: Collection[date], *, now: datetime
) -> dict[date, list[str]]:
    """The days of these that wait, each with the channels it waits for.

    An account that merchants share holds up those whose money went through it on that day.
    """
    young = [day for day in several if day >= business_day(now - CLOSES_AFTER - WAITS_AT_MOST)]
    if not young:
        return {}
    found = session.execute(
        select(
            StatementDay.day, StatementDay.channel, StatementDay.account, StatementDay.merchant_id
        ).where(
            _UNMATCHED,
            StatementDay.day.in_(young),
            or_(StatementDay.merchant_id == merchant_id, StatementDay.merchant_id.is_(None)),
        )
    ).all()
    used = _used(session, merchant_id, young) if found else set()
    channels: dict[date, set[str]] = {}
    for day, channel, account, owner in found:
        if owner is not None or (day, accounts.channel(channel, account)) in used:
            channels.setdefault(day, set()).add(channel)
    return {day: sorted(names) for day, names in channels.items()}


def is_complete(session: Session, bill: StatementDay) -> bool:
    """Whether no file of this account's day is missing any more."""
    same = (
        StatementDay.channel == bill.channel,
        StatementDay.account == bill.account,
        StatementDay.day == bill.day,
    )
    return session.scalar(select(StatementDay.id).where(_UNMATCHED, *same).limit(1)) is None


def _used(session: Session, merchant_id: int, several: Collection[date]) -> set[tuple[date, str]]:
    found = select(LedgerEntry.day, LedgerEntry.account).where(
        LedgerEntry.merchant_id == merchant_id,
        LedgerEntry.day.in_(several),
        LedgerEntry.account.startswith(f"{accounts.CHANNEL}:"),
    )
    return {(day, account) for day, account in session.execute(found.distinct())}
