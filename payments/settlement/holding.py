"""The day under which something late is booked: its own while that is open, else today."""

from datetime import date, datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from core import rows
from core.clock import business_day
from payments.models import DayState, SettlementDay


def hold(session: Session, merchant_id: int, day: date, *, now: datetime) -> date:
    """Keeps the day from being closed until the end of the transaction, and says which it is."""
    today = business_day(now)
    if day >= today:
        return today
    found = select(SettlementDay.state).where(
        SettlementDay.merchant_id == merchant_id, SettlementDay.day == day
    )
    locked = found.with_for_update()
    state = session.scalars(locked).one_or_none()
    if state is None:
        open_day(session, merchant_id, day, now=now)
        state = session.scalars(locked).one()
    return day if state is DayState.open else today


def open_day(session: Session, merchant_id: int, day: date, *, now: datetime) -> None:
    """The day has a statement from now on, which is ours; again: the same one."""
    nothing = dict.fromkeys(_FIGURES, 0)
    row = {"merchant_id": merchant_id, "day": day, "state": DayState.open, "opened_at": now}
    rows.add_or_lock(session, SettlementDay, row | nothing)


_FIGURES = (
    "taken_fen",
    "refunded_fen",
    "fee_fen",
    "commission_fen",
    "shared_fen",
    "coupon_cost_fen",
    "subsidy_fen",
    "other_fen",
    "net_fen",
)
