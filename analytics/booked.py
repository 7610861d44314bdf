"""What 结算 has of a day beside what 今日 says was sold on it, so that one leads to the other."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import date

from sqlalchemy import and_, case, func, or_, select
from sqlalchemy.orm import Session

from analytics.day import Takings, paid_within
from core.clock import day_bounds
from orders.models import Order
from payments import accounts
from payments.models import LedgerEntry


@dataclass(frozen=True)
class Booked:
    """`early`: deposits and shares of orders that were not paid in full on this day, which count
    when they are. `before`: what came earlier of those that were. `elsewhere`: given back of orders
    that do not count on this day. `since`: given back on other days of those that do. `costs`: what
    the channels and others kept. `back` is all that was given back on the day, in `backs` refunds.
    """

    takings_fen: int
    early_fen: int
    before_fen: int
    elsewhere_fen: int
    since_fen: int
    costs_fen: int
    back_fen: int
    backs: int

    @property
    def earned_fen(self) -> int:
        came = self.takings_fen + self.early_fen - self.before_fen
        return came - self.elsewhere_fen + self.since_fen - self.costs_fen

    @property
    def differs(self) -> bool:
        return self.earned_fen != self.takings_fen or bool(self.early_fen or self.before_fen)


def of(
    session: Session, merchant_id: int, store_ids: list[int], day: date, sold: Takings
) -> Booked:
    """One statement over the day's entries; `sold` is what the orders say of the same day."""
    counts = case((and_(*paid_within(store_ids, *day_bounds(day))), 1), else_=0).label("counts")
    is_refund = LedgerEntry.cause.startswith("refund:").label("is_refund")
    is_sale = (LedgerEntry.account == accounts.sales(merchant_id)).label("is_sale")
    costs = [LedgerEntry.account.startswith(f"{kind}:") for kind in accounts.COSTS]
    found = session.execute(
        select(is_sale, is_refund, counts, func.sum(LedgerEntry.amount_fen), func.count())
        .join(Order, Order.id == LedgerEntry.order_id)
        .where(
            LedgerEntry.merchant_id == merchant_id,
            LedgerEntry.day == day,
            Order.store_id.in_(store_ids),
            or_(is_sale, *costs),
        )
        .group_by(is_sale, is_refund, counts)
    )
    came: dict[bool, int] = defaultdict(int)
    back: dict[bool, int] = defaultdict(int)
    kept = backs = 0
    for sale, refund, counted, fen, entries in found:
        if not sale:
            kept += int(fen)
        elif refund:
            back[bool(counted)] += int(fen)
            backs += entries
        else:
            came[bool(counted)] -= int(fen)
    return Booked(
        takings_fen=sold.fen,
        early_fen=came[False],
        before_fen=sold.fen + sold.refunded_fen - came[True],
        elsewhere_fen=back[False],
        since_fen=sold.refunded_fen - back[True],
        costs_fen=kept,
        back_fen=sum(back.values()),
        backs=backs,
    )
