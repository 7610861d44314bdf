"""What staff change by hand in a store: how many there are, and whether it is on sale."""

from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from catalogue.errors import UnknownSku
from catalogue.models import EntryKind, ShelfState, StockEntry, StoreSku
from core import audit
from core.database import claim
from core.errors import Conflict
from merchants.queries import get_store


def set_available(
    session: Session,
    store_id: int,
    sku_id: int,
    available: int | None,
    *,
    actor: str,
    reason: str = "",
    now: datetime,
) -> None:
    """From now on `available` pieces; None: not counted. Conflict: one was sold meanwhile."""
    row = get_store_sku(session, store_id, sku_id)
    before = row.available
    unchanged = StoreSku.available.is_(None) if before is None else StoreSku.available == before
    statement = update(StoreSku).where(StoreSku.id == row.id, unchanged)
    if claim(session, statement.values(available=available)) == 0:
        raise Conflict("库存刚变过，刷新再改")
    session.refresh(row)
    session.add(
        StockEntry(
            store_id=store_id,
            sku_id=sku_id,
            kind=EntryKind.adjusted,
            change=(available or 0) - (before or 0),
            actor=actor,
            reason=reason,
            at=now,
        )
    )
    audit.record(
        session,
        actor=actor,
        action="stock.set",
        subject=f"store_sku:{row.id}",
        before={"available": before},
        after={"available": available},
        merchant_id=get_store(session, store_id).merchant_id,
        reason=reason,
        now=now,
    )


def set_state(
    session: Session, store_id: int, sku_id: int, state: ShelfState, *, actor: str, now: datetime
) -> None:
    """On sale, sold out, or off the shelf of this store."""
    row = get_store_sku(session, store_id, sku_id)
    before, row.state = row.state, state
    audit.record(
        session,
        actor=actor,
        action="shelf.set",
        subject=f"store_sku:{row.id}",
        before={"state": before},
        after={"state": state},
        merchant_id=get_store(session, store_id).merchant_id,
        now=now,
    )


def get_store_sku(session: Session, store_id: int, sku_id: int) -> StoreSku:
    row = session.scalar(
        select(StoreSku)
        .where(StoreSku.store_id == store_id, StoreSku.sku_id == sku_id)
        .execution_options(populate_existing=True)
    )
    if row is None:
        raise UnknownSku
    return row
