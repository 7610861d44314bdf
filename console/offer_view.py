"""What an offer that is being written would do: a sum on last week's orders, and whom it meets."""

from datetime import datetime

from sqlalchemy.orm import Session

from analytics import trials
from analytics.trials import Trial
from catalogue.goods import list_goods
from console import words
from console.access import me
from coupons import floors, offering, queries
from coupons.models import CouponTemplate, Promotion, PromotionState, TemplateState
from orders import conflicts
from orders.conflicts import Meeting, Offer

MOST_TEMPLATES = 30


def template_trial(session: Session, template: CouponTemplate, now: datetime) -> str:
    """上周 120 单里 37 单用得上，约让利 ¥184.00."""
    carts = trials.recent_carts(session, me().all_store_ids, now)
    return _said(trials.try_template(carts, template, now), "用得上")


def promotion_trial(session: Session, promotion: Promotion, now: datetime) -> str:
    carts = trials.recent_carts(session, me().all_store_ids, now)
    return _said(trials.try_promotion(carts, promotion), "会享受到")


def meetings(session: Session, written: Promotion | CouponTemplate, now: datetime) -> list[Meeting]:
    """Whom it meets among what runs, is planned or is given out."""
    offer = _offer(written, now)
    goods = list_goods(session, me().merchant_id)
    floor_bp = floors.floor_of(session, me().merchant_id)
    return conflicts.find(offer, others(session, now), goods, floor_bp)


def severe(session: Session, written: Promotion | CouponTemplate, now: datetime) -> bool:
    return any(meeting.severe for meeting in meetings(session, written, now))


def others(session: Session, now: datetime) -> list[Offer]:
    """Promotions that run or will, and coupons that are being given out."""
    promotions = offering.list_promotions(session, me().merchant_id)
    templates = queries.list_templates(session, me().merchant_id)
    return [
        *(
            conflicts.of_promotion(one)
            for one in promotions
            if one.state is PromotionState.running and (one.ends_at is None or one.ends_at > now)
        ),
        *(
            conflicts.of_template(one, now)
            for one in templates[:MOST_TEMPLATES]
            if one.state is TemplateState.active
            and (one.valid_until is None or one.valid_until > now)
        ),
    ]


def _offer(written: Promotion | CouponTemplate, now: datetime) -> Offer:
    if isinstance(written, Promotion):
        return conflicts.of_promotion(written)
    return conflicts.of_template(written, now)


def _said(trial: Trial, does: str) -> str:
    if not trial.orders:
        return ""
    if not trial.fits:
        return f"最近 7 天 {words.count(trial.orders)} 单里没有一单{does}"
    head = "" if trial.orders < trials.MOST_ORDERS else "最新的 "
    return (
        f"最近 7 天{head} {words.count(trial.orders)} 单里 {words.count(trial.fits)} 单{does}，"
        f"约让利 ¥{words.yuan(trial.off_fen)}"
    )
