"""What became of the coupons of each template."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import ColumnElement, and_, case, func, or_, select
from sqlalchemy.orm import Session

from coupons.locking import BACK, USES, WAS_USED
from coupons.models import Coupon, CouponEntry, CouponTemplate

FEWEST_ENDED = 20
"""Fewer coupons than these tell nothing about the next ones."""


@dataclass(frozen=True)
class Usage:
    issued: int = 0
    redeemed: int = 0
    cost_fen: int = 0


def usage(session: Session, template_ids: Sequence[int]) -> dict[int, Usage]:
    """Two grouped queries; a template without coupons has zeros."""
    used = WAS_USED
    once = CouponTemplate.uses_total == 1
    rows = session.execute(
        select(
            Coupon.template_id,
            func.count(),
            func.sum(case((used, 1), else_=0)),
            func.coalesce(func.sum(case((and_(used, once), Coupon.discount_fen), else_=0)), 0),
        )
        .join(CouponTemplate, CouponTemplate.id == Coupon.template_id)
        .where(Coupon.template_id.in_(template_ids))
        .group_by(Coupon.template_id)
    )
    found = {id_: Usage(int(n), int(redeemed), int(fen)) for id_, n, redeemed, fen in rows}
    for use in uses(session, CouponTemplate.id.in_(template_ids)):
        found[use.template_id] = replace(found[use.template_id], cost_fen=use.fen)
    return {template_id: found.get(template_id, Usage()) for template_id in template_ids}


def used_of_batch(session: Session, batch_id: int) -> int:
    """How many of a batch's coupons were used, at least once."""
    its = select(func.count(Coupon.id)).join(
        CouponTemplate, CouponTemplate.id == Coupon.template_id
    )
    return session.scalar(its.where(Coupon.batch_id == batch_id, WAS_USED)) or 0


class Uses(NamedTuple):
    template_id: int
    name: str
    times: int
    fen: int


def uses(session: Session, *which: ColumnElement[bool]) -> list[Uses]:
    """Of coupons of several uses, those that stand, from the ledger: a coupon knows its last."""
    sign = case((CouponEntry.kind.in_(USES), 1), else_=-1)
    rows = session.execute(
        select(
            CouponTemplate.id,
            CouponTemplate.name,
            func.sum(sign),
            func.coalesce(func.sum(sign * CouponEntry.discount_fen), 0),
        )
        .join(Coupon, Coupon.template_id == CouponTemplate.id)
        .join(CouponEntry, CouponEntry.coupon_id == Coupon.id)
        .where(CouponTemplate.uses_total > 1, CouponEntry.kind.in_((*USES, *BACK)), *which)
        .group_by(CouponTemplate.id, CouponTemplate.name)
    )
    return [Uses(id_, name, int(times), int(fen)) for id_, name, times, fen in rows]


def redeemed_share(session: Session, template: CouponTemplate, now: datetime) -> float | None:
    """How large a part of coupons gets used, from those that were used or ran out.

    The template's own, else those of all campaigns of the merchant; None when there are too few.
    """
    pushed = Coupon.campaign_id.is_not(None)
    own = _ended_share(session, Coupon.template_id == template.id, now)
    if own is not None:
        return own
    return _ended_share(session, (Coupon.merchant_id == template.merchant_id) & pushed, now)


def _ended_share(session: Session, which: ColumnElement[bool], now: datetime) -> float | None:
    ended, redeemed = session.execute(
        select(func.count(), func.coalesce(func.sum(case((WAS_USED, 1), else_=0)), 0))
        .join(CouponTemplate, CouponTemplate.id == Coupon.template_id)
        .where(which, or_(WAS_USED, Coupon.expires_at <= now))
    ).one()
    return int(redeemed) / ended if ended >= FEWEST_ENDED else None
