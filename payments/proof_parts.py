"""The nightly proof of what stands on the pages of money beside payments and refunds: each fee is
the bill's, each coupon's cost its discount, each loss what somebody accepted, each column of a
closed statement the sum of its entries.

As in `proof`, each check takes a slice of ids and names the wrong ones.
"""

from collections import Counter
from typing import Any

from sqlalchemy import ColumnElement, String, and_, case, cast, func, literal, or_, select
from sqlalchemy.orm import Session, aliased

from gateways.pay.bills import RowKind
from orders.models import DiscountKind, Order, OrderDiscount
from payments import accounts
from payments.models import (
    PAID,
    Bill,
    DayState,
    LedgerEntry,
    PaymentAttempt,
    Refund,
    SettlementDay,
)
from payments.models.statements import Discrepancy, StatementDay, StatementLine, StatementState

_MATCHED = (StatementState.matched, StatementState.differs)


def wrong_fees(session: Session, ids: range) -> list[int]:
    """Rows of bills whose fee, as far as the payment or refund is ours, is not what was booked."""
    line, attempt = StatementLine, PaymentAttempt
    paid = (
        select(line.id)
        .join(StatementDay, StatementDay.id == line.day_id)
        .join(
            attempt,
            and_(attempt.out_trade_no == line.our_no, attempt.channel == StatementDay.channel),
        )
        .join(Bill, Bill.id == attempt.bill_id)
        .join(Order, Order.id == Bill.order_id)
        .outerjoin(LedgerEntry, _booked("fee:", attempt.id))
        .where(
            line.kind == RowKind.payment,
            attempt.state.in_(PAID),
            _own(attempt),
            # What was settled since is booked when its day is matched again.
            attempt.settled_at <= StatementDay.matched_at,
        )
    )
    back = (
        select(line.id)
        .join(StatementDay, StatementDay.id == line.day_id)
        .join(Refund, Refund.out_refund_no == line.our_no)
        .join(attempt, attempt.id == Refund.attempt_id)
        .join(Order, Order.id == Refund.order_id)
        .outerjoin(LedgerEntry, _booked("fee_back:", Refund.id))
        .where(
            line.kind == RowKind.refund,
            attempt.channel == StatementDay.channel,
            _own(attempt),
            Refund.requested_at <= StatementDay.matched_at,
        )
    )
    found: set[int] = set()
    for asked in (paid, back):
        wrong = (
            asked.where(line.id.between(ids.start, ids.stop - 1), StatementDay.state.in_(_MATCHED))
            .group_by(line.id, line.fee_fen)
            .having(func.coalesce(func.sum(LedgerEntry.amount_fen), 0) != line.fee_fen)
        )
        found |= set(session.scalars(wrong))
    return sorted(found)


def wrong_coupon_costs(session: Session, ids: range) -> list[int]:
    """Orders of closed days whose coupons cost other than they took off."""
    mine = Order.id.between(ids.start, ids.stop - 1)
    taken = (
        select(OrderDiscount.order_id, func.sum(OrderDiscount.amount_fen).label("fen"))
        .where(
            OrderDiscount.order_id.between(ids.start, ids.stop - 1),
            OrderDiscount.kind == DiscountKind.coupon,
        )
        .group_by(OrderDiscount.order_id)
        .subquery()
    )
    booked = (
        select(LedgerEntry.order_id, func.sum(-LedgerEntry.amount_fen).label("fen"))
        .where(
            LedgerEntry.order_id.between(ids.start, ids.stop - 1),
            LedgerEntry.account.startswith(f"{accounts.GIVEN}:"),
            LedgerEntry.cause.startswith("coupon:"),
        )
        .group_by(LedgerEntry.order_id)
        .subquery()
    )
    found = (
        select(Order.id, Order.merchant_id, booked.c.fen)
        .outerjoin(taken, taken.c.order_id == Order.id)
        .outerjoin(booked, booked.c.order_id == Order.id)
        .where(
            mine,
            func.coalesce(taken.c.fen, 0) != func.coalesce(booked.c.fen, 0),
            # A free order that was cancelled before its day was closed cost nothing.
            or_(booked.c.fen.is_not(None), and_(Order.payable_fen > 0, Order.paid_at.is_not(None))),
        )
        .order_by(Order.id)
    )
    rows = session.execute(found).all()
    unbooked = {order_id: merchant_id for order_id, merchant_id, fen in rows if fen is None}
    paid = session.execute(
        select(LedgerEntry.order_id, LedgerEntry.day).where(
            LedgerEntry.order_id.in_(unbooked),
            LedgerEntry.account.startswith(f"{accounts.SALES}:"),
            LedgerEntry.cause.startswith("payment:"),
        )
    ).all()
    due = [(unbooked[order_id], day) for order_id, day in paid]
    closed = _closed(session, due)
    waiting = {order_id for order_id, day in paid if (unbooked[order_id], day) not in closed}
    return [order_id for order_id, _, _ in rows if order_id not in waiting]


def wrong_coupon_returns(session: Session, ids: range) -> list[int]:
    """Orders of which refunds of closed days gave back other than their part of the coupons'
    cost, to the merchant or to the platform."""
    used, costs = aliased(LedgerEntry), (accounts.COUPON_COST, accounts.SUBSIDY)
    of_cost = or_(*(LedgerEntry.account.startswith(f"{kind}:") for kind in costs))
    of_sale = and_(
        LedgerEntry.account.startswith(f"{accounts.SALES}:"),
        LedgerEntry.cause.startswith("refund:"),
    )
    found = session.execute(
        select(LedgerEntry, Order.paid_fen)
        .join(
            used,
            and_(
                used.cause == literal("coupon:") + cast(LedgerEntry.order_id, String(20)),
                used.account.startswith(f"{accounts.GIVEN}:"),
            ),
        )
        .join(Order, Order.id == LedgerEntry.order_id)
        .where(LedgerEntry.order_id.between(ids.start, ids.stop - 1), or_(of_cost, of_sale))
    ).all()
    sales = [entry for entry, _ in found if accounts.kind_of(entry.account) == accounts.SALES]
    closed = _closed(session, [(entry.merchant_id, entry.day) for entry in sales])
    gone: Counter[Any] = Counter()
    for entry in sales:
        if (entry.merchant_id, entry.day) in closed:
            gone[entry.order_id] += entry.amount_fen
    paid = {entry.order_id: fen for entry, fen in found}
    cost: Counter[Any] = Counter()
    back: Counter[Any] = Counter()
    for entry, _ in found:
        if (kind := accounts.kind_of(entry.account)) in costs:
            told = cost if entry.cause.startswith("coupon:") else back
            told[entry.order_id, kind] += entry.amount_fen
    return sorted(
        {
            order_id
            for order_id, kind in {*cost, *back}
            if -back[order_id, kind] != _part(cost[order_id, kind], gone[order_id], paid[order_id])
        }
    )


def wrong_losses(session: Session, ids: range) -> list[int]:
    """Discrepancies for which another sum is lost in the ledger than was accepted."""
    number = cast(Discrepancy.id, String(20))
    causes = [literal(kind) + number for kind in ("loss:", "found:")]
    mine = and_(
        LedgerEntry.order_id == Discrepancy.order_id,
        LedgerEntry.account.startswith(f"{accounts.LOSS}:"),
        or_(*(_named(cause) for cause in causes)),
    )
    found = (
        select(Discrepancy.id)
        .outerjoin(LedgerEntry, mine)
        .where(Discrepancy.id.between(ids.start, ids.stop - 1))
        .group_by(Discrepancy.id, Discrepancy.lost_fen)
        .having(func.coalesce(func.sum(LedgerEntry.amount_fen), 0) != Discrepancy.lost_fen)
        .order_by(Discrepancy.id)
    )
    return list(session.scalars(found))


def wrong_columns(session: Session, ids: range) -> list[int]:
    """Closed statements of which a column that is shown is not the sum of the day's entries."""
    day, entry = SettlementDay, LedgerEntry
    channel = entry.account.startswith(f"{accounts.CHANNEL}:")
    columns: list[tuple[Any, ColumnElement[int]]] = [
        (day.taken_fen, _sum(and_(channel, entry.cause.startswith("payment:")))),
        (day.refunded_fen, -_sum(and_(channel, entry.cause.startswith("refund:")))),
        (day.fee_fen, _of(accounts.FEE)),
        (day.commission_fen, _of(accounts.COMMISSION)),
        (day.shared_fen, _of(accounts.SHARING)),
        (day.coupon_cost_fen, _of(accounts.COUPON_COST)),
        (day.subsidy_fen, _of(accounts.SUBSIDY)),
        (day.net_fen, _sum(channel)),
    ]
    out = day.refunded_fen + day.fee_fen + day.commission_fen + day.shared_fen
    adds_up = day.net_fen == day.taken_fen - out + day.other_fen
    found = (
        select(day.id)
        .outerjoin(entry, and_(entry.merchant_id == day.merchant_id, entry.day == day.day))
        .where(day.id.between(ids.start, ids.stop - 1), day.state == DayState.closed)
        .group_by(day.id, day.other_fen, *(shown for shown, _ in columns))
        .having(or_(~adds_up, *(shown != func.coalesce(told, 0) for shown, told in columns)))
        .order_by(day.id)
    )
    return list(session.scalars(found))


def _part(cost_fen: int, gone_fen: int, paid_fen: int) -> int:
    """Of a cost, what went back with so much of what was paid: half a fen is a whole one."""
    return (2 * cost_fen * gone_fen + paid_fen) // (2 * paid_fen) if gone_fen else 0


def _booked(kind: str, id_: Any) -> ColumnElement[bool]:
    """What the merchant bears for it, with what was booked later because the channel corrected."""
    fee = literal(f"{accounts.FEE}:") + cast(StatementDay.channel, String(20)) + literal(":")
    return and_(
        LedgerEntry.order_id == Order.id,
        LedgerEntry.account == fee + cast(Order.merchant_id, String(20)),
        _named(literal(kind) + cast(id_, String(20))),
    )


def _own(attempt: type[PaymentAttempt]) -> ColumnElement[bool]:
    """Of the bill's account, or kept under its provider's bare number: see `recon.days`."""
    bare = cast(attempt.account, String(64)) + literal("-%")
    return or_(StatementDay.account == attempt.account, StatementDay.account.like(bare))


def _named(cause: Any) -> ColumnElement[bool]:
    return or_(LedgerEntry.cause == cause, LedgerEntry.cause.like(cause + literal(":%")))


def _closed(session: Session, due: list[tuple[int, Any]]) -> set[tuple[int, Any]]:
    if not due:
        return set()
    found = session.execute(
        select(SettlementDay.merchant_id, SettlementDay.day).where(
            SettlementDay.merchant_id.in_({merchant_id for merchant_id, _ in due}),
            SettlementDay.day.in_({day for _, day in due}),
            SettlementDay.state == DayState.closed,
        )
    )
    return {(merchant_id, day) for merchant_id, day in found}


def _of(kind: str) -> ColumnElement[int]:
    return _sum(LedgerEntry.account.startswith(f"{kind}:"))


def _sum(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.sum(case((condition, LedgerEntry.amount_fen), else_=0))
