"""Pickup numbers: A001, A002 … per store and business day, none twice and none left out."""

from datetime import date

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from core.database import claim, insert_ignore
from merchants.models import Store
from orders.models import PickupCounter


def next_number(session: Session, store: Store, day: date) -> str:
    """The store's next number. Holds the counter's row until the transaction ends: call it last."""
    mine = (PickupCounter.store_id == store.id, PickupCounter.business_day == day)
    statement = update(PickupCounter).where(*mine).values(last=PickupCounter.last + 1)
    if claim(session, statement) == 0:
        insert_ignore(
            session, PickupCounter, [{"store_id": store.id, "business_day": day, "last": 0}]
        )
        claim(session, statement)
    number = session.scalars(select(PickupCounter.last).where(*mine)).one()
    return f"{store.pickup_prefix}{number:03d}"
