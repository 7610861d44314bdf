"""The figures of one day in some stores, beside the same weekday a week before."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import ColumnElement, and_, case, func, or_, select
from sqlalchemy.orm import Session

from analytics import templates
from catalogue.models import Product, ProductState, ShelfState, Sku, StoreSku
from core.clock import business_day, day_bounds
from coupons.models import Coupon, CouponEntry, CouponState, CouponTemplate
from crm.models import Member
from crm.profiles import IMPORTED
from crm.segments.compiling import customers
from orders.models import (
    DiscountKind,
    LineKind,
    Order,
    OrderDiscount,
    OrderState,
    PaymentState,
)

PAID = (PaymentState.paid, PaymentState.part_refunded, PaymentState.refunded)
LIVE = and_(Order.state != OrderState.cancelled, Order.payment_state != PaymentState.refunded)
WEEK = timedelta(days=7)


@dataclass(frozen=True)
class Takings:
    """By the moment of payment; `fen` is what was paid less what was given back.

    What was sold: stored value counts where it is spent, so a top-up is no sale, else its money
    would be there twice.
    What is paid in part waits; `booked` has the way from here to what 结算 says of the day.
    `orders` are those that count, neither cancelled nor refunded whole; `live_fen` is theirs.
    """

    orders: int
    live_fen: int
    fen: int
    refunded_fen: int

    @property
    def average_fen(self) -> int:
        return round(self.live_fen / self.orders) if self.orders else 0


@dataclass(frozen=True)
class Cost:
    """What one offer, a coupon or a 满减, took off, and how often."""

    name: str
    times: int
    fen: int


@dataclass(frozen=True)
class Liability:
    """Coupons that may still be used, and the most they can take off (amount coupons)."""

    coupons: int
    fen: int


def takings(
    session: Session, store_ids: Sequence[int], since: datetime, until: datetime
) -> Takings:
    net = Order.paid_fen - Order.refunded_fen
    row = session.execute(
        select(
            func.coalesce(func.sum(case((LIVE, 1), else_=0)), 0),
            func.coalesce(func.sum(case((LIVE, net), else_=0)), 0),
            func.coalesce(func.sum(net), 0),
            func.coalesce(func.sum(Order.refunded_fen), 0),
        ).where(*paid_within(store_ids, since, until))
    ).one()
    return Takings(*(int(number) for number in row))


def hours(session: Session, store_ids: Sequence[int], at: datetime) -> list[int]:
    """Fen of each local hour of the day of `at`: 24 numbers."""
    since, until = day_bounds(business_day(at))
    slot = case(
        *((Order.paid_at < since + timedelta(hours=hour + 1), hour) for hour in range(23)),
        else_=23,
    ).label("slot")
    rows = session.execute(
        select(slot, func.sum(Order.paid_fen - Order.refunded_fen))
        .where(*paid_within(store_ids, since, until))
        .group_by(slot)
    )
    sums = [0] * 24
    for hour, fen in rows:
        sums[int(hour)] = int(fen)
    return sums


def days(
    session: Session, store_ids: Sequence[int], last: date, number: int
) -> list[tuple[date, int, int]]:
    """(day, fen, orders that count) of the `number` days up to `last`, oldest first, each."""
    every = [last - timedelta(days=back) for back in reversed(range(number))]
    edges = [day_bounds(day) for day in every]
    slot = case(
        *((Order.paid_at < until, place) for place, (_, until) in enumerate(edges[:-1])),
        else_=number - 1,
    ).label("slot")
    rows = session.execute(
        select(
            slot,
            func.sum(Order.paid_fen - Order.refunded_fen),
            func.sum(case((LIVE, 1), else_=0)),
        )
        .where(*paid_within(store_ids, edges[0][0], edges[-1][1]))
        .group_by(slot)
    )
    found = {int(place): (int(fen), int(orders)) for place, fen, orders in rows}
    return [(day, *found.get(place, (0, 0))) for place, day in enumerate(every)]


def waiting(session: Session, store_ids: Sequence[int]) -> tuple[int, datetime | None]:
    """Paid orders that nobody has accepted, and since when the oldest waits."""
    number, oldest = session.execute(
        select(func.count(), func.min(Order.paid_at)).where(
            Order.store_id.in_(store_ids),
            Order.state == OrderState.placed,
            Order.payment_state.in_(PAID),
            Order.paid_at.is_not(None),
        )
    ).one()
    return int(number), oldest


def new_members(
    session: Session, merchant_id: int, since: datetime, until: datetime
) -> tuple[int, int]:
    """Customers who joined, and how many of them by scanning a code of a store. Who was hired by
    scanning an invitation, or came over from another system, is none."""
    number, scanned = session.execute(
        select(
            func.count(), func.coalesce(func.sum(case((Member.source_scene != "", 1), else_=0)), 0)
        ).where(
            customers(merchant_id),
            Member.joined_at >= since,
            Member.joined_at < until,
            Member.source_scene != IMPORTED,
        )
    ).one()
    return int(number), int(scanned)


def offer_costs(
    session: Session, store_ids: Sequence[int], since: datetime, until: datetime
) -> list[Cost]:
    """What coupons, promotions and tiers took off orders that stand, the dearest first."""
    off = func.coalesce(func.sum(Coupon.discount_fen), 0)
    coupons = session.execute(
        select(CouponTemplate.name, func.count(), off)
        .join(Coupon, Coupon.template_id == CouponTemplate.id)
        .where(*_redeemed(store_ids, since, until), CouponTemplate.uses_total == 1)
        .group_by(CouponTemplate.id, CouponTemplate.name)
    )
    several = templates.uses(
        session,
        CouponEntry.store_id.in_(store_ids),
        CouponEntry.at >= since,
        CouponEntry.at < until,
    )
    ours = OrderDiscount.kind.in_((DiscountKind.promotion, DiscountKind.tier))
    promotions = session.execute(
        select(OrderDiscount.name, func.count(), func.sum(OrderDiscount.amount_fen))
        .join(Order, Order.id == OrderDiscount.order_id)
        .where(*paid_within(store_ids, since, until), LIVE, ours)
        .group_by(OrderDiscount.kind, OrderDiscount.ref_id, OrderDiscount.name)
    )
    found = [Cost(name, int(times), int(fen)) for name, times, fen in (*coupons, *promotions)]
    found += [Cost(use.name, use.times, use.fen) for use in several if use.times > 0]
    return sorted(found, key=lambda cost: (-cost.fen, cost.name))


def coupon_revenue(
    session: Session, store_ids: Sequence[int], since: datetime, until: datetime
) -> int:
    """What was paid for orders that used a coupon."""
    found = session.scalar(
        select(func.coalesce(func.sum(Order.paid_fen - Order.refunded_fen), 0)).where(
            *paid_within(store_ids, since, until), Order.coupon_id.is_not(None)
        )
    )
    return int(found or 0)


def liability(session: Session, merchant_id: int, now: datetime) -> Liability:
    """What all uses that are left may take off, as far as the templates know: a percent coupon
    counts with its cap."""
    worth = case(
        (CouponTemplate.worth_fen > 0, CouponTemplate.worth_fen),
        (CouponTemplate.face_fen > 0, CouponTemplate.face_fen),
        else_=func.coalesce(CouponTemplate.cap_fen, 0),
    )
    number, fen = session.execute(
        select(func.count(), func.coalesce(func.sum(worth * Coupon.uses_left), 0))
        .select_from(CouponTemplate)
        .join(Coupon, Coupon.template_id == CouponTemplate.id)
        .where(
            CouponTemplate.merchant_id == merchant_id,
            Coupon.state.in_([CouponState.issued, CouponState.locked]),
            Coupon.expires_at > now,
        )
    ).one()
    return Liability(int(number), int(fen))


def sold_out(session: Session, store_ids: Sequence[int]) -> list[tuple[int, int]]:
    """(store, SKUs on its menu that are shown as sold out or have none left), where there are."""
    rows = session.execute(
        select(StoreSku.store_id, func.count())
        .join(Sku, Sku.id == StoreSku.sku_id)
        .join(Product, Product.id == Sku.product_id)
        .where(
            StoreSku.store_id.in_(store_ids),
            Product.state == ProductState.on,
            or_(
                StoreSku.state == ShelfState.sold_out,
                and_(StoreSku.state == ShelfState.on, StoreSku.available == 0),
            ),
        )
        .group_by(StoreSku.store_id)
        .order_by(StoreSku.store_id)
    )
    return [(int(store_id), int(number)) for store_id, number in rows]


def paid_within(
    store_ids: Sequence[int], since: datetime, until: datetime
) -> tuple[ColumnElement[bool], ...]:
    return (
        Order.store_id.in_(store_ids),
        Order.paid_at >= since,
        Order.paid_at < until,
        Order.payment_state.in_(PAID),
        Order.kind != LineKind.top_up,
    )


def _redeemed(
    store_ids: Sequence[int], since: datetime, until: datetime
) -> tuple[ColumnElement[bool], ...]:
    return (
        Coupon.store_id.in_(store_ids),
        Coupon.redeemed_at >= since,
        Coupon.redeemed_at < until,
        Coupon.state == CouponState.redeemed,
    )
