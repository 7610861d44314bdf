"""What a day comes to: sums of ledger entries by store, account and kind of cause."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from orders.models import Order
from payments import accounts
from payments.models import LedgerEntry, SettlementDay, SettlementLine


class Line(NamedTuple):
    """`kind` is what stands before the number of a cause: `payment`, `refund`, `fee`, …"""

    store_id: int | None
    account: str
    kind: str
    amount_fen: int
    entries: int


@dataclass(frozen=True)
class Figures:
    """The columns of a statement."""

    taken_fen: int = 0
    refunded_fen: int = 0
    fee_fen: int = 0
    commission_fen: int = 0
    shared_fen: int = 0
    coupon_cost_fen: int = 0
    subsidy_fen: int = 0
    net_fen: int = 0

    @property
    def other_fen(self) -> int:
        """Whatever else moved money at the channels, so that the columns always add up."""
        out = self.refunded_fen + self.fee_fen + self.commission_fen + self.shared_fen
        return self.net_fen - (self.taken_fen - out)


def lines_of(session: Session, merchant_id: int, day: date) -> list[Line]:
    """One statement over the entries of the day, as they are now."""
    kind = func.substr(LedgerEntry.cause, 1, func.instr(LedgerEntry.cause, ":") - 1)
    grouped = (
        select(
            Order.store_id,
            LedgerEntry.account,
            kind.label("kind"),
            func.sum(LedgerEntry.amount_fen),
            func.count(),
        )
        .outerjoin(Order, Order.id == LedgerEntry.order_id)
        .where(LedgerEntry.merchant_id == merchant_id, LedgerEntry.day == day)
        .group_by(Order.store_id, LedgerEntry.account, kind)
        .order_by(Order.store_id, LedgerEntry.account, kind)
    )
    return [
        Line(store_id, account, cause, int(amount), entries)
        for store_id, account, cause, amount, entries in session.execute(grouped)
    ]


def kept_lines(session: Session, statement: SettlementDay) -> list[Line]:
    """Those of a closed day."""
    found = (
        select(
            SettlementLine.store_id,
            SettlementLine.account,
            SettlementLine.kind,
            SettlementLine.amount_fen,
            SettlementLine.entries,
        )
        .where(SettlementLine.settlement_day_id == statement.id)
        .order_by(SettlementLine.id)
    )
    return [Line(*row) for row in session.execute(found)]


def add_up(lines: Iterable[Line]) -> Figures:
    """`taken` and `refunded` are what came through the channels and went back there."""
    sums: dict[tuple[str, str], int] = defaultdict(int)
    for line in lines:
        sums[accounts.kind_of(line.account), line.kind] += line.amount_fen
    of_kind: dict[str, int] = defaultdict(int)
    for (account, _), amount in sums.items():
        of_kind[account] += amount
    return Figures(
        taken_fen=sums[accounts.CHANNEL, "payment"],
        refunded_fen=-sums[accounts.CHANNEL, "refund"],
        fee_fen=of_kind[accounts.FEE],
        commission_fen=of_kind[accounts.COMMISSION],
        shared_fen=of_kind[accounts.SHARING],
        coupon_cost_fen=of_kind[accounts.COUPON_COST],
        subsidy_fen=of_kind[accounts.SUBSIDY],
        net_fen=of_kind[accounts.CHANNEL],
    )


def earned_by_store(lines: Iterable[Line]) -> dict[int, int]:
    """What each store sold and kept: its sales without what was given back and what others kept."""
    earned: dict[int, int] = defaultdict(int)
    for line in lines:
        if line.store_id is not None and is_earned(line):
            earned[line.store_id] -= line.amount_fen
    return dict(earned)


def is_earned(line: Line) -> bool:
    return accounts.kind_of(line.account) in (accounts.SALES, *accounts.COSTS)


def by_day(session: Session, merchant_id: int, begin: date, end: date) -> dict[date, Figures]:
    """What each day from `begin` until before `end` comes to now; only those with entries."""
    kind = func.substr(LedgerEntry.cause, 1, func.instr(LedgerEntry.cause, ":") - 1)
    grouped = (
        select(LedgerEntry.day, LedgerEntry.account, kind, func.sum(LedgerEntry.amount_fen))
        .where(
            LedgerEntry.merchant_id == merchant_id,
            LedgerEntry.day >= begin,
            LedgerEntry.day < end,
        )
        .group_by(LedgerEntry.day, LedgerEntry.account, kind)
    )
    found: dict[date, list[Line]] = defaultdict(list)
    for day, account, cause, amount in session.execute(grouped):
        found[day].append(Line(None, account, cause, int(amount), 0))
    return {day: add_up(lines) for day, lines in found.items()}
