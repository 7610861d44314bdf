"""满减 promotions that are on."""

from datetime import datetime
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import Select, bindparam, or_, select
from sqlalchemy.orm import Session

from core import rows, statements
from core.database import UTCDateTime
from coupons.models import Promotion


class ActivePromotion(NamedTuple):
    """`store_id` None: in every store of the merchant."""

    id: int
    store_id: int | None
    name: str
    threshold_fen: int
    off_fen: int


def list_active(
    session: Session, merchant_id: int, store_ids: list[int], now: datetime
) -> list[ActivePromotion]:
    """Those of the merchant that hold in any of `store_ids` now, smallest threshold first."""
    given = {"merchant_id": merchant_id, "now": now, **statements.numbered("store", store_ids)}
    return statements.fetch(session, ActivePromotion, _active(len(store_ids)), given)


@cache
def _active(stores: int) -> Select[Any]:
    of = rows.table_of(Promotion).c
    now = bindparam("now", type_=UTCDateTime())
    return (
        select(of.id, of.store_id, of.name, of.threshold_fen, of.off_fen)
        .where(
            of.merchant_id == bindparam("merchant_id"),
            of.starts_at <= now,
            or_(of.ends_at.is_(None), of.ends_at > now),
            or_(of.store_id.is_(None), statements.any_of(of.store_id, "store", stores)),
        )
        .order_by(of.threshold_fen, of.id)
    )
