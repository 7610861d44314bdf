"""满减 promotions that are on."""

from datetime import datetime

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from coupons.models import Promotion


def list_active(
    session: Session, merchant_id: int, store_ids: list[int], now: datetime
) -> list[Promotion]:
    """Those of the merchant that hold in any of `store_ids` now, smallest threshold first."""
    return list(
        session.scalars(
            select(Promotion)
            .where(
                Promotion.merchant_id == merchant_id,
                Promotion.starts_at <= now,
                or_(Promotion.ends_at.is_(None), Promotion.ends_at > now),
                or_(Promotion.store_id.is_(None), Promotion.store_id.in_(store_ids)),
            )
            .order_by(Promotion.threshold_fen, Promotion.id)
        )
    )
