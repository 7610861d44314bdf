"""Stored value in two books: what the ledger owes the members, and what crm says that they have."""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import func, select, union_all
from sqlalchemy.orm import Session

from crm.models import (
    BalanceEntry,
    BalanceHold,
    BalanceLot,
    HoldState,
    Member,
)
from payments import accounts, ledger
from payments.models import LedgerEntry


def list_different(session: Session, merchant_ids: Iterable[int]) -> list[int]:
    """The merchants among these where the two differ. One statement, so it sees one moment.

    What an attempt has frozen has left the member and is owed all the same. Each book is added up
    by itself, because putting all entries together first copies them: of a merchant with a million
    entries in each it takes about three seconds.
    """
    ids = list(merchant_ids)
    theirs = (
        select(
            BalanceEntry.merchant_id,
            func.sum(BalanceEntry.principal_fen + BalanceEntry.bonus_fen).label("fen"),
        )
        .where(BalanceEntry.merchant_id.in_(ids))
        .group_by(BalanceEntry.merchant_id)
    )
    frozen = (
        select(Member.merchant_id, func.sum(BalanceHold.amount_fen - BalanceHold.returned_fen))
        .join(Member, Member.id == BalanceHold.member_id)
        .where(BalanceHold.state == HoldState.held, Member.merchant_id.in_(ids))
        .group_by(Member.merchant_id)
    )
    ours = (
        select(LedgerEntry.merchant_id, func.sum(LedgerEntry.amount_fen))
        .where(LedgerEntry.account.in_([accounts.balance(id_) for id_ in ids]))
        .group_by(LedgerEntry.merchant_id)
    )
    movements = union_all(theirs, frozen, ours).subquery()
    whole = func.sum(movements.c.fen)
    wrong = select(movements.c.merchant_id).group_by(movements.c.merchant_id).having(whole != 0)
    return sorted(session.scalars(wrong))


def post_imported(
    session: Session,
    merchant_id: int,
    cause: str,
    principal_fen: int,
    bonus_fen: int,
    now: datetime,
) -> None:
    """What came over from another system is owed to the member like what was topped up here; what
    it was paid with never came through our channels."""
    amounts = {
        accounts.balance(merchant_id): -principal_fen - bonus_fen,
        accounts.bonus(merchant_id): bonus_fen,
        accounts.imported(merchant_id): principal_fen,
    }
    ledger.post(session, cause, amounts, merchant_id, now=now)


def given_fen(session: Session, order_id: int) -> int:
    """What was given on top of a top-up."""
    given = select(BalanceLot.given_fen).where(BalanceLot.order_id == order_id)
    return int(session.scalar(given) or 0)


def moved_by(session: Session, cause: str) -> tuple[int, int] | None:
    """Principal and bonus that `cause` moved; None: it moved nothing."""
    moved = select(BalanceEntry.principal_fen, BalanceEntry.bonus_fen)
    found = session.execute(moved.where(BalanceEntry.cause == cause)).one_or_none()
    return None if found is None else (found[0], found[1])
