"""今日: what came in, what waits, and whether offers paid off."""

from datetime import date, datetime, timedelta
from typing import Any

from flask import Blueprint, Response, request, url_for
from sqlalchemy.orm import Session

from analytics import booked
from analytics import campaigns as reports
from analytics import day as figures
from analytics.lift import FEWEST_BUYERS, FEWEST_PEOPLE
from console import cookies, first_steps, lift_view, reply, words
from console.access import me, staff
from core.clock import business_day, day_bounds, local
from core.clock import now as clock_now
from core.database import reading
from orders.models import Order
from payments import asking
from payments.models.statements import DiscrepancyState
from payments.recon import queries as recon
from payments.refunding import listing
from payments.sharing import receivers, returning, running
from payments.shipping import queries, watching
from payments.shipping.models import ShippingState

page = Blueprint("home", __name__)

YEAR = timedelta(days=365)
BACK = timedelta(days=13)


@page.get("/home")
@staff("reports.view")
def show() -> Response:
    now = clock_now()
    day = _chosen(request.args.get("day", ""), business_day(now))
    with reading() as session:
        context: dict[str, Any] = {
            "day": _day(session, day, now),
            "week": _week(session, day, now),
            "todo": _todo(session, now),
            "cost": _cost(session, now),
            "lifts": _lifts(session, now),
            "fewest": {"people": FEWEST_PEOPLE, "buyers": FEWEST_BUYERS},
            "steps": first_steps.of(session, me()),
        }
    return reply.page("home/show.html", **context)


@page.post("/store")
@staff()
def choose_store() -> Response:
    """Which of my stores this screen is about; kept in the browser, checked on every request."""
    wanted = request.form.get("store", "")
    response = reply.done(reply.local(request.form.get("next"), url_for("console.login.start")))
    if wanted in {str(store.id) for store in me().stores}:
        cookies.write(response, cookies.STORE, wanted, YEAR)
    else:
        cookies.drop(response, cookies.STORE)
    return response


def _chosen(wanted: str, today: date) -> date:
    """The day asked for: today, or one of the two weeks before."""
    try:
        day = date.fromisoformat(wanted)
    except ValueError:
        return today
    return day if today - BACK <= day <= today else today


def _day(session: Session, day: date, now: datetime) -> dict[str, Any]:
    """A day's figures beside the same weekday a week before; today only up to this moment."""
    since, ends = day_bounds(day)
    is_today = since <= now < ends
    until = min(now, ends)
    stores, last = me().store_ids, until - timedelta(microseconds=1)
    found = figures.takings(session, stores, since, until)
    then = figures.takings(session, stores, since - figures.WEEK, until - figures.WEEK)
    ledger = booked.of(session, me().merchant_id, stores, day, found)
    joined, scanned = figures.new_members(session, me().merchant_id, since, until)
    weekday = f"上周{words.WEEKDAYS[day.weekday()]}"
    name = "今日" if is_today else words.date_of(day)
    before = f"{weekday}同一时刻" if is_today else weekday
    waiting, _ = figures.waiting(session, stores)
    return {
        "is_today": is_today,
        "iso": day.isoformat(),
        "title": name,
        "words": words.day(now, now) if is_today else f"星期{words.WEEKDAYS[day.weekday()]} · 全天",
        "until": f"截至 {words.clock(now)}" if is_today else "全天",
        "this": "今天" if is_today else "当天",
        "before": weekday,
        "than": before,
        "takings": words.yuan(found.fen),
        "takings_trend": words.trend(found.fen, then.fen),
        "takings_before": words.yuan(then.fen),
        "orders": words.count(found.orders),
        "orders_before": words.count(then.orders),
        "orders_trend": words.trend(found.orders, then.orders),
        "average": words.yuan(found.average_fen),
        "average_before": words.yuan(then.average_fen),
        "average_trend": words.trend(found.average_fen, then.average_fen),
        "waiting": waiting if is_today else 0,
        "new_members": words.count(joined),
        "scanned_members": words.count(scanned),
        "refunded": words.yuan(ledger.back_fen),
        "refunds": ledger.backs,
        "bridge": _bridge(ledger),
        "settled": url_for("console.settlement.show", day=day.isoformat())
        if me().may("money.settle")
        else "",
        **_hours(session, stores, last, weekday, is_today),
    }


def _bridge(ledger: booked.Booked) -> dict[str, Any]:
    """How 实收 leads to what 结算 says was earned on this day; nothing where both are the same."""
    if not ledger.differs:
        return {}
    between = (
        ("定金、AA 已收 {}，付齐才算", ledger.early_fen),
        ("以前收的定金、AA {}，这天付齐", -ledger.before_fen),
        ("没算在实收里的单，退款 {}", -ledger.elsewhere_fen),
        ("这天的单，别的日子退款 {}", ledger.since_fen),
        ("手续费、佣金和分账 {}", -ledger.costs_fen),
    )
    steps = [
        told.format(f"{'＋' if fen > 0 else '−'}¥{words.yuan(abs(fen))}")
        for told, fen in between
        if fen
    ]
    return {
        "steps": [f"实收 ¥{words.yuan(ledger.takings_fen)}", *steps],
        "earned": words.yuan(ledger.earned_fen),
    }


def _week(session: Session, day: date, now: datetime) -> list[dict[str, Any]]:
    """The last seven days, each the way to its own figures; never empty just after midnight."""
    today = business_day(now)
    last = day if today - day >= timedelta(days=7) else today
    found = figures.days(session, me().store_ids, last, 7)
    most = max(fen for _, fen, _ in found)
    return [
        {
            "href": url_for("console.home.show", day=None if one == today else one.isoformat()),
            "name": words.near_day(one, today),
            "weekday": f"周{words.WEEKDAYS[one.weekday()]}",
            "fen": words.round_yuan(fen),
            "orders": words.count(orders),
            "height": round(fen * 100 / most) if most else 0,
            "on": one == day,
        }
        for one, fen, orders in found
    ]


def _hours(
    session: Session, stores: list[int], at: datetime, weekday: str, is_today: bool
) -> dict[str, Any]:
    """The hours of a day beside those of a week ago, without empty ones at night."""
    name = "今天" if is_today else "当天"
    day, then = (
        figures.hours(session, stores, at),
        figures.hours(session, stores, at - figures.WEEK),
    )
    reached = local(at).hour
    busy = [hour for hour in range(24) if day[hour] or then[hour]]
    hours = range(min([*busy, 8]), max([*busy, 20]) + 1)
    best = max(hours, key=lambda hour: day[hour])
    said = f"{best} 点最高 ¥{words.yuan(day[best])}" if day[best] else f"{name}还没有收入"
    return {
        "hours_chart": {
            "kind": "bars",
            "x": [f"{hour} 点" for hour in hours],
            "series": [
                {"name": name, "data": [day[hour] / 100 for hour in hours if hour <= reached]},
                {"name": weekday, "data": [then[hour] / 100 for hour in hours], "control": True},
            ],
        },
        "hours_words": f"分时实收：{said}",
        "hours_rows": [
            (f"{hour} 点", words.yuan(day[hour]), words.yuan(then[hour])) for hour in hours
        ],
    }


def _todo(session: Session, now: datetime) -> list[dict[str, str]]:
    number, oldest = figures.waiting(session, me().store_ids)
    rows = []
    if number and oldest:
        rows.append(
            {
                "kind": "apricot",
                "text": f"{number} 单待接",
                "detail": "刚刚付款"
                if words.ago(oldest, now) == words.JUST_NOW
                else f"最早一单已等 {words.ago(oldest, now)}",
                "href": url_for("console.orders.index", tab="placed"),
            }
        )
    refunds = me().may("orders.refund")
    stuck = listing.count_stuck(session, me().merchant_id, me().store_ids, now) if refunds else 0
    if stuck:
        rows.append(
            {
                "kind": "bad",
                "text": f"{stuck} 笔退款要处理",
                "detail": "没退成，或者一天还没有结果",
                "href": url_for("console.refunds.index", state="stuck"),
            }
        )
    if refunds:
        rows.extend(
            {
                "kind": "warn",
                "text": asking.question(session, each),
                "detail": "等你同意退款",
                "href": url_for("console.orders.show", no=session.get_one(Order, each.order_id).no),
            }
            for each in asking.list_open(session, me().store_ids, limit=3)
        )
    rows.extend(_differing(session))
    rows.extend(_held_back(session, now))
    several = len(me().store_ids) > 1
    rows.extend(
        {
            "kind": "warn",
            "text": f"{me().name_of(store_id)} {gone} 种商品售罄"
            if several
            else f"{gone} 种商品售罄",
            "detail": "有货了就补货，或恢复在卖",
            "href": url_for("console.goods.index", store=store_id),
        }
        for store_id, gone in figures.sold_out(session, me().store_ids)
    )
    rows.extend(
        {
            "kind": "brand",
            "text": f"活动「{campaign.name}」在发",
            "detail": f"名单 {words.count(campaign.audience_count)} 人",
            "href": url_for("console.campaigns.show", campaign_id=campaign.id),
        }
        for campaign in reports.running(session, me().merchant_id)
    )
    return rows


def _differing(session: Session) -> list[dict[str, str]]:
    """What the channels' bills and our books say differently, and nobody has decided yet."""
    if not me().may("money.reconcile"):
        return []
    number = recon.count(session, me().merchant_id, [DiscrepancyState.open])
    if not number:
        return []
    return [
        {
            "kind": "bad",
            "text": f"对账有 {number} 条要处理",
            "detail": "账单和这里记的不一样，写着多半是为什么",
            "href": url_for("console.recon.index"),
        }
    ]


def _held_back(session: Session, now: datetime) -> list[dict[str, str]]:
    """What WeChat keeps of our money until somebody does something."""
    rows = []
    if me().may("shipping.manage"):
        failed = {ShippingState.failed}
        refused = queries.counts(session, me().merchant_id, me().store_ids, failed)
        if refused:
            rows.append(
                {
                    "kind": "bad",
                    "text": f"{refused[ShippingState.failed]} 单发货信息没录上",
                    "detail": "微信不收，等着也不会好，看原因改了再录",
                    "href": url_for("console.shippings.index", tab="failed"),
                }
            )
        before = now - watching.WARN_AFTER
        number, oldest = queries.overdue(session, me().merchant_id, me().store_ids, before=before)
        late = oldest is not None and oldest < now - watching.LATE_AFTER
        if number:
            rows.append(
                {
                    "kind": "bad" if late else "warn",
                    "text": f"{number} 单还没录发货信息",
                    "detail": "有的满 48 小时了，微信冻着这些钱，还可能限制收款"
                    if late
                    else "满 36 小时了，到 48 小时微信算延迟发货",
                    "href": url_for("console.shippings.index"),
                }
            )
    return rows + (_shares(session) if me().may("money.settle") else [])


def _shares(session: Session) -> list[dict[str, str]]:
    """Who got nothing, gave nothing back, or was not taken as a receiver."""
    mine = me().merchant_id
    kept = len(returning.list_failed(session, mine))
    told = (
        (running.count_stuck(session, mine), "笔钱没有分成", "微信还冻着，看原因，改好再分一次"),
        (kept, "笔分账没收回来", "退款里接收方那份先由你出了，再收一次"),
        (
            len(returning.list_short(session, mine)),
            "份分账收回了，退款却没退成",
            "再退一次，或补给对方",
        ),
        (receivers.count_refused(session, mine), "个分账接收方微信没有接受", "改好再加一次"),
        (
            receivers.count_kept(session, mine),
            "个分账接收方微信没有取消",
            "已经不分给它，再取消一次",
        ),
    )
    href = url_for("console.sharing.index")
    return [
        {"kind": "warn", "text": f"{number} {what}", "detail": detail, "href": href}
        for number, what, detail in told
        if number
    ]


def _cost(session: Session, now: datetime) -> dict[str, Any]:
    stores, since = me().store_ids, now - timedelta(days=7)
    rows = figures.offer_costs(session, stores, since, now)
    total = sum(row.fen for row in rows)
    taken = figures.takings(session, stores, since, now).fen
    owed = figures.liability(session, me().merchant_id, now)
    most = max((row.fen for row in rows), default=0)
    return {
        "total": words.yuan(total),
        "share": words.share(total, taken + total),
        "rows": [
            {
                "name": row.name,
                "amount": words.yuan(row.fen),
                "share": words.share(row.fen, total),
                "width": round(row.fen * 100 / most) if most else 0,
            }
            for row in rows[:5]
        ],
        "revenue": words.yuan(figures.coupon_revenue(session, stores, since, now)),
        "open_count": words.count(owed.coupons),
        "open_amount": words.yuan(owed.fen),
    }


def _lifts(session: Session, now: datetime) -> dict[str, Any]:
    launched = reports.latest_launched(session, me().merchant_id)
    known = reports.spendings(session, launched, now)
    return lift_view.forest(
        [
            (
                campaign.name,
                url_for("console.campaigns.report", campaign_id=campaign.id),
                known[campaign.id].lift,
            )
            for campaign in launched
            if campaign.id in known
        ]
    )
