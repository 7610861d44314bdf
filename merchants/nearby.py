"""Stores nearest first, by keyset, for any number of stores.

The search looks into a box around the visitor (an index range), then sorts what is inside the
circle by exact distance; a box too poor is widened. Only when a whole country has fewer stores than
a page is every store looked at.
"""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Select, cast, func, select
from sqlalchemy.orm import Session

from core import cursors
from merchants.distance import METRES_PER_DEGREE, box, great_circle, metres_per_degree_east
from merchants.models import Store

RINGS: tuple[float | None, ...] = (2_000, 10_000, 50_000, 250_000, 1_000_000, None)


@dataclass(frozen=True)
class NearStore:
    """`metres` is None when the visitor did not say where they are."""

    store: Store
    metres: int | None


@dataclass(frozen=True)
class StorePage:
    items: list[NearStore]
    next: str | None


def nearest_stores(
    session: Session,
    merchant_id: int,
    lat: float | None = None,
    lng: float | None = None,
    q: str = "",
    cursor: str | None = None,
    limit: int = 20,
) -> StorePage:
    """A page of a merchant's stores, nearest first; without a position, oldest first.

    `q` narrows to stores whose name or address contains it. Raises Malformed for a bad cursor.
    """
    wanted = select(Store).where(Store.merchant_id == merchant_id)
    if q.strip():
        wanted = wanted.where(_contains(q.strip()))
    if lat is None or lng is None:
        return _oldest_first(session, wanted, cursor, limit)
    return _nearest_first(session, wanted, lat, lng, cursor, limit)


def _oldest_first(
    session: Session, wanted: Select[Store], cursor: str | None, limit: int
) -> StorePage:
    if cursor:
        wanted = wanted.where(Store.id > cursors.number(*cursors.decode(cursor, 1)))
    stores = list(session.scalars(wanted.order_by(Store.id).limit(limit + 1)))
    more = cursors.encode([stores[limit - 1].id]) if len(stores) > limit else None
    return StorePage([NearStore(store, None) for store in stores[:limit]], more)


def _nearest_first(
    session: Session,
    wanted: Select[Store],
    lat: float,
    lng: float,
    cursor: str | None,
    limit: int,
) -> StorePage:
    after = [cursors.number(part) for part in cursors.decode(cursor, 2)] if cursor else None
    key = _squared_metres(lat, lng)
    page = wanted.add_columns(key.label("squared")).order_by(key, Store.id).limit(limit + 1)
    if after:
        page = page.where((key > after[0]) | ((key == after[0]) & (Store.id > after[1])))
    rows: list[Any] = []
    for ring in RINGS:
        if after and ring is not None and ring**2 <= after[0]:
            continue
        rows = list(session.execute(page if ring is None else _within(page, key, lat, lng, ring)))
        if len(rows) > limit:
            break
    items = [NearStore(s, great_circle(lat, lng, s.lat, s.lng)) for s, _ in rows[:limit]]
    more = None
    if len(rows) > limit:
        last, squared = rows[limit - 1]
        more = cursors.encode([int(squared), last.id])
    return StorePage(items, more)


def _squared_metres(lat: float, lng: float) -> ColumnElement[int]:
    """The sort key: whole square metres, so that a cursor compares exactly."""
    north = (Store.lat - lat) * METRES_PER_DEGREE
    east = (Store.lng - lng) * metres_per_degree_east(lat)
    return cast(func.round(north * north + east * east), BigInteger)


def _within(
    page: Select[Any], key: ColumnElement[int], lat: float, lng: float, metres: float
) -> Select[Any]:
    south, north, west, east = box(lat, lng, metres)
    in_box = Store.lat.between(south, north) & Store.lng.between(west, east)
    return page.where(in_box, key <= int(metres**2))


def _contains(q: str) -> ColumnElement[bool]:
    escaped = q.replace("!", "!!").replace("%", "!%").replace("_", "!_")
    pattern = f"%{escaped}%"
    return Store.name.like(pattern, escape="!") | Store.address.like(pattern, escape="!")
