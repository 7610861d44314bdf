"""The groups that every shop asks for first: given to each merchant, who may redraw them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.database import insert_ignore
from crm.models import Segment


@dataclass(frozen=True)
class Preset:
    key: str
    name: str
    about: str
    rules: tuple[dict[str, Any], ...]

    @property
    def rule(self) -> dict[str, Any]:
        return {"op": "and", "rules": list(self.rules)}


PRESETS = (
    Preset(
        "newcomers",
        "新来的客人",
        "30 天内第一次下单。第二次来得越早，越容易留下",
        ({"field": "first_paid", "op": "after", "days": 30},),
    ),
    Preset(
        "never_ordered",
        "关注了还没下单的",
        "已经是会员，一单没有。给一张首单券",
        ({"field": "orders", "op": "<=", "value": 0},),
    ),
    Preset(
        "second_due",
        "等着来第二次的",
        "只来过一次。请他们来第二次，比拉新便宜",
        (
            {"field": "orders", "op": ">=", "value": 1},
            {"field": "orders", "op": "<=", "value": 1},
        ),
    ),
    Preset(
        "regulars",
        "常客",
        "30 天里至少 4 单。不用打折，先给新品和好位置",
        ({"field": "orders", "op": ">=", "value": 4, "days": 30},),
    ),
    Preset(
        "at_risk",
        "快要流失的老客",
        "90 天里花过 100 元，但 30 天没来。现在召回还来得及",
        (
            {"field": "spent", "op": ">=", "value": 10_000, "days": 90},
            {"field": "last_visit", "op": "before", "days": 30},
        ),
    ),
    Preset(
        "lost",
        "流失了的",
        "下过两单以上，90 天没来。试一次大一点的券，不来就别再打扰",
        (
            {"field": "orders", "op": ">=", "value": 2},
            {"field": "last_visit", "op": "before", "days": 90},
        ),
    ),
    Preset(
        "high_value",
        "高价值",
        "花得最多的五分之一，而且常来（价值分 M 5、F 4 以上）",
        (
            {"field": "rfm_monetary", "op": "=", "value": 5},
            {"field": "rfm_frequency", "op": ">=", "value": 4},
        ),
    ),
    Preset(
        "birthday",
        "快过生日的",
        "7 天内过生日。只有自己填过生日的人在里面",
        ({"field": "birthday", "op": "within", "days": 7},),
    ),
    Preset(
        "sleeping_balance",
        "有余额没来的",
        "储值里还有 20 元以上，30 天没来。提醒一声就够",
        (
            {"field": "balance", "op": ">=", "value": 2_000},
            {"field": "last_visit", "op": "before", "days": 30},
        ),
    ),
    Preset(
        "coupon_ending",
        "券快到期的",
        "手里的券 3 天内到期。提醒不用再发券",
        ({"field": "coupon", "op": "expiring", "days": 3},),
    ),
)


def ensure(session: Session, merchant_id: int, now: datetime) -> int:
    """Give the merchant the groups that it has not been given; how many were new.

    One whose name the merchant uses already stays away.
    """
    given = session.scalars(
        select(Segment.preset).where(
            Segment.merchant_id == merchant_id, Segment.preset.is_not(None)
        )
    ).all()
    missing = [preset for preset in PRESETS if preset.key not in given]
    rows = [
        {
            "merchant_id": merchant_id,
            "name": preset.name,
            "rule": preset.rule,
            "preset": preset.key,
            "about": preset.about,
            "created_by": "system",
            "created_at": now,
            "updated_at": now,
        }
        for preset in missing
    ]
    return insert_ignore(session, Segment, rows)
