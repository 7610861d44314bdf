"""The demo's membership of 青禾茶铺: tiers with their benefits."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from crm import tiers
from crm.models import BASE_TIER, Loyalty
from crm.tiers import Programme, Step, editing
from merchants.models import Merchant


def load(
    session: Session, merchant: Merchant, coupons: Mapping[str, int], now: datetime
) -> list[str]:
    """Write the programme unless there is one; the names of the tiers. `coupons`: ids by name."""
    known = select(Loyalty.id).where(Loyalty.merchant_id == merchant.id)
    if session.scalar(known) is None:
        birthday = coupons.get("新品请你喝")
        steps = (
            Step("ink_rock", 3, "墨岩", 300_000, 15_000, "新品先喝，每月一次免排队", birthday),
            Step("golden_bud", 2, "金芽", 100_000, 12_000, "新品先喝", birthday),
            Step("silver_tip", 1, "银毫", 30_000, 10_000, "", birthday),
            Step(BASE_TIER, 0, "青叶", 0),
        )
        programme = Programme(steps, window_days=365, valid_days=365, grace_days=30)
        editing.write(session, merchant.id, programme, now)
    return list(tiers.names(session, merchant.id).values())
