"""Our own books of a day, merchant by merchant: orders, coupons and stored value must agree."""

from collections.abc import Iterator

from sqlalchemy import ColumnElement, String, and_, cast, func, or_, select
from sqlalchemy.orm import Session

from core.clock import day_bounds
from coupons.models import Coupon, CouponState
from crm.models import BalanceHold, BalanceLot, HoldState, Member
from orders.models import OWING, LineKind, Order, OrderState, PaymentState
from payments.models import UNSETTLED, AttemptState, Bill, PaymentAttempt
from payments.models.statements import About, Difference, StatementDay, StatementKind
from payments.recon.checks import Found

Attempt = PaymentAttempt
_CAUSE = "attempt:"
_SLICE = 500


def ask(session: Session, day: StatementDay) -> Iterator[Found]:
    """The questions of this kind of statement; its account is the merchant's id."""
    merchant_id = int(day.account)
    start, end = day_bounds(day.day)
    paid = and_(Order.merchant_id == merchant_id, Order.paid_at >= start, Order.paid_at < end)
    if day.kind is StatementKind.orders:
        yield from _orders(session, paid)
    elif day.kind is StatementKind.coupons:
        yield from _coupons(session, paid)
        yield from _locked_for_nothing(session, merchant_id, end)
    else:
        yield from _top_ups(session, paid)
        yield from _spent(session, paid)
        yield from _frozen_for_nothing(session, merchant_id, end)


def _orders(session: Session, paid: ColumnElement[bool]) -> Iterator[Found]:
    """Orders that say they were paid, and the payments of theirs that succeeded."""
    took = func.coalesce(func.sum(Attempt.amount_fen), 0)
    statement = (
        select(Order, took)
        .outerjoin(Bill, Bill.order_id == Order.id)
        .outerjoin(
            Attempt, and_(Attempt.bill_id == Bill.id, Attempt.state == AttemptState.succeeded)
        )
        .where(paid)
        .group_by(Order.id)
        .having(took != Order.paid_fen)
        .order_by(Order.id)
    )
    for order, sum_ in session.execute(statement):
        yield _of(order, Difference.amount, About.order, order.paid_fen, int(sum_))


def _coupons(session: Session, paid: ColumnElement[bool]) -> Iterator[Found]:
    """Orders that were paid with a coupon which does not say that it was used for them."""
    statement = (
        select(Order)
        .outerjoin(Coupon, Coupon.id == Order.coupon_id)
        .where(
            paid,
            Order.coupon_id.is_not(None),
            # What was refunded may have given its coupon back.
            Order.payment_state == PaymentState.paid,
            or_(Coupon.state != CouponState.redeemed, Coupon.order_id != Order.id),
            # One with several uses goes on.
            or_(Coupon.uses_left == 0, Coupon.state == CouponState.locked),
        )
        .order_by(Order.id)
    )
    for order in session.scalars(statement):
        yield _of(order, Difference.state, About.coupon, order.discount_fen, 0)


def _locked_for_nothing(session: Session, merchant_id: int, end: object) -> Iterator[Found]:
    """Coupons that are kept for an order which is over. One that is paid in part keeps its own."""
    statement = (
        select(Coupon, Order)
        .join(Order, Order.id == Coupon.order_id)
        .where(
            Coupon.merchant_id == merchant_id,
            Coupon.state == CouponState.locked,
            Order.placed_at < end,
            or_(Order.state == OrderState.cancelled, Order.payment_state.not_in(OWING)),
        )
        .order_by(Coupon.id)
    )
    for _, order in session.execute(statement):
        yield _of(order, Difference.state, About.coupon, order.discount_fen, 0)


def _top_ups(session: Session, paid: ColumnElement[bool]) -> Iterator[Found]:
    """Top-ups that were paid and are not in the member's balance, or not as much."""
    statement = (
        select(Order, BalanceLot.paid_fen)
        .outerjoin(BalanceLot, BalanceLot.order_id == Order.id)
        .where(
            paid,
            Order.kind == LineKind.top_up,
            or_(BalanceLot.id.is_(None), BalanceLot.paid_fen != Order.paid_fen),
        )
        .order_by(Order.id)
    )
    for order, kept in session.execute(statement):
        yield _of(order, Difference.amount, About.balance, order.paid_fen, int(kept or 0))


def _spent(session: Session, paid: ColumnElement[bool]) -> Iterator[Found]:
    """Payments with stored value that the balance does not know as spent: also those of which some
    or all went back since."""
    cause = _CAUSE + cast(Attempt.id, String)
    statement = (
        select(Order, Attempt.balance_fen, BalanceHold.amount_fen)
        .join(Bill, Bill.order_id == Order.id)
        .join(Attempt, Attempt.bill_id == Bill.id)
        .outerjoin(
            BalanceHold, and_(BalanceHold.cause == cause, BalanceHold.state != HoldState.held)
        )
        .where(
            paid,
            Attempt.state == AttemptState.succeeded,
            Attempt.balance_fen > 0,
            or_(
                BalanceHold.id.is_(None),
                BalanceHold.amount_fen != Attempt.balance_fen,
                and_(
                    BalanceHold.state == HoldState.returned,
                    Attempt.refunded_fen < Attempt.balance_fen,
                ),
            ),
        )
        .order_by(Order.id)
    )
    for order, ours, kept in session.execute(statement):
        yield _of(order, Difference.amount, About.balance, ours, int(kept or 0))


def _frozen_for_nothing(session: Session, merchant_id: int, end: object) -> Iterator[Found]:
    """Stored value that is kept for a payment which is over. What is kept is little: read first."""
    held = (
        select(BalanceHold.cause, BalanceHold.amount_fen)
        .join(Member, Member.id == BalanceHold.member_id)
        .where(
            BalanceHold.state == HoldState.held,
            BalanceHold.cause.startswith(_CAUSE),
            Member.merchant_id == merchant_id,
        )
    )
    kept = {int(cause.removeprefix(_CAUSE)): fen for cause, fen in session.execute(held)}
    ids = sorted(kept)
    for start in range(0, len(ids), _SLICE):
        some = ids[start : start + _SLICE]
        statement = (
            select(Order, Attempt.id)
            .join(Bill, Bill.order_id == Order.id)
            .join(Attempt, Attempt.bill_id == Bill.id)
            .where(
                Attempt.id.in_(some),
                Attempt.created_at < end,
                Attempt.state.not_in(UNSETTLED),
            )
            .order_by(Order.id)
        )
        for order, attempt_id in session.execute(statement):
            yield _of(order, Difference.state, About.balance, 0, int(kept[attempt_id]))


def _of(order: Order, kind: Difference, about: About, ours_fen: int, theirs_fen: int) -> Found:
    return Found(
        kind,
        about,
        order.no,
        order.paid_at or order.placed_at,
        merchant_id=order.merchant_id,
        order_id=order.id,
        ours_fen=ours_fen,
        theirs_fen=theirs_fen,
    )
