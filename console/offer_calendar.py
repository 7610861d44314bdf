"""A month of promotions and coupons: bars on a desk, days on a phone, what meets marked."""

from calendar import monthrange
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from flask import url_for
from sqlalchemy.orm import Session

from catalogue.goods import list_goods
from console import offer_forms, words
from console.access import me
from core.clock import business_day, day_bounds
from coupons import floors, offering, queries, scope
from coupons import words as coupon_words
from coupons.models import CouponTemplate, Promotion, PromotionState, TemplateState
from orders import conflicts
from orders.conflicts import Offer


@dataclass(frozen=True)
class Month:
    first: date
    days: int

    @property
    def last(self) -> date:
        return self.first + timedelta(days=self.days - 1)

    def shifted(self, months: int) -> str:
        number = self.first.year * 12 + self.first.month - 1 + months
        return f"{number // 12:04}-{number % 12 + 1:02}"


def month(session: Session, wanted: str, now: datetime, day: str = "") -> dict[str, Any]:
    """`wanted` as 2026-11; anything else is this month. `day`: which one a phone shows, or today.

    A phone has room for a week; its days may be the neighbours' of the month.
    """
    today = business_day(now)
    of = _month(wanted, today)
    chosen = _day(day, of, today)
    monday = chosen - timedelta(days=chosen.weekday())
    since = day_bounds(min(of.first, monday))[0]
    until = day_bounds(max(of.last, monday + timedelta(days=6)))[1]
    offers = _offers(session, since, until, now)
    told = _told(session, offers, now)
    names = offer_forms.names(session)
    shown = [(offer, _row(offer, of, names, told, now)) for offer in offers]
    rows = [row for _, row in shown if row["bars"]]
    return {
        "title": f"{of.first.year} 年 {of.first.month} 月",
        "before": url_for("console.promotions.calendar", month=of.shifted(-1)),
        "after": url_for("console.promotions.calendar", month=of.shifted(1)),
        "days": [
            {
                "day": day.day,
                "x": _percent(index, of.days),
                "middle": _percent(index * 2 + 1, of.days * 2),
                "rest": day.weekday() >= 5,
                "today": day == today,
            }
            for index, day in _days(of)
        ],
        "width": _percent(1, of.days),
        "rows": rows,
        "meetings": list(dict.fromkeys(text for texts in told.values() for text in texts)),
        "agenda": _agenda(offers, of, now),
        "week": [
            _week_day(monday + timedelta(days=index), chosen, today, offers) for index in range(7)
        ],
        "week_before": _week_href(monday - timedelta(days=7)),
        "week_after": _week_href(monday + timedelta(days=7)),
        "chosen": f"{words.date_of(chosen)} 周{scope.NAMES[chosen.weekday()]}",
        "on": [row for offer, row in shown if _holds(offer, chosen)],
    }


def _week_day(day: date, chosen: date, today: date, offers: list[Offer]) -> dict[str, Any]:
    kinds = {isinstance(each.written, CouponTemplate) for each in offers if _holds(each, day)}
    has = [word for word, kind in (("促销", False), ("券", True)) if kind in kinds]
    return {
        "name": scope.NAMES[day.weekday()],
        "day": day.day,
        "href": _week_href(day),
        "chosen": day == chosen,
        "today": day == today,
        "promotion": False in kinds,
        "coupon": True in kinds,
        "words": f"{words.date_of(day)}，{'和'.join(has) if has else '没有优惠'}",
    }


def _week_href(day: date) -> str:
    return url_for("console.promotions.calendar", month=f"{day:%Y-%m}", day=day.isoformat())


def _day(wanted: str, of: Month, today: date) -> date:
    try:
        day = date.fromisoformat(wanted)
    except ValueError:
        day = today
    return day if of.first <= day <= of.last else of.first


def _month(wanted: str, today: date) -> Month:
    try:
        first = date.fromisoformat(f"{wanted}-01")
    except ValueError:
        first = today.replace(day=1)
    if abs((first - today).days) > 800:
        first = today.replace(day=1)
    return Month(first, monthrange(first.year, first.month)[1])


def _offers(session: Session, since: datetime, until: datetime, now: datetime) -> list[Offer]:
    promotions = offering.list_between(session, me().merchant_id, since, until)
    templates = queries.list_templates(session, me().merchant_id)
    return [conflicts.of_promotion(one) for one in promotions] + [
        Offer(conflicts.of_template(one, now).rule, one, one.created_at, one.valid_until)
        for one in templates
        if one.state is TemplateState.active
        and one.created_at < until
        and (one.valid_until is None or one.valid_until > since)
    ]


def _told(session: Session, offers: list[Offer], now: datetime) -> dict[tuple[str, int], list[str]]:
    """What is severe about each promotion that runs or will, by offer."""
    goods = list_goods(session, me().merchant_id)
    floor_bp = floors.floor_of(session, me().merchant_id)
    live = [one for one in offers if _is_live(one, now)]
    told: dict[tuple[str, int], list[str]] = {}
    for offer in live:
        if not isinstance(offer.written, Promotion):
            continue
        for meeting in conflicts.find(offer, live, goods, floor_bp):
            if meeting.severe:
                for key in (offer.key, *meeting.others):
                    told.setdefault(key, []).append(meeting.text)
    return told


def _is_live(offer: Offer, now: datetime) -> bool:
    draft = getattr(offer.written, "state", None) is PromotionState.draft
    return not draft and (offer.ends_at is None or offer.ends_at > now)


def _row(
    offer: Offer,
    of: Month,
    names: tuple[dict[int, str], dict[int, str]],
    told: dict[tuple[str, int], list[str]],
    now: datetime,
) -> dict[str, Any]:
    written = offer.written
    active = [index for index, day in _days(of) if _holds(offer, day)]
    bars: list[list[int]] = []
    for index in active:
        if bars and bars[-1][1] == index:
            bars[-1][1] = index + 1
        else:
            bars.append([index, index + 1])
    goods = coupon_words.only(coupon_words.goods(written, *names)).removeprefix("仅限：")
    hours = scope.hours_words(written)
    return {
        "name": offer.rule.name,
        "says": " · ".join(part for part in (_says(written), goods, hours) if part),
        "kind": "coupon" if isinstance(written, CouponTemplate) else "promotion",
        "draft": written.state is PromotionState.draft,
        "href": _href(written),
        "clash": offer.key in told,
        "bars": [
            {"x": _percent(start, of.days), "width": _percent(end - start, of.days)}
            for start, end in bars
        ],
        "words": f"{offer.rule.name}：{_says(written)}，{_when(offer, now)}",
    }


def _says(written: Promotion | CouponTemplate) -> str:
    if isinstance(written, CouponTemplate):
        return f"券 {coupon_words.face(written)}"
    return coupon_words.promotion(
        written.kind, written.steps, written.off_bp, written.price_fen, written.nth
    )


def _href(written: Promotion | CouponTemplate) -> str:
    if isinstance(written, CouponTemplate):
        return url_for("console.coupons.index")
    return url_for("console.promotions.edit", promotion_id=written.id)


def _when(offer: Offer, now: datetime) -> str:
    ends = f"{words.on(offer.ends_at, now)} 止" if offer.ends_at else "长期"
    return f"{words.on(offer.starts_at, now)} 起，{ends}"


def _holds(offer: Offer, day: date) -> bool:
    begin, end = day_bounds(day)
    if offer.starts_at >= end or (offer.ends_at is not None and offer.ends_at <= begin):
        return False
    weekdays = offer.written.weekdays
    return weekdays is None or day.weekday() in weekdays


def _agenda(offers: list[Offer], of: Month, now: datetime) -> list[dict[str, Any]]:
    """The days of the month on which something begins or ends, in order."""
    found: dict[date, list[dict[str, str]]] = {}
    for offer in offers:
        for at, verb in ((offer.starts_at, "开始"), (offer.ends_at, "结束")):
            day = business_day(at) if at else None
            if day is None or not of.first <= day <= of.last:
                continue
            if verb == "开始" and isinstance(offer.written, CouponTemplate):
                continue  # it is given out from the day on which it was written
            item = {
                "text": f"「{offer.rule.name}」{verb}",
                "says": _says(offer.written),
                "time": words.clock(at),
                "href": _href(offer.written),
            }
            found.setdefault(day, []).append(item)
    return [
        {
            "day": words.date_of(day),
            "weekday": f"周{scope.NAMES[day.weekday()]}",
            "today": day == business_day(now),
            "items": found[day],
        }
        for day in sorted(found)
    ]


def _days(of: Month) -> list[tuple[int, date]]:
    return [(index, of.first + timedelta(days=index)) for index in range(of.days)]


def _percent(part: int, whole: int) -> float:
    return round(part * 100 / whole, 3)
