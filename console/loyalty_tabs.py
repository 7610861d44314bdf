"""What the pages of 会员体系 share: their tabs, in order, and the coupons to choose from."""

from flask import url_for
from sqlalchemy import select
from sqlalchemy.orm import Session

from console.access import me
from coupons.models import CouponTemplate, TemplateState

Tab = tuple[str, str, str, bool]
TABS = (
    ("等级", "console.tiers.index", ""),
    ("积分", "console.points.index", ""),
    ("储值", "console.plans.index", "top_up"),
    ("付费会员", "console.plans.index", "membership"),
    ("次卡", "console.plans.index", "pass"),
    ("签到", "console.play.sign_in", ""),
    ("抽奖", "console.play.lotteries", ""),
    ("邀请", "console.play.referrals", ""),
)


def tabs(active: str, kind: str = "") -> list[Tab]:
    """(words, address, no count, whether it is this one) for `ui.tabs`."""
    return [
        (words, url_for(to, kind=of) if of else url_for(to), "", (to, of) == (active, kind))
        for words, to, of in TABS
    ]


def coupons(session: Session, nothing: str = "不送", *, several_uses: bool = False) -> list[Tab]:
    """(id, name) of what is being given out, the newest first, after `nothing`."""
    query = select(CouponTemplate.id, CouponTemplate.name).where(
        CouponTemplate.merchant_id == me().merchant_id,
        CouponTemplate.state == TemplateState.active,
    )
    if several_uses:
        query = query.where(CouponTemplate.uses_total > 1)
    found = session.execute(query.order_by(CouponTemplate.id.desc()).limit(100))
    return [("", nothing), *((str(id_), name) for id_, name in found)]  # type: ignore[list-item]
