"""Reads of statements."""

from datetime import date

from sqlalchemy import select
from sqlalchemy.orm import Session

from payments.models import DayState, SettlementDay
from payments.settlement.figures import Figures, Line, by_day, kept_lines, lines_of


def find_day(session: Session, merchant_id: int, day: date) -> SettlementDay | None:
    return session.scalar(
        select(SettlementDay).where(
            SettlementDay.merchant_id == merchant_id, SettlementDay.day == day
        )
    )


def lines(session: Session, merchant_id: int, day: date) -> list[Line]:
    """Of a closed day those that were kept, of any other what there is now."""
    found = find_day(session, merchant_id, day)
    if found is not None and found.state is DayState.closed:
        return kept_lines(session, found)
    return lines_of(session, merchant_id, day)


def list_days(
    session: Session, merchant_id: int, begin: date, end: date
) -> list[tuple[date, Figures, bool]]:
    """Every day with money from `begin` until before `end`, the newest first; whether it is closed.

    Closed ones are read as they were kept; only from the first open one on is the ledger added up.
    """
    statements = session.scalars(
        select(SettlementDay)
        .where(
            SettlementDay.merchant_id == merchant_id,
            SettlementDay.day >= begin,
            SettlementDay.day < end,
            SettlementDay.state == DayState.closed,
        )
        .order_by(SettlementDay.day)
    ).all()
    closed = {one.day: _figures(one) for one in statements}
    first_open = session.scalar(
        select(SettlementDay.day)
        .where(
            SettlementDay.merchant_id == merchant_id,
            SettlementDay.day >= begin,
            SettlementDay.day < end,
            SettlementDay.state == DayState.open,
        )
        .order_by(SettlementDay.day)
        .limit(1)
    )
    last_closed = max(closed, default=None)
    since = first_open or last_closed or begin
    live = by_day(session, merchant_id, min(since, last_closed or since), end)
    known = {day: (figures, False) for day, figures in live.items()}
    known |= {day: (figures, True) for day, figures in closed.items()}
    return [(day, *known[day]) for day in sorted(known, reverse=True)]


def _figures(statement: SettlementDay) -> Figures:
    return Figures(
        taken_fen=statement.taken_fen,
        refunded_fen=statement.refunded_fen,
        fee_fen=statement.fee_fen,
        commission_fen=statement.commission_fen,
        shared_fen=statement.shared_fen,
        coupon_cost_fen=statement.coupon_cost_fen,
        subsidy_fen=statement.subsidy_fen,
        net_fen=statement.net_fen,
    )
