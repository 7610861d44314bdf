"""The nightly proof: what the ledger says is what payments, refunds, statements and purses say.

Each check takes a slice of ids and names the wrong ones, in one statement that sees one moment.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import String, and_, case, cast, func, literal, or_, select
from sqlalchemy.orm import Session

from core import rows
from orders.models import Order
from payments import accounts
from payments.models import (
    PAID,
    Bill,
    BookProof,
    DayState,
    LedgerEntry,
    PartState,
    PaymentAttempt,
    Payout,
    Refund,
    RefundState,
    ReturnState,
    SettlementDay,
    SettlementLine,
    SharingPart,
    SharingReturn,
    StorePurse,
)


def wrong_payments(session: Session, ids: range) -> list[int]:
    """Orders whose payments and refunds are not what their causes moved in the ledger."""
    mine = LedgerEntry.order_id.between(ids.start, ids.stop - 1)
    at_channel = LedgerEntry.account.startswith(f"{accounts.CHANNEL}:")
    entries = (
        select(
            LedgerEntry.order_id,
            _sum_if(and_(at_channel, LedgerEntry.cause.startswith("payment:"))).label("came"),
            _sum_if(and_(at_channel, LedgerEntry.cause.startswith("refund:"))).label("went"),
        )
        .where(mine)
        .group_by(LedgerEntry.order_id)
        .subquery()
    )
    came = (
        select(Bill.order_id, func.sum(PaymentAttempt.channel_fen).label("fen"))
        .join(PaymentAttempt, PaymentAttempt.bill_id == Bill.id)
        .where(Bill.order_id.between(ids.start, ids.stop - 1), PaymentAttempt.state.in_(PAID))
        .group_by(Bill.order_id)
        .subquery()
    )
    went = (
        select(Refund.order_id, func.sum(Refund.channel_fen).label("fen"))
        .where(
            Refund.order_id.between(ids.start, ids.stop - 1),
            Refund.state == RefundState.succeeded,
            Refund.finished_by.is_(None),  # what went back by hand never was the channel's
        )
        .group_by(Refund.order_id)
        .subquery()
    )
    differs = or_(
        func.coalesce(entries.c.came, 0) != func.coalesce(came.c.fen, 0),
        func.coalesce(entries.c.went, 0) != -func.coalesce(went.c.fen, 0),
    )
    found = (
        select(Order.id)
        .outerjoin(entries, entries.c.order_id == Order.id)
        .outerjoin(came, came.c.order_id == Order.id)
        .outerjoin(went, went.c.order_id == Order.id)
        .where(Order.id.between(ids.start, ids.stop - 1), differs)
        .order_by(Order.id)
    )
    return list(session.scalars(found))


def wrong_sharings(session: Session, ids: range) -> list[int]:
    """Payments of which others had more or less than the ledger says, or gave back so."""
    mine = SharingPart.sharing_id.between(ids.start, ids.stop - 1)
    theirs = or_(
        LedgerEntry.account.startswith(f"{accounts.COMMISSION}:"),
        LedgerEntry.account.startswith(f"{accounts.SHARING}:"),
    )
    given = and_(
        LedgerEntry.cause == literal("sharing:") + cast(SharingPart.id, String(20)), theirs
    )
    parts = (
        select(SharingPart.sharing_id, SharingPart.id)
        .outerjoin(LedgerEntry, given)
        .where(mine)
        .group_by(SharingPart.id, SharingPart.sharing_id, SharingPart.state, SharingPart.amount_fen)
        .having(
            func.coalesce(func.sum(LedgerEntry.amount_fen), 0)
            != case((SharingPart.state == PartState.succeeded, SharingPart.amount_fen), else_=0)
        )
    )
    came_back = and_(
        LedgerEntry.cause == literal("sharing_back:") + cast(SharingReturn.id, String(20)), theirs
    )
    returned = SharingReturn.state == ReturnState.succeeded
    returns = (
        select(SharingPart.sharing_id, SharingReturn.id)
        .join(SharingPart, SharingPart.id == SharingReturn.part_id)
        .outerjoin(LedgerEntry, came_back)
        .where(mine)
        .group_by(
            SharingReturn.id,
            SharingPart.sharing_id,
            SharingReturn.state,
            SharingReturn.amount_fen,
        )
        .having(
            func.coalesce(func.sum(LedgerEntry.amount_fen), 0)
            != -case((returned, SharingReturn.amount_fen), else_=0)
        )
    )
    return sorted({row[0] for found in (parts, returns) for row in session.execute(found)})


def wrong_days(session: Session, ids: range) -> list[int]:
    """Closed statements that are not, or no longer, the sum of their day's entries."""
    of_day = and_(
        LedgerEntry.merchant_id == SettlementDay.merchant_id, LedgerEntry.day == SettlementDay.day
    )
    at_channels = _sum_if(LedgerEntry.account.startswith(f"{accounts.CHANNEL}:"))
    entries = select(func.count()).where(of_day).correlate(SettlementDay).scalar_subquery()
    net = select(func.coalesce(at_channels, 0)).where(of_day).correlate(SettlementDay)
    kept = SettlementLine.settlement_day_id == SettlementDay.id
    lines = (
        select(func.coalesce(func.sum(SettlementLine.entries), 0))
        .where(kept)
        .correlate(SettlementDay)
        .scalar_subquery()
    )
    total = (
        select(func.coalesce(func.sum(SettlementLine.amount_fen), 0))
        .where(kept)
        .correlate(SettlementDay)
        .scalar_subquery()
    )
    found = select(SettlementDay.id).where(
        SettlementDay.id.between(ids.start, ids.stop - 1),
        SettlementDay.state == DayState.closed,
        or_(
            entries != lines,
            net.scalar_subquery() != SettlementDay.net_fen,
            total != 0,
        ),
    )
    return list(session.scalars(found.order_by(SettlementDay.id)))


def wrong_purses(session: Session, ids: range) -> list[int]:
    """Stores whose purse is not what closed days and payouts say."""
    kinds = (accounts.SALES, *accounts.COSTS)
    counts = or_(*(SettlementLine.account.startswith(f"{kind}:") for kind in kinds))
    earned = (
        select(func.coalesce(func.sum(-SettlementLine.amount_fen), 0))
        .where(SettlementLine.store_id == StorePurse.store_id, counts)
        .correlate(StorePurse)
        .scalar_subquery()
    )
    paid = (
        select(func.coalesce(func.sum(Payout.amount_fen), 0))
        .where(Payout.store_id == StorePurse.store_id)
        .correlate(StorePurse)
        .scalar_subquery()
    )
    found = select(StorePurse.store_id).where(
        StorePurse.store_id.between(ids.start, ids.stop - 1),
        or_(earned != StorePurse.earned_fen, paid != StorePurse.paid_fen),
    )
    return list(session.scalars(found.order_by(StorePurse.store_id)))


def wrong_payouts(session: Session, ids: range) -> list[int]:
    """Payouts that the ledger does not show as they are."""
    cause = literal("payout:") + cast(Payout.id, String(20))
    shown = (
        select(_sum_if(LedgerEntry.account.startswith(f"{accounts.STORE}:")))
        .where(LedgerEntry.cause == cause)
        .correlate(Payout)
        .scalar_subquery()
    )
    whole = (
        select(func.coalesce(func.sum(LedgerEntry.amount_fen), 1))
        .where(LedgerEntry.cause == cause)
        .correlate(Payout)
        .scalar_subquery()
    )
    found = select(Payout.id).where(
        Payout.id.between(ids.start, ids.stop - 1),
        or_(func.coalesce(shown, 0) != Payout.amount_fen, whole != 0),
    )
    return list(session.scalars(found.order_by(Payout.id)))


def keep(
    session: Session, counts: dict[str, int], wrong: dict[str, list[int]], *, now: datetime
) -> None:
    """What a night's proof found, for those who look in the morning."""
    rows.add(session, BookProof, {"at": now, "counts": counts, "wrong": wrong})


def latest(session: Session) -> BookProof | None:
    return session.scalar(select(BookProof).order_by(BookProof.id.desc()).limit(1))


def is_proven(found: BookProof) -> bool:
    wrong: dict[str, Sequence[Any]] = found.wrong
    return not any(wrong.values())


def _sum_if(condition: Any) -> Any:
    return func.sum(case((condition, LedgerEntry.amount_fen), else_=0))
