"""The report of a campaign: the verdict first, then how it came about."""

from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from analytics import campaigns as reports
from console import lift_view, words
from console.campaign_view import SENDING, list_skipped, plain
from core.clock import business_day, day_bounds, local
from crm.campaigns import queries
from crm.campaigns.queries import Progress
from crm.models import Arm, Campaign, RecipientState


def report(session: Session, campaign: Campaign, now: datetime) -> dict[str, Any] | None:
    """What it brought, by intention to treat: verdict first, then how it came about."""
    spent = reports.spending(session, campaign, now)
    if spent is None:
        return None
    sent = queries.progress(session, campaign)
    used = reports.redemption(session, campaign.id)
    days = max((spent.until - spent.since).days, 1)
    top = max(spent.reached.mean, spent.held.mean)
    delivered = sent.count(RecipientState.sent)
    missed = sum(sent.skipped.values()) + sent.count(RecipientState.failed)
    return {
        **_verdict(spent, days),
        "redeemed": words.count(used.redeemed),
        "issued": words.count(used.issued),
        "cost": f"¥{words.yuan(used.cost_fen)}",
        "coupon_revenue": f"¥{words.yuan(used.revenue_fen)}",
        "funnel": [
            _stage("名单", sent.audience, sent.audience, "100%"),
            _stage("应发", sent.reach, sent.audience, f"对照组 {words.count(sent.held_out)}"),
            _stage("发券", used.issued, sent.audience, _of(used.issued, sent.reach, "应发")),
            _stage("送达", delivered, sent.audience, _of(delivered, sent.reach, "应发")),
            _stage("核销", used.redeemed, sent.audience, _of(used.redeemed, used.issued, "发券")),
        ],
        "missed_count": words.count(missed + sent.count(RecipientState.unknown)),
        "missed": _missed(sent),
        "period": f"{days} 天",
        "reach_count": words.count(spent.reached.people),
        "hold_count": words.count(spent.held.people),
        "reach_mean": words.yuan(round(spent.reached.mean)),
        "hold_mean": words.yuan(round(spent.held.mean)),
        "reach_bar": round(spent.reached.mean * 100 / top) if top else 0,
        "hold_bar": round(spent.held.mean * 100 / top) if top else 0,
        "forest": lift_view.one(spent.lift),
        "method": "按「应发」的人算，没送到的也在内，结果偏保守。"
        + ("" if spent.lift.enough else "每组要有 30 人、其中 5 人买过，才能下结论。"),
        **_chart(session, campaign, spent, now),
    }


def _verdict(spent: reports.Spending, days: int) -> dict[str, Any]:
    lift = spent.lift
    total = spent.total_fen
    between = f"{lift_view.signed(lift.low)} 到 {lift_view.signed(lift.high)}"
    people = words.count(spent.reached.people)
    facts = f"应发的 {people} 人，{days} 天内每人比对照组"
    more = "多花" if lift.point >= 0 else "少花"
    facts += f"{more} ¥{words.yuan(abs(round(lift.point)))}（95% 区间 {between}）。"
    if not lift.enough:
        verdict = "人数不足，还不能说带来了多少"
        held = words.count(spent.held.people)
        why = f"活动组 {people} 人，对照组 {held} 人。人少的时候，差别多半是碰巧。"
    elif not lift.sure:
        verdict, why = "还看不出有没有多带来收入", facts + "区间碰到 0，可能只是碰巧。"
    elif lift.point > 0:
        verdict, why = (
            f"多带来约 ¥{round(total / 100):,} 收入",
            facts + "没有扣掉券和原料的成本。",
        )
    else:
        verdict, why = f"少了约 ¥{abs(round(total / 100)):,} 收入", facts
    low, high = (lift_view.rough(edge * spent.reached.people) for edge in (lift.low, lift.high))
    return {
        "verdict": verdict,
        "why": why,
        "sure": lift.sure,
        "lift": lift_view.rough(total) if lift.enough else "—",
        "lift_range": f"{low} – {high}" if lift.enough else "人数不足",
    }


def _chart(
    session: Session, campaign: Campaign, spent: reports.Spending, now: datetime
) -> dict[str, Any]:
    """Spending per person of both groups, added up day by day."""
    edges = [spent.since]
    while edges[-1] < spent.until:
        edges.append(min(day_bounds(business_day(edges[-1]))[1], spent.until))
    if len(edges) < 3 or not spent.reached.people or not spent.held.people:
        return {"chart": None}
    sums = reports.cumulative(session, campaign, edges)
    means = {
        arm: [round(fen / group.people / 100, 2) for fen in sums[arm]]
        for arm, group in ((Arm.reach, spent.reached), (Arm.holdout, spent.held))
    }
    days = [f"{local(edge):%m-%d}" for edge in edges[:-1]]
    reached, held = means[Arm.reach], means[Arm.holdout]
    said = f"累计每人收入：活动组 {reached[-1]:.2f} 元，对照组 {held[-1]:.2f} 元"
    return {
        "chart": {
            "kind": "lines",
            "x": days,
            "min": 0,
            "right": 52,
            "series": [
                {"name": "活动组", "data": reached, "end": f"{reached[-1]:.2f}"},
                {"name": "对照组", "data": held, "end": f"{held[-1]:.2f}", "control": True},
            ],
        },
        "chart_words": said,
        "chart_rows": [
            (day, f"{a:.2f}", f"{b:.2f}") for day, a, b in zip(days, reached, held, strict=True)
        ],
    }


def _missed(sent: Progress) -> list[dict[str, str]]:
    rows = list_skipped(sent.skipped)
    for state, text, hint in SENDING[4:6]:
        number = sent.count(state)
        if number:
            rows.append(plain(text, hint, number))
    return rows


def _stage(name: str, number: int, whole_list: int, hint: str) -> dict[str, Any]:
    percent = round(number * 100 / whole_list, 1) if whole_list else 0
    return {"name": name, "count": words.count(number), "percent": percent, "hint": hint}


def _of(part: int, base: int, name: str) -> str:
    return f"{name}的 {words.share(part, base)}" if base else ""
