"""What an offer would have taken off the orders of last week: a sum on real carts.

Each order is priced as it was, with the promotions that it had; then with the offer as well. A
coupon is tried as if everybody had one, so the sum is the most that it could have cost.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from catalogue.models import Product
from coupons import limits, scope
from coupons.models import CouponTemplate, Promotion, UseChannel
from coupons.taking import Line
from crm.models import Member
from orders.amounts import price_cart
from orders.conflicts import of_promotion, of_template
from orders.models import DiscountKind, Order, OrderDiscount, OrderLine, PaymentState
from orders.rules import CouponRule, PromotionRule

WEEK = timedelta(days=7)
MOST_ORDERS = 500


@dataclass(frozen=True)
class Trial:
    """Of `orders` looked at, those that it `fits`, and what it would have taken off them."""

    orders: int
    fits: int
    off_fen: int


@dataclass(frozen=True)
class Cart:
    """An order of the past. `left`: what its lines cost after its promotions."""

    store_id: int
    at: datetime
    tier: str
    is_first: bool
    lines: list[Line]
    left: list[int]


def try_template(carts: Sequence[Cart], template: CouponTemplate, now: datetime) -> Trial:
    rule = of_template(template, now).rule
    assert isinstance(rule, CouponRule)
    fits, total = 0, 0
    for cart in carts:
        occasion = limits.Occasion(
            cart.store_id, cart.at, UseChannel.online, cart.tier, cart.is_first
        )
        if limits.blocked(template, occasion):
            continue
        lines = [_reduced(line, fen) for line, fen in zip(cart.lines, cart.left, strict=True)]
        off = price_cart(lines, [], [rule]).discount_fen
        fits, total = fits + (off > 0), total + off
    return Trial(len(carts), fits, total)


def try_promotion(carts: Sequence[Cart], promotion: Promotion) -> Trial:
    """Alone: without the promotions that the orders had."""
    rule = of_promotion(promotion).rule
    assert isinstance(rule, PromotionRule)
    fits, total = 0, 0
    for cart in carts:
        if promotion.store_ids is not None and cart.store_id not in promotion.store_ids:
            continue
        if not scope.is_on(promotion, cart.at):
            continue
        off = price_cart(cart.lines, [rule]).discount_fen
        fits, total = fits + (off > 0), total + off
    return Trial(len(carts), fits, total)


def recent_carts(session: Session, store_ids: Sequence[int], now: datetime) -> list[Cart]:
    """The paid orders of the last week, at most the newest five hundred, in three statements."""
    orders = session.execute(
        select(Order.id, Order.store_id, Order.paid_at, Member.tier, Member.first_paid_at)
        .join(Member, Member.id == Order.member_id)
        .where(
            Order.store_id.in_(store_ids),
            Order.paid_at >= now - WEEK,
            Order.paid_at < now,
            Order.payment_state != PaymentState.unpaid,
        )
        .order_by(Order.paid_at.desc())
        .limit(MOST_ORDERS)
    ).all()
    ids = [row.id for row in orders]
    lines = _lines(session, ids)
    promoted: dict[int, list[list[int]]] = defaultdict(list)
    kept = select(OrderDiscount.order_id, OrderDiscount.per_line).where(
        OrderDiscount.order_id.in_(ids), OrderDiscount.kind == DiscountKind.promotion
    )
    for order_id, per_line in session.execute(kept):
        promoted[order_id].append(per_line)
    return [
        Cart(
            row.store_id,
            row.paid_at,
            row.tier,
            row.paid_at == row.first_paid_at,
            lines[row.id],
            [
                line.amount_fen - sum(parts[index] for parts in promoted[row.id])
                for index, line in enumerate(lines[row.id])
            ],
        )
        for row in orders
        if lines[row.id]
    ]


def _lines(session: Session, order_ids: Sequence[int]) -> dict[int, list[Line]]:
    found: dict[int, list[Line]] = defaultdict(list)
    rows = session.execute(
        select(OrderLine, Product.category_id)
        .join(Product, Product.id == OrderLine.product_id)
        .where(OrderLine.order_id.in_(order_ids))
        .order_by(OrderLine.order_id, OrderLine.position)
    )
    for line, category_id in rows:
        options = sum(option.get("price_fen", 0) for option in line.options)
        found[line.order_id].append(
            Line(
                line.product_id or 0,
                line.amount_fen,
                line.quantity,
                line.unit_fen - options,
                category_id,
            )
        )
    return found


def _reduced(line: Line, left_fen: int) -> Line:
    return Line(line.product_id, left_fen, line.quantity, line.base_fen, line.category_id)
