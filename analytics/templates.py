"""What became of the coupons of each template."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import case, func, select
from sqlalchemy.orm import Session

from coupons.models import Coupon, CouponState


@dataclass(frozen=True)
class Usage:
    issued: int = 0
    redeemed: int = 0
    cost_fen: int = 0


def usage(session: Session, template_ids: Sequence[int]) -> dict[int, Usage]:
    """One grouped query; a template without coupons has zeros."""
    used = Coupon.state == CouponState.redeemed
    rows = session.execute(
        select(
            Coupon.template_id,
            func.count(),
            func.sum(case((used, 1), else_=0)),
            func.coalesce(func.sum(case((used, Coupon.discount_fen), else_=0)), 0),
        )
        .where(Coupon.template_id.in_(template_ids))
        .group_by(Coupon.template_id)
    )
    found = {id_: Usage(int(n), int(redeemed), int(fen)) for id_, n, redeemed, fen in rows}
    return {template_id: found.get(template_id, Usage()) for template_id in template_ids}
