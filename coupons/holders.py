"""What a coupon's limits ask about the person who holds it, at the counter.

Members and orders lie above coupons; as a foreign key does, this points at their tables by name.
Read only for the few coupons that are limited to tiers or to a first order.
"""

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from core.database import Base
from coupons.models import CouponTemplate


def holder(session: Session, template: CouponTemplate, member_id: int | None) -> tuple[str, bool]:
    """(code of the tier, whether nothing was ordered yet); of nobody: no tier, nothing ordered."""
    if member_id is None or not (template.first_order or template.tiers is not None):
        return "", True
    members, orders = (Base.metadata.tables[name] for name in ("members", "orders"))
    ordered = exists().where(orders.c.member_id == members.c.id, orders.c.state != "cancelled")
    tier, has_ordered = session.execute(
        select(members.c.tier, ordered).where(members.c.id == member_id)
    ).one()
    return str(tier), not has_ordered
