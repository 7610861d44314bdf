"""Pickup numbers: A001, A002 … per store and business day, none twice and none left out."""

from datetime import date

from sqlalchemy import bindparam, select, update
from sqlalchemy.orm import Session

from core import rows, statements
from merchants.models import Store
from orders.models import PickupCounter

_COUNTERS = rows.table_of(PickupCounter).c
_MINE = (
    _COUNTERS.store_id == bindparam("of_store"),
    _COUNTERS.business_day == bindparam("of_day"),
)
_COUNT_ON = update(rows.table_of(PickupCounter)).where(*_MINE).values(last=_COUNTERS.last + 1)
_LAST = select(_COUNTERS.last).where(*_MINE)


def next_number(session: Session, store: Store, day: date) -> str:
    """The store's next number. Holds the counter's row until the transaction ends: call it last."""
    mine = {"of_store": store.id, "of_day": day}
    if rows.run(session, _COUNT_ON, mine) == 0:
        first = {"store_id": store.id, "business_day": day, "last": 0}
        rows.add_new(session, PickupCounter, first)
        rows.run(session, _COUNT_ON, mine)
    number = statements.fetch_one(session, int, _LAST, mine) or 0
    return f"{store.pickup_prefix}{number:03d}"
