"""Orders by what somebody reads out or types: the whole number, the number that was called, or the
six characters that are shown of one that was never called."""

import re
from collections.abc import Collection
from datetime import date, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from orders.models import Order

DAYS_SEARCHED = 7
ORDER_NO = re.compile(r"\d{8}[0-9A-Z]{10}")
SHORT = re.compile(r"[0-9A-Z]{2,6}")
SHOWN = 6
_MOST = 200


def find_ids(session: Session, store_ids: Collection[int], q: str, today: date) -> list[int]:
    """Those of these stores that are called `q`; none for what no order is called.

    Pickup numbers begin again every day, so only the days that a guest comes back for are asked.
    Both kinds of short numbers are read off the key of store, day and pickup number: of the orders
    without one that is those of a week, not all that there are.
    """
    given = q.strip().upper()
    mine = select(Order.id).where(Order.store_id.in_(store_ids))
    if ORDER_NO.fullmatch(given):
        return list(session.scalars(mine.where(Order.no == given)))
    if not SHORT.fullmatch(given):
        return []
    days = [today - timedelta(days=back) for back in range(DAYS_SEARCHED)]
    lately = mine.where(Order.business_day.in_(days)).limit(_MOST)
    found = list(session.scalars(lately.where(Order.pickup_number == given)))
    if len(given) == SHOWN:
        uncalled = lately.where(Order.pickup_number.is_(None))
        found += session.scalars(uncalled.where(Order.no.endswith(given)))
    return found
