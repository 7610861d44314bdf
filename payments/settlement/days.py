"""A merchant's day becomes a statement, which is open for a while and then never changes."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from core import rows
from core.clock import business_day
from core.database import claim, insert_ignore
from merchants.models import Merchant
from payments.models import DayState, LedgerEntry, SettlementDay, SettlementLine, StorePurse
from payments.settlement import awaiting, coupon_costs
from payments.settlement.figures import Figures, Line, add_up, earned_by_store, lines_of
from payments.settlement.holding import open_day

# Days without a statement are looked for this far behind the newest that has one.
LOOKS_BACK = timedelta(days=40)


def open_due(session: Session, merchant_id: int, *, now: datetime) -> list[date]:
    """Every past day with entries has a statement; those that had none."""
    mine = LedgerEntry.merchant_id == merchant_id
    newest = session.scalar(
        select(SettlementDay.day)
        .where(SettlementDay.merchant_id == merchant_id)
        .order_by(SettlementDay.day.desc())
        .limit(1)
    )
    found = select(LedgerEntry.day).distinct().where(mine, LedgerEntry.day < business_day(now))
    known = select(SettlementDay.day).where(SettlementDay.merchant_id == merchant_id)
    if newest is not None:
        found = found.where(LedgerEntry.day >= newest - LOOKS_BACK)
        known = known.where(SettlementDay.day >= newest - LOOKS_BACK)
    fresh = sorted(set(session.scalars(found)) - set(session.scalars(known)))
    for day in fresh:
        open_day(session, merchant_id, day, now=now)
    return fresh


def list_closable(session: Session, merchant_id: int, *, now: datetime) -> Sequence[SettlementDay]:
    """Open days whose time is over and whose bills are matched, or late for too long; the oldest
    first."""
    found = select(SettlementDay).where(
        SettlementDay.merchant_id == merchant_id,
        SettlementDay.state == DayState.open,
        SettlementDay.day < business_day(now - awaiting.CLOSES_AFTER),
    )
    due = session.scalars(found.order_by(SettlementDay.day)).all()
    waiting = awaiting.missing(session, merchant_id, [each.day for each in due], now=now)
    return [each for each in due if each.day not in waiting]


def close(session: Session, statement_id: int, *, now: datetime) -> bool:
    """open → closed: what coupons cost is booked, the entries are added up, once and for good.

    Whoever books something under the day holds its row meanwhile, so nothing slips in. False when
    it is closed already.
    """
    statement = session.get_one(
        SettlementDay, statement_id, with_for_update=True, populate_existing=True
    )
    if statement.state is not DayState.open:
        return False
    merchant_id, day = statement.merchant_id, statement.day
    coupon_costs.book(session, merchant_id, day, now=now)
    lines = lines_of(session, merchant_id, day)
    rows.add_all(session, SettlementLine, [_row(statement_id, line) for line in lines])
    _fill_purses(session, merchant_id, lines)
    figures = add_up(lines)
    closed = _columns(figures) | {"state": DayState.closed, "closed_at": now}
    rows.must_move(session, SettlementDay, {"id": statement_id, "state": DayState.open}, closed)
    return True


def merchants(session: Session) -> Sequence[int]:
    return session.scalars(select(Merchant.id).order_by(Merchant.id)).all()


def _columns(figures: Figures) -> dict[str, int]:
    return {
        "taken_fen": figures.taken_fen,
        "refunded_fen": figures.refunded_fen,
        "fee_fen": figures.fee_fen,
        "commission_fen": figures.commission_fen,
        "shared_fen": figures.shared_fen,
        "coupon_cost_fen": figures.coupon_cost_fen,
        "subsidy_fen": figures.subsidy_fen,
        "other_fen": figures.other_fen,
        "net_fen": figures.net_fen,
    }


def _row(statement_id: int, line: Line) -> dict[str, object]:
    return {"settlement_day_id": statement_id, **line._asdict()}


def _fill_purses(session: Session, merchant_id: int, lines: list[Line]) -> None:
    earned = earned_by_store(lines)
    new = [
        {"store_id": store_id, "merchant_id": merchant_id, "earned_fen": 0, "paid_fen": 0}
        for store_id in sorted(earned)
    ]
    insert_ignore(session, StorePurse, new)
    for store_id, amount in sorted(earned.items()):
        mine = update(StorePurse).where(StorePurse.store_id == store_id)
        moved = claim(session, mine.values(earned_fen=StorePurse.earned_fen + amount))
        rows.all_moved(StorePurse, moved)
