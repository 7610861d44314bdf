"""Stored value over days: what members were owed before, what came and went, what they are owed
then. All of it is the ledger's, so that it ties with every other page."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import date, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from payments import accounts
from payments.models import DayState, LedgerEntry, SettlementDay, SettlementLine


@dataclass(frozen=True)
class Moved:
    """`opening_fen` with all that follows is `closing_fen`; what leaves is negative.

    `returned_fen`: refunds of what was bought with it; `taken_back_fen`: top-ups that were refunded
    with what was given on top.
    """

    opening_fen: int
    topped_up_fen: int
    given_fen: int
    imported_fen: int
    spent_fen: int
    returned_fen: int
    taken_back_fen: int
    other_fen: int

    @property
    def closing_fen(self) -> int:
        came = self.topped_up_fen + self.given_fen + self.imported_fen + self.returned_fen
        return self.opening_fen + came + self.spent_fen + self.taken_back_fen + self.other_fen


def moved(session: Session, merchant_id: int, begin: date, end: date) -> Moved:
    """From `begin` until before `end`."""
    sums: dict[tuple[str, str, bool], int] = defaultdict(int)
    kind = func.substr(LedgerEntry.cause, 1, func.instr(LedgerEntry.cause, ":") - 1)
    owed = LedgerEntry.amount_fen < 0
    found = session.execute(
        select(LedgerEntry.account, kind, owed, -func.sum(LedgerEntry.amount_fen))
        .where(
            LedgerEntry.merchant_id == merchant_id,
            LedgerEntry.day >= begin,
            LedgerEntry.day < end,
            LedgerEntry.account.in_((accounts.balance(merchant_id), accounts.bonus(merchant_id))),
        )
        .group_by(LedgerEntry.account, kind, owed)
    )
    for account, cause, more, fen in found:
        sums[accounts.kind_of(account), cause, bool(more)] += int(fen)
    whole = sum(fen for (account, *_), fen in sums.items() if account == accounts.BALANCE)
    given = -sum(sums[accounts.BONUS, "payment", more] for more in (True, False))
    parts = {
        "topped_up_fen": sums[accounts.BALANCE, "payment", True] - given,
        "given_fen": given,
        "imported_fen": _of(sums, "import"),
        "spent_fen": sums[accounts.BALANCE, "payment", False],
        "returned_fen": _of(sums, "refund"),
        "taken_back_fen": _of(sums, "stored"),
    }
    return Moved(
        opening_fen=owed_before(session, merchant_id, begin),
        other_fen=whole - sum(parts.values()),
        **parts,
    )


def owed_before(session: Session, merchant_id: int, day: date) -> int:
    """What the members were owed when `day` began. Closed days are read as they were kept; only
    what came after the first that is not closed is added up entry by entry."""
    balance = accounts.balance(merchant_id)
    mine = SettlementDay.merchant_id == merchant_id
    closed = select(func.max(SettlementDay.day)).where(
        mine, SettlementDay.state == DayState.closed, SettlementDay.day < day
    )
    open_ = select(func.min(SettlementDay.day)).where(
        mine, SettlementDay.state == DayState.open, SettlementDay.day < day
    )
    last, first = session.scalar(closed), session.scalar(open_)
    since = first or (last + timedelta(days=1) if last else date.min)
    kept = (
        select(func.sum(SettlementLine.amount_fen))
        .join(SettlementDay, SettlementDay.id == SettlementLine.settlement_day_id)
        .where(
            mine,
            SettlementDay.state == DayState.closed,
            SettlementDay.day < since,
            SettlementLine.account == balance,
        )
    )
    live = select(func.sum(LedgerEntry.amount_fen)).where(
        LedgerEntry.merchant_id == merchant_id,
        LedgerEntry.day >= since,
        LedgerEntry.day < day,
        LedgerEntry.account == balance,
    )
    return -int(session.scalar(kept) or 0) - int(session.scalar(live) or 0)


def _of(sums: dict[tuple[str, str, bool], int], kind: str) -> int:
    return sum(sums[accounts.BALANCE, kind, more] for more in (True, False))
