"""Stock of a store: held when an order is placed, sold when it is paid, given back when it ends.

Every verb touches rows in the order of their SKU ids; stock is the last lock an order takes.
"""

from collections.abc import Mapping
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import Select, bindparam, select, update
from sqlalchemy.orm import Session

from catalogue.errors import OutOfStock
from catalogue.models import (
    NEXT,
    EntryKind,
    HoldState,
    Product,
    ShelfState,
    Sku,
    StockEntry,
    StockHold,
    StoreSku,
)
from core import later, rows, statements
from core.database import claim

_SHELF = rows.table_of(StoreSku).c
_TAKE = (
    update(rows.table_of(StoreSku))
    .where(
        _SHELF.store_id == bindparam("of_store"),
        _SHELF.sku_id == bindparam("of_sku"),
        _SHELF.state == ShelfState.on,
        _SHELF.available >= bindparam("quantity"),
    )
    .values(available=_SHELF.available - bindparam("quantity"))
)


class _Held(NamedTuple):
    id: int
    order_id: int
    store_id: int
    sku_id: int
    quantity: int
    returned: int
    counted: bool
    state: HoldState


_OPEN = tuple(state for state, targets in NEXT.items() if HoldState.returned in targets)


class _Shelved(NamedTuple):
    sku_id: int
    available: int | None


@cache
def _on_shelf(number: int) -> Select[Any]:
    return select(_SHELF.sku_id, _SHELF.available).where(
        _SHELF.store_id == bindparam("store_id"),
        statements.any_of(_SHELF.sku_id, "sku", number),
        _SHELF.state == ShelfState.on,
    )


def hold(
    session: Session,
    order_id: int,
    store_id: int,
    quantities: Mapping[int, int],
    now: datetime,
) -> None:
    """Take `quantities` (SKU id → number) for an order. Raises OutOfStock: nothing may be kept.

    The caller's transaction must roll back on the exception. The guarded UPDATEs come last, since
    the row of a popular SKU is what buyers queue for.
    """
    wanted = sorted(quantities.items())
    counted = _counted(session, store_id, [sku_id for sku_id, _ in wanted])
    holds: list[dict[str, Any]] = []
    entries: list[dict[str, Any]] = []
    for sku_id, quantity in wanted:
        row = {"order_id": order_id, "store_id": store_id, "sku_id": sku_id}
        holds.append(
            row | {"quantity": quantity, "counted": counted[sku_id], "state": HoldState.held}
        )
        if counted[sku_id]:
            entries.append(row | _entry(EntryKind.held, -quantity, now))
    later.add_all(session, StockHold, holds)
    later.add_all(session, StockEntry, entries)
    for sku_id, quantity in wanted:
        if counted[sku_id]:
            _take(session, store_id, sku_id, quantity)


def sell_held(session: Session, order_id: int) -> None:
    """held → sold for everything the order still holds."""
    held = {"order_id": order_id, "state": HoldState.held}
    later.move_all(session, StockHold, held, {"state": HoldState.sold})


def give_back(session: Session, order_id: int, now: datetime) -> int:
    """Return what is left of what the order held or bought, each piece at most once; the number of
    SKUs returned."""
    returned = 0
    for hold_ in _open_holds(session, order_id):
        returned += _return(session, hold_, hold_.quantity - hold_.returned, now)
    return returned


def put_back(session: Session, order_id: int, quantities: Mapping[int, int], now: datetime) -> int:
    """Return some pieces (SKU id → number) of what the order bought, as far as they are not back
    already; how many pieces that were."""
    returned = 0
    for hold_ in _open_holds(session, order_id):
        pieces = min(quantities.get(hold_.sku_id, 0), hold_.quantity - hold_.returned)
        if pieces > 0 and _return(session, hold_, pieces, now):
            returned += pieces
    return returned


def _open_holds(session: Session, order_id: int) -> list[_Held]:
    found = session.execute(
        select(*(getattr(StockHold, name) for name in _Held._fields))
        .where(StockHold.order_id == order_id, StockHold.state.in_(_OPEN))
        .order_by(StockHold.sku_id)
    )
    return [_Held(*row) for row in found]


def _return(session: Session, hold_: _Held, pieces: int, now: datetime) -> int:
    """1 for the one caller who moved the hold."""
    back = hold_.returned + pieces
    state = HoldState.returned if back == hold_.quantity else hold_.state
    seen = {"id": hold_.id, "state": hold_.state, "returned": hold_.returned}
    moved = rows.compare_and_set(session, StockHold, seen, {"state": state, "returned": back})
    if moved and hold_.counted:
        _put_back(session, hold_, pieces, now)
    return moved


def _counted(session: Session, store_id: int, sku_ids: list[int]) -> dict[int, bool]:
    given = {"store_id": store_id, **statements.numbered("sku", sku_ids)}
    found = statements.fetch(session, _Shelved, _on_shelf(len(sku_ids)), given)
    counted = {shelved.sku_id: shelved.available is not None for shelved in found}
    for sku_id in sku_ids:
        if sku_id not in counted:
            raise _sold_out(session, store_id, sku_id)
    return counted


def _take(session: Session, store_id: int, sku_id: int, quantity: int) -> None:
    wanted = {"of_store": store_id, "of_sku": sku_id, "quantity": quantity}
    if rows.run(session, _TAKE, wanted) == 0:
        raise _sold_out(session, store_id, sku_id)


def _put_back(session: Session, hold_: _Held, pieces: int, now: datetime) -> None:
    back = claim(
        session,
        update(StoreSku)
        .where(
            StoreSku.store_id == hold_.store_id,
            StoreSku.sku_id == hold_.sku_id,
            StoreSku.available.is_not(None),
        )
        .values(available=StoreSku.available + pieces),
    )
    if back:  # else it is no longer counted, and there is no number to add to
        row = {name: getattr(hold_, name) for name in ("order_id", "store_id", "sku_id")}
        entry = _entry(EntryKind.returned, pieces, now) | {"place": hold_.returned}
        rows.add(session, StockEntry, row | entry)


def _entry(kind: EntryKind, change: int, now: datetime) -> dict[str, Any]:
    return {"kind": kind, "change": change, "actor": "system", "reason": "", "at": now}


def _sold_out(session: Session, store_id: int, sku_id: int) -> OutOfStock:
    """What to say: the product's name and how many are left."""
    found = session.execute(
        select(Product.name, StoreSku.available, StoreSku.state)
        .select_from(Sku)
        .join(Product, Product.id == Sku.product_id)
        .outerjoin(StoreSku, (StoreSku.sku_id == Sku.id) & (StoreSku.store_id == store_id))
        .where(Sku.id == sku_id)
    ).first()
    if found is None:
        return OutOfStock("这个商品", sku_id)
    name, available, state = found
    return OutOfStock(name, sku_id, available if state == ShelfState.on else 0)
