"""Who bears a coupon: booked once a day for all orders whose payment the ledger has under it, and
given back with their refunds."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import date, datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session, aliased

from core import rows
from core.clock import day_bounds
from core.money import apply_basis_points
from coupons.models import Coupon
from orders.models import DiscountKind, Order, OrderDiscount, PaymentState
from payments import accounts, ledger
from payments.models import CouponTerms, DayState, LedgerEntry, SettlementDay
from payments.settlement.terms import terms_on

SLICE = 1_000


class _Used(NamedTuple):
    order_id: int
    amount_fen: int
    template_bp: int | None


def book(session: Session, merchant_id: int, day: date, *, now: datetime) -> None:
    """Safe to repeat while the day is open; the caller holds it."""
    terms = terms_on(session, merchant_id, day)
    merchant_bp = terms.coupon_platform_bp if terms else 0
    for order_ids in _slices(_paid(session, merchant_id, day)):
        used = _used(session, order_ids)
        _book_uses(session, merchant_id, used, merchant_bp, day, now)
    for order_ids in _slices(_refunded(session, merchant_id, day)):
        _book_returns(session, merchant_id, order_ids, day, now)


def _paid(session: Session, merchant_id: int, day: date) -> list[int]:
    """Orders with coupons that are of this day: where the ledger has the last of their payments,
    whenever we heard of it; free ones where they were placed. Of several payments the last to be
    closed takes the order with it, so none is missed when an earlier day is heard of afterwards."""
    begin, end = day_bounds(day)
    later = aliased(LedgerEntry)
    still_open = (
        select(later.id)
        .outerjoin(
            SettlementDay,
            (SettlementDay.merchant_id == later.merchant_id) & (SettlementDay.day == later.day),
        )
        .where(
            later.order_id == Order.id,
            later.account == accounts.sales(merchant_id),
            later.cause.startswith("payment:"),
            later.day > day,
            func.coalesce(SettlementDay.state, DayState.open) == DayState.open,
        )
    )
    paid = (
        select(Order.id)
        .join(LedgerEntry, LedgerEntry.order_id == Order.id)
        .where(
            LedgerEntry.merchant_id == merchant_id,
            LedgerEntry.day == day,
            LedgerEntry.account == accounts.sales(merchant_id),
            LedgerEntry.cause.startswith("payment:"),
            Order.paid_at.is_not(None),
            _with_coupon(),
            ~_is_booked(),
            ~still_open.exists(),
        )
    )
    free = select(Order.id).where(
        Order.merchant_id == merchant_id,
        Order.paid_at >= begin,
        Order.paid_at < end,
        Order.payable_fen == 0,
        # One that was cancelled has no refund to take its cost back with.
        Order.payment_state == PaymentState.paid,
        _with_coupon(),
        ~_is_booked(),
    )
    return sorted({*session.scalars(paid), *session.scalars(free)})


def _with_coupon() -> ColumnElement[bool]:
    taken = select(OrderDiscount.id).where(
        OrderDiscount.order_id == Order.id, OrderDiscount.kind == DiscountKind.coupon
    )
    return taken.exists()


def _is_booked() -> ColumnElement[bool]:
    booked = aliased(LedgerEntry)
    known = select(booked.id).where(booked.order_id == Order.id, booked.cause.startswith("coupon:"))
    return known.exists()


def _used(session: Session, order_ids: Sequence[int]) -> list[_Used]:
    """What these orders' coupons took off."""
    found = (
        select(OrderDiscount.order_id, func.sum(OrderDiscount.amount_fen), CouponTerms.platform_bp)
        .join(Coupon, Coupon.id == OrderDiscount.ref_id)
        .outerjoin(CouponTerms, CouponTerms.template_id == Coupon.template_id)
        .where(OrderDiscount.order_id.in_(order_ids), OrderDiscount.kind == DiscountKind.coupon)
        .group_by(OrderDiscount.order_id, CouponTerms.platform_bp)
        .order_by(OrderDiscount.order_id)
    )
    return [_Used(order_id, int(amount), bp) for order_id, amount, bp in session.execute(found)]


def _book_uses(
    session: Session,
    merchant_id: int,
    used: list[_Used],
    merchant_bp: int,
    day: date,
    now: datetime,
) -> None:
    platform: dict[int, int] = defaultdict(int)
    whole: dict[int, int] = defaultdict(int)
    for one in used:
        bp = merchant_bp if one.template_bp is None else one.template_bp
        platform[one.order_id] += apply_basis_points(one.amount_fen, bp)
        whole[one.order_id] += one.amount_fen
    entries: list[dict[str, Any]] = []
    for order_id, amount in whole.items():
        amounts = _split(merchant_id, amount, platform[order_id])
        cause = f"coupon:{order_id}"
        entries += ledger.entries_of(cause, amounts, merchant_id, order_id, day=day, now=now)
    rows.add_all_new(session, LedgerEntry, entries)


def _refunded(session: Session, merchant_id: int, day: date) -> list[int]:
    """Orders of which something went back on this day."""
    found = (
        select(LedgerEntry.order_id)
        .distinct()
        .where(
            LedgerEntry.merchant_id == merchant_id,
            LedgerEntry.day == day,
            LedgerEntry.account == accounts.sales(merchant_id),
            LedgerEntry.cause.startswith("refund:"),
        )
        .order_by(LedgerEntry.order_id)
    )
    return [order_id for order_id in session.scalars(found) if order_id is not None]


def _book_returns(
    session: Session, merchant_id: int, order_ids: list[int], day: date, now: datetime
) -> None:
    """Each refund takes back its part of both costs; the last one takes what is left of them."""
    booked: dict[int, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    refunds: dict[int, list[tuple[str, int, date]]] = defaultdict(list)
    found = session.execute(
        select(
            LedgerEntry.order_id,
            LedgerEntry.cause,
            LedgerEntry.account,
            LedgerEntry.amount_fen,
            LedgerEntry.day,
        )
        .where(LedgerEntry.order_id.in_(order_ids))
        .order_by(LedgerEntry.order_id, LedgerEntry.id)
    )
    for order_id, cause, account, amount, booked_on in found:
        assert order_id is not None  # they were asked for by it
        kind, _, number = cause.partition(":")
        if kind == "coupon":
            booked[order_id][account] += amount
        elif kind == "refund" and accounts.kind_of(account) == accounts.SALES:
            refunds[order_id].append((number, amount, booked_on))
    asked = select(Order.id, Order.paid_fen).where(Order.id.in_(booked))
    paid: dict[int, int] = dict(session.execute(asked).all())
    entries: list[dict[str, Any]] = []
    for order_id, costs in booked.items():
        own, theirs = (
            costs[account(merchant_id)] for account in (accounts.coupon_cost, accounts.subsidy)
        )
        gone = 0
        for number, amount, booked_on in refunds[order_id]:
            before, gone = gone, gone + amount
            if booked_on != day:
                continue
            back = [
                _part(cost, gone, paid[order_id]) - _part(cost, before, paid[order_id])
                for cost in (own, theirs)
            ]
            amounts = _split(merchant_id, -sum(back), -back[1])
            cause = f"coupon_back:{number}"
            entries += ledger.entries_of(cause, amounts, merchant_id, order_id, day=day, now=now)
    rows.add_all_new(session, LedgerEntry, entries)


def _part(cost: int, gone: int, paid: int) -> int:
    """Of a cost, what belongs to the first `gone` fen that went back of `paid`."""
    return (cost * gone + paid // 2) // paid if paid else cost


def _split(merchant_id: int, amount: int, platform: int) -> dict[str, int]:
    return {
        accounts.coupon_cost(merchant_id): amount - platform,
        accounts.subsidy(merchant_id): platform,
        accounts.given(merchant_id): -amount,
    }


def _slices(order_ids: list[int]) -> Iterator[list[int]]:
    for start in range(0, len(order_ids), SLICE):
        yield order_ids[start : start + SLICE]
