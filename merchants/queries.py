"""Reads of merchants and stores that many callers want; the gates to a merchant's own store."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.errors import NotFound
from merchants import hours
from merchants.errors import StoreNotFound, TableNotFound
from merchants.models import Merchant, Store, StoreState, StoreTable
from merchants.nearby import NearStore, StorePage, nearest_stores

__all__ = ["NearStore", "StorePage", "nearest_stores"]


def get_merchant(session: Session, code: str) -> Merchant:
    merchant = session.scalar(select(Merchant).where(Merchant.code == code))
    if merchant is None:
        raise NotFound("没有这个商家")
    return merchant


def get_store(session: Session, store_id: int) -> Store:
    store = session.get(Store, store_id)
    if store is None:
        raise StoreNotFound()
    return store


def get_store_of(session: Session, merchant_id: int, store_id: int) -> Store:
    """The gate: another merchant's store is not found."""
    store = session.get(Store, store_id)
    if store is None or store.merchant_id != merchant_id:
        raise StoreNotFound()
    return store


def list_stores(session: Session, merchant_id: int, limit: int = 500) -> list[Store]:
    """A merchant's stores by id, for pickers; long lists are paged by `nearest_stores`."""
    found = select(Store).where(Store.merchant_id == merchant_id).order_by(Store.id).limit(limit)
    return list(session.scalars(found))


def find_table(session: Session, code: str) -> StoreTable | None:
    return session.scalar(select(StoreTable).where(StoreTable.code == code))


def get_table(session: Session, code: str) -> StoreTable:
    table = find_table(session, code)
    if table is None:
        raise TableNotFound()
    return table


def list_tables(session: Session, store_id: int) -> list[StoreTable]:
    found = select(StoreTable).where(StoreTable.store_id == store_id).order_by(StoreTable.id)
    return list(session.scalars(found))


def is_open(store: Store, now: datetime) -> bool:
    """The merchant has not closed the store, and now is within its hours."""
    return opening(store, now).is_open


def opening(store: Store, now: datetime) -> hours.Opening:
    """Open until when, or closed and opening when; closed by hand has no next opening."""
    if store.state is StoreState.closed:
        return hours.Opening(is_open=False)
    return hours.opening(store.hours, now)
