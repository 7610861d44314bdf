"""What a journey brought, in the words of the campaigns' reports."""

from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from analytics import journeys
from analytics.lift import FEWEST_BUYERS, FEWEST_PEOPLE, Group
from console import lift_view, words
from crm.models import Journey


def effect(session: Session, journey: Journey, now: datetime) -> dict[str, Any] | None:
    """None: nobody has come in, or the first count of very many people is still under way."""
    found = journeys.effect(session, journey, now)
    if found is None:
        return None
    people = found.reached.people
    lifts = [("收入", "", found.revenue)]
    if found.profit is not None:
        lifts.append(("利润", "", found.profit))
    return {
        **_verdict(found),
        "rows": [_bought("进来的", found.reached), _bought("对照组", found.held)],
        "brought": [(name, lift_view.said(lift, people)) for name, _, lift in lifts],
        "forest": lift_view.forest(lifts) if found.revenue.enough else None,
        "counted_by": lift_view.counted_by(found.margin_bp, found.known)
        if found.profit is not None
        else "",
        "days": journeys.WINDOW.days,
    }


def _bought(name: str, group: Group) -> dict[str, Any]:
    return {
        "name": name,
        "people": words.count(group.people),
        "bought": words.share(group.buyers, group.people) or "0%",
        "percent": round(group.buyers * 100 / group.people) if group.people else 0,
        "mean": words.yuan(round(group.mean)),
    }


def _verdict(found: journeys.Effect) -> dict[str, str]:
    lift = found.revenue
    if not lift.enough:
        few = min(found.reached.people, found.held.people) < FEWEST_PEOPLE
        asked = f"{FEWEST_PEOPLE} 人" if few else f"{FEWEST_BUYERS} 人买过"
        why = f"进来的和对照组各要有 {asked}，才能比。"
        return {"verdict": "人数不足，还不能下结论", "why": why}
    between = f"95% 区间 {lift_view.signed(lift.low)} 到 {lift_view.signed(lift.high)}"
    if not lift.sure:
        return {"verdict": "还看不出有没有用", "why": f"{between}，碰到 0，可能只是碰巧。"}
    more = "多花" if lift.point > 0 else "少花"
    amount = words.yuan(abs(round(lift.point)))
    return {"verdict": f"每人比对照组{more} ¥{amount}", "why": f"{between}。"}
