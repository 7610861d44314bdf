"""The demo's membership of 青禾茶铺: tiers, points, plans and things to play."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from coupons.models import CouponTemplate
from crm import tiers
from crm.models import (
    BASE_TIER,
    Expiry,
    Lottery,
    Loyalty,
    Plan,
    PlanKind,
    PointGoods,
    Prize,
    PrizeKind,
    ReferralRules,
    SignRules,
)
from crm.play import drawing
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
            Step(
                "ink_rock", 3, "墨岩", 300_000, 15_000, "新品先喝，每月一次免排队", birthday, 1_000
            ),
            Step("golden_bud", 2, "金芽", 100_000, 12_000, "新品先喝", birthday, 500),
            Step("silver_tip", 1, "银毫", 30_000, 10_000, "", birthday),
            Step(BASE_TIER, 0, "青叶", 0),
        )
        programme = Programme(
            steps,
            window_days=365,
            valid_days=365,
            grace_days=30,
            expiry=Expiry.months,
            expiry_months=12,
            spend_rate=100,
            spend_cap_bp=3_000,
            sells_top_ups=True,
        )
        editing.write(session, merchant.id, programme, now)
        _plans(session, merchant, coupons, now)
        _play(session, merchant, coupons, now)
    return list(tiers.names(session, merchant.id).values())


def _plans(session: Session, merchant: Merchant, coupons: Mapping[str, int], now: datetime) -> None:
    card = CouponTemplate(
        merchant_id=merchant.id,
        name="每日一杯次卡",
        face_fen=2_000,
        uses_total=10,
        valid_days=180,
        per_member_limit=99,
        created_at=now,
    )
    session.add(card)
    session.flush()
    month = {"days": 30, "coupons": 4, "template_id": coupons.get("老客回店券")}
    offers: tuple[tuple[PlanKind, str, int, dict[str, Any]], ...] = (
        (PlanKind.top_up, "充 100 送 10", 10_000, {"bonus_fen": 1_000}),
        (PlanKind.top_up, "充 200 送 30", 20_000, {"bonus_fen": 3_000}),
        (PlanKind.top_up, "充 500 送 100", 50_000, {"bonus_fen": 10_000}),
        (PlanKind.membership, "青禾月卡", 1_990, month | {"benefits": "新品上市先喝到"}),
        (PlanKind.card, "每日一杯 10 次卡", 16_800, {"template_id": card.id}),
    )
    for kind, name, price_fen, more in offers:
        if kind is PlanKind.top_up or more["template_id"]:
            plan = Plan(merchant_id=merchant.id, kind=kind, name=name, price_fen=price_fen, **more)
            plan.created_at = now
            session.add(plan)
    session.flush()


def _play(session: Session, merchant: Merchant, coupons: Mapping[str, int], now: datetime) -> None:
    gift = coupons.get("新品请你喝")
    milestones = [[3, 10, 0], [7, 30, gift or 0]]
    session.add(SignRules(merchant_id=merchant.id, points=10, growth=1, milestones=milestones))
    session.add(ReferralRules(merchant_id=merchant.id, inviter_points=100, newcomer_points=50))
    wheel = Lottery(
        merchant_id=merchant.id,
        name="金秋转盘",
        points=10,
        per_day=3,
        starts_at=now,
        ends_at=now + timedelta(days=30),
    )
    prizes = [
        Prize(kind=PrizeKind.points, name="88 积分", odds_bp=1_000, stock=500, points=88),
        Prize(kind=PrizeKind.points, name="20 积分", odds_bp=3_000, stock=2_000, points=20),
        Prize(kind=PrizeKind.text, name="青禾帆布袋", odds_bp=100, stock=20),
    ]
    if gift:
        cup = {"kind": PrizeKind.coupon, "name": "新品一杯", "template_id": gift}
        prizes.insert(0, Prize(odds_bp=300, stock=50, **cup))
    drawing.create(session, wheel, prizes, actor="system", now=now)
    for name, points in (("秋日上新券", 200), ("老客回店券", 300), ("新品请你喝", 600)):
        if name in coupons:
            goods = {"points": points, "per_member": 3, "created_at": now}
            session.add(PointGoods(merchant_id=merchant.id, template_id=coupons[name], **goods))
    session.flush()
