"""The report of a campaign: the verdict first, then how it came about."""

import csv
import io
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from analytics import campaigns as reports
from analytics import measuring
from analytics.lift import FEWEST_BUYERS, FEWEST_PEOPLE, Lift
from console import campaign_gifts, lift_view, words
from console.campaign_view import SENDING, list_skipped, plain
from core.clock import local
from crm.campaigns import queries
from crm.campaigns.queries import Progress
from crm.models import Campaign, RecipientState

LETTERS = "ABCD"


def report(session: Session, campaign: Campaign, now: datetime) -> dict[str, Any] | None:
    """What it brought, by intention to treat: verdict first, then how it came about."""
    spent = reports.spending(session, campaign, now)
    if spent is None:
        return None
    sent = queries.progress(session, campaign)
    used = reports.redemption(session, campaign.id)
    days = max((spent.until - spent.since).days, 1)
    top = max(spent.reached.mean, spent.held.mean)
    missed = sum(sent.skipped.values()) + sent.count(RecipientState.failed)
    return {
        **_verdict(spent, days, campaign_gifts.given(campaign)),
        "profit": _profit(spent),
        "redeemed": _used(used),
        "issued": words.count(used.issued),
        "cost": f"¥{words.yuan(used.cost_fen)}",
        "coupon_revenue": f"¥{words.yuan(used.revenue_fen)}",
        "uses": _of_uses(used),
        "funnel": [
            _stage("名单", sent.audience, sent.audience, "100%"),
            _stage("应发", sent.reach, sent.audience, f"对照组 {words.count(sent.held_out)}"),
            *_given(campaign, spent, sent, used),
        ],
        "bought": _bought(spent) if campaign.template_id is None and not used.issued else None,
        "missed_count": words.count(missed + sent.count(RecipientState.unknown)),
        "missed": _missed(sent),
        "period": f"{days} 天",
        "reach_count": words.count(spent.reached.people),
        "hold_count": words.count(spent.held.people),
        "reach_mean": words.yuan(round(spent.reached.mean)),
        "hold_mean": words.yuan(round(spent.held.mean)),
        "reach_bar": round(spent.reached.mean * 100 / top) if top else 0,
        "hold_bar": round(spent.held.mean * 100 / top) if top else 0,
        "forest": _forest(spent),
        "method": "按「应发」的人算，没送到的也在内，结果偏保守。"
        + ("" if spent.lift.enough else fewest()),
        "trials": _trials(spent),
        "counted": f"算到 {words.when(spent.until, now)}",
        **_chart(spent),
    }


def _given(
    campaign: Campaign, spent: reports.Spending, sent: Progress, used: reports.Redemption
) -> list[dict[str, Any]]:
    """Coupons are followed to the counter; where there are none, people to an order."""
    delivered, whole_list = sent.count(RecipientState.sent), sent.audience
    arrived = _stage("送达", delivered, whole_list, _of(delivered, sent.reach, "应发"))
    buyers = spent.reached.buyers
    bought = _stage("买过", buyers, whole_list, _of(buyers, spent.reached.people, "应发"))
    if campaign.template_id is None and not used.issued:
        return [arrived, bought]
    given = _stage("发券", used.issued, whole_list, _of(used.issued, sent.reach, "应发"))
    redeemed = _of(used.redeemed, used.issued, "发券")
    return [given, arrived, _stage("核销", used.redeemed, whole_list, redeemed)]


def _bought(spent: reports.Spending) -> dict[str, str]:
    """How many of each group have bought at all."""
    reached, held = spent.reached, spent.held
    return {
        "share": words.share(reached.buyers, reached.people) if reached.people else "—",
        "held": words.share(held.buyers, held.people) if held.people else "—",
    }


def in_short(session: Session, campaign: Campaign, now: datetime) -> dict[str, Any] | None:
    """The verdict and three figures with how sure they are, for a campaign that is over."""
    spent = reports.spending(session, campaign, now)
    if spent is None:
        return None
    used = reports.redemption(session, campaign.id)
    days = max((spent.until - spent.since).days, 1)
    said = _verdict(spent, days, campaign_gifts.given(campaign))
    delivered = queries.progress(session, campaign).count(RecipientState.sent)
    share = words.share(used.redeemed, used.issued) if used.issued else ""
    return {
        "verdict": said["verdict"],
        "figures": [
            ("送达", words.count(delivered), "人", True),
            ("核销", words.count(used.redeemed), f"发券的 {share}" if share else "", True)
            if campaign.template_id is not None or used.issued
            else ("买过", _bought(spent)["share"], f"对照组 {_bought(spent)['held']}", True),
            ("增量收入", said["lift"], said["lift_range"], said["sure"]),
        ],
    }


def _of_uses(used: reports.Redemption) -> list[tuple[str, str]]:
    if not used.uses:
        return []
    return [
        ("用了", f"{words.count(used.uses)} 次"),
        ("平均一次实付", f"¥{words.yuan(used.revenue_fen // used.uses)}"),
        ("平均一次抵", f"¥{words.yuan(used.cost_fen // used.uses)}"),
    ]


def _used(used: reports.Redemption) -> str:
    """12 张核销; of coupons of several uses 12 张用过，共 31 次."""
    coupons = words.count(used.redeemed)
    if used.uses == used.redeemed:
        return f"{coupons} 张核销"
    return f"{coupons} 张用过，共 {words.count(used.uses)} 次"


def fewest() -> str:
    return f"每组要有 {FEWEST_PEOPLE} 人、其中 {FEWEST_BUYERS} 人买过，才能下结论。"


def to_csv(session: Session, campaign: Campaign, now: datetime) -> str | None:
    """The report's figures as a table that a spreadsheet opens; None before there are any."""
    spent = reports.spending(session, campaign, now)
    if spent is None:
        return None
    sent, used = queries.progress(session, campaign), reports.redemption(session, campaign.id)
    out = io.StringIO()
    write = csv.writer(out).writerow
    write(["活动", _cell(campaign.name)])
    write(["启动", f"{local(spent.since):%Y-%m-%d %H:%M}"])
    write(["算到", f"{local(spent.until):%Y-%m-%d %H:%M}"])
    for name, number in (
        ("名单", sent.audience),
        ("应发", sent.reach),
        ("对照组", sent.held_out),
        ("发券", used.issued),
        ("送达", sent.count(RecipientState.sent)),
        ("核销", used.redeemed),
        ("用券次数", used.uses),
    ):
        write([name, number])
    write([])
    write(["元/人", "多带来", "95% 区间从", "到", "能下结论"])
    for name, lift in (("收入", spent.lift), ("利润", spent.profit)):
        if lift is not None:
            amounts = (lift.point, lift.low, lift.high)
            write([name, *(f"{fen / 100:.2f}" for fen in amounts), "是" if lift.sure else "否"])
    write([])
    write(["日期", "活动组（元）", "对照组（元）"])
    parts = [spent.measured.part(name).daily for name in (measuring.REACH, measuring.HOLDOUT)]
    for index, begin in enumerate(spent.measured.edges[:-1]):
        fens = (daily[index] if index < len(daily) else 0 for daily in parts)
        write([f"{local(begin):%Y-%m-%d}", *(f"{fen / 100:.2f}" for fen in fens)])
    return out.getvalue()


def _cell(text: str) -> str:
    """A name that a spreadsheet must not take for a formula."""
    return f"'{text}" if text[:1] in "=+-@\t\r" else text


def _verdict(spent: reports.Spending, days: int, given: str) -> dict[str, Any]:
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
        verdict = f"多带来约 ¥{round(total / 100):,} 收入"
        why = facts + _kept(spent, given)
    else:
        verdict, why = f"少了约 ¥{abs(round(total / 100)):,} 收入", facts
    return {
        "verdict": verdict,
        "why": why,
        "sure": lift.sure,
        "lift": lift_view.rough(total) if lift.enough else "—",
        "lift_range": _range(lift, spent.reached.people),
    }


def _kept(spent: reports.Spending, given: str) -> str:
    """What is left of it, in the verdict's second breath."""
    costs = f"{given}和原料" if given else "原料"
    if spent.profit is None:
        return f"没有扣掉{costs}的成本。"
    people = spent.reached.people
    if not spent.profit.sure:
        return f"扣掉{costs}，还看不出赚没赚。"
    earned = "多赚" if spent.profit.point > 0 else "反而少赚"
    return f"扣掉{costs}，{earned}约 ¥{abs(round(spent.profit.point * people / 100)):,}。"


def _profit(spent: reports.Spending) -> dict[str, Any] | None:
    """None: the merchant has said neither what it keeps of a sale nor what the goods cost."""
    if spent.profit is None:
        return None
    people = spent.reached.people
    cost = f"，一条消息 ¥{spent.message_fen / 100:.3f}" if spent.message_fen else ""
    return {
        "total": lift_view.rough(spent.profit.point * people) if spent.profit.enough else "—",
        "range": _range(spent.profit, people),
        "sure": spent.profit.sure,
        "assumed": lift_view.counted_by(spent.margin_bp, spent.known) + cost,
    }


def _range(lift: Lift, people: int) -> str:
    low, high = (lift_view.rough(edge * people) for edge in (lift.low, lift.high))
    return f"{low} – {high}" if lift.enough else "人数不足"


def _forest(spent: reports.Spending) -> dict[str, Any] | None:
    if not spent.lift.enough:
        return None
    rows = [("收入", "", spent.lift)]
    if spent.profit is not None:
        rows.append(("利润", "", spent.profit))
    return lift_view.forest(rows)


def _trials(spent: reports.Spending) -> dict[str, Any] | None:
    """A, B, C against the hold-out on one axis, and in a sentence which of them is better."""
    found = reports.trials(spent.measured)
    if not found:
        return None
    rows = [(f"{LETTERS[each.no]} 组", "", each.against_held) for each in found]
    said = []
    for each in found[1:]:
        lift = each.against_first
        first, here = LETTERS[found[0].no], LETTERS[each.no]
        if lift is None or not lift.enough:
            said.append(f"{here} 和 {first}：人数不足。")
        elif not lift.sure:
            said.append(f"{here} 和 {first}：还看不出谁更好。")
        else:
            more = "多花" if lift.point > 0 else "少花"
            fen = words.yuan(abs(round(lift.point)))
            said.append(f"{here} 比 {first} 每人{more} ¥{fen}。")
    people = "，".join(f"{LETTERS[each.no]} 组 {words.count(each.people)} 人" for each in found)
    return {"forest": lift_view.forest(rows), "said": "".join(said), "people": people}


def _chart(spent: reports.Spending) -> dict[str, Any]:
    """Spending per person of both groups, added up day by day."""
    edges = spent.measured.edges
    if len(edges) < 3 or not spent.reached.people or not spent.held.people:
        return {"chart": None}
    parts = spent.measured.part
    reached, held = (
        [round(fen / part.people / 100, 2) for fen in measuring.running(part.daily)]
        for part in (parts(measuring.REACH), parts(measuring.HOLDOUT))
    )
    days = [f"{local(edge):%m-%d}" for edge in edges[:-1]]
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
