"""When and where a member came: the last visit, orders, joining, stores, hours and days."""

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, func, not_, select, true
from sqlalchemy.orm import InstrumentedAttribute

from core.clock import business_day
from crm.models import Member, MemberVisit
from crm.segments.fields.asking import ago, has_any, number_of, of_member, one_of, within
from crm.segments.fields.kinds import (
    MAX_DAYS,
    Condition,
    Field,
    Names,
    Op,
    Param,
    at_cost,
    days_param,
    span,
)
from merchants.models import Store

HOURS: dict[str, tuple[str, int, int]] = {
    "morning": ("早上（6–11 点）", 6, 11),
    "noon": ("中午（11–14 点）", 11, 14),
    "afternoon": ("下午（14–17 点）", 14, 17),
    "evening": ("傍晚（17–21 点）", 17, 21),
    "night": ("夜里（21–6 点）", 21, 6),
}
DAYS: dict[str, tuple[str, tuple[int, ...]]] = {
    "workdays": ("周一到周五", (1, 2, 3, 4, 5)),
    "weekend": ("周末", (6, 7)),
    **{str(n): (f"周{name}", (n,)) for n, name in enumerate("一二三四五六日", 1)},
}


def days_since(at: datetime, now: datetime) -> int:
    return (business_day(now) - business_day(at)).days


def _moment(
    name: str,
    label: str,
    about: str,
    column: InstrumentedAttribute[Any],
    said: str,
    never: str = "",
) -> Field:
    """A moment in the member's row: longer ago than so many days, within them, or never."""
    days = Param("days", "天数", after="天前", lowest=1, highest=MAX_DAYS, start=30)
    lately = Param("days", "天数", after="天内", lowest=1, highest=MAX_DAYS, start=30)
    ops = (Op("before", "早于", (days,)), Op("after", "在最近", (lately,)))

    def holds(condition: Condition, now: datetime) -> ColumnElement[bool]:
        if condition.op == "never":
            return column.is_(None)
        edge = ago(now, condition.days)
        return and_(
            column.is_not(None), column < edge if condition.op == "before" else column >= edge
        )

    def reason(_condition: Condition, at: Any, _names: Names, now: datetime) -> str:
        if at is None:
            return never
        return said.format(days=days_since(at, now)) if days_since(at, now) else _today(name)

    return Field(
        name,
        label,
        "到店",
        about,
        (*ops, Op("never", "从未")) if never else ops,
        holds,
        lambda _condition, _now: column.expression,
        reason,
    )


def _today(name: str) -> str:
    return {"last_visit": "今天来过", "last_paid": "今天下过单", "first_paid": "今天第一单"}.get(
        name, "今天加入"
    )


def _visits(condition: Condition, now: datetime) -> ColumnElement[bool]:
    if condition.op == ">=":
        return _came(condition, condition.value, now)
    return not_(_came(condition, condition.value + 1, now))


def _came(condition: Condition, least: int, now: datetime) -> ColumnElement[bool]:
    """A visit needs a last visit: who has none, or none lately, is not looked up."""
    owner = MemberVisit.member_id
    since = within(MemberVisit.at, condition.days, now)
    here: ColumnElement[bool] = Member.last_visit_at.is_not(None)
    if condition.days is not None:
        here = and_(here, Member.last_visit_at >= ago(now, condition.days))
    if least <= 0:
        return true()
    return and_(here, has_any(owner, *since, least=least))


def _visits_are(condition: Condition, now: datetime) -> ColumnElement[Any]:
    return number_of(MemberVisit.member_id, *within(MemberVisit.at, condition.days, now))


def _when(condition: Condition) -> tuple[str, ColumnElement[bool]]:
    if condition.op == "on":
        words, days = DAYS[condition.value]
        return words, MemberVisit.weekday.in_(days)
    words, first, end = HOURS[condition.value]
    hour = MemberVisit.hour
    late = (hour >= first) | (hour < end) if first > end else and_(hour >= first, hour < end)
    return words.partition("（")[0], late


def _at_times(condition: Condition, now: datetime) -> ColumnElement[bool]:
    since = within(MemberVisit.at, condition.days, now)
    least = condition.args.get("count") or 1
    there = has_any(MemberVisit.member_id, _when(condition)[1], *since, least=least)
    return and_(Member.last_visit_at.is_not(None), there)


def _at_times_are(condition: Condition, now: datetime) -> ColumnElement[Any]:
    since = within(MemberVisit.at, condition.days, now)
    return number_of(MemberVisit.member_id, _when(condition)[1], *since)


def _in_store(condition: Condition, now: datetime) -> ColumnElement[bool]:
    since = within(MemberVisit.at, condition.days, now)
    there = one_of(
        MemberVisit.member_id, MemberVisit.store_id == condition.value, *since, least=None
    )
    return there if condition.op == "visited" else not_(there)


def _in_store_is(condition: Condition, now: datetime) -> ColumnElement[Any]:
    since = within(MemberVisit.at, condition.days, now)
    return number_of(MemberVisit.member_id, MemberVisit.store_id == condition.value, *since)


def _say_store(condition: Condition, number: Any, names: Names, _now: datetime) -> str:
    store = names.get(("store", condition.value), "已关的门店")
    return (
        f"{span(condition)}去「{store}」{int(number)} 次"
        if number
        else f"{span(condition)}没去「{store}」"
    )


def _city(condition: Condition) -> ColumnElement[bool]:
    return MemberVisit.store_id.in_(select(Store.id).where(Store.city == condition.value))


def _in_city(condition: Condition, now: datetime) -> ColumnElement[bool]:
    since = within(MemberVisit.at, condition.days, now)
    there = one_of(MemberVisit.member_id, _city(condition), *since, least=None)
    return there if condition.op == "visited" else not_(there)


def _in_city_is(condition: Condition, now: datetime) -> ColumnElement[Any]:
    since = within(MemberVisit.at, condition.days, now)
    last = select(func.max(MemberVisit.at))
    return of_member(last, MemberVisit.member_id, _city(condition), *since)


def _say_city(condition: Condition, at: Any, _names: Names, now: datetime) -> str:
    if at is None:
        return f"没去过{condition.value}的店"
    return f"{days_since(at, now)} 天前去过{condition.value}的店"


def _where(ref: str, label: str) -> tuple[Op, ...]:
    place = Param("value", label, "ref", ref=ref)
    return tuple(
        Op(op, words, (place, days_param()))
        for op, words in (("visited", "去过"), ("not_visited", "没去过"))
    )


_times = Param("value", "次数", after="次", start=2)
_count = Param("count", "次数", before="至少", after="次", lowest=1, highest=1_000, start=2)
FIELDS = (
    _moment(
        "last_visit",
        "最近一次到店",
        "付款、取餐、在店核销都算",
        Member.last_visit_at,
        "{days} 天没来",
        "从未到店",
    ),
    _moment(
        "last_paid",
        "最近一次下单",
        "最后一次付款",
        Member.last_paid_at,
        "{days} 天没下单",
        "没下过单",
    ),
    _moment(
        "first_paid",
        "第一次下单",
        "第一次付款",
        Member.first_paid_at,
        "{days} 天前第一单",
        "没下过单",
    ),
    _moment("joined", "加入会员", "成为会员的那天", Member.joined_at, "{days} 天前加入"),
    Field(
        "visits",
        "到店次数",
        "到店",
        "取餐或在店核销；同一天同一家店算一次",
        tuple(
            Op(op, words, (days_param(leads=True, start=30), _times))
            for op, words in ((">=", "至少"), ("<=", "最多"))
        ),
        _visits,
        _visits_are,
        lambda condition, number, _names, _now: f"{span(condition)}到店 {int(number)} 次",
        at_cost(2),
    ),
    Field(
        "visit_time",
        "到店时段",
        "到店",
        "什么钟点、星期几到店",
        (
            Op(
                "at",
                "在",
                (
                    Param(
                        "value",
                        "钟点",
                        "choice",
                        choices=tuple((key, hours[0]) for key, hours in HOURS.items()),
                        start="afternoon",
                    ),
                    _count,
                    days_param(start=60),
                ),
            ),
            Op(
                "on",
                "在星期",
                (
                    Param(
                        "value",
                        "星期",
                        "choice",
                        choices=tuple((key, days[0]) for key, days in DAYS.items()),
                        start="weekend",
                    ),
                    _count,
                    days_param(start=60),
                ),
            ),
        ),
        _at_times,
        _at_times_are,
        lambda condition, number, _names, _now: (
            f"{span(condition)}{_when(condition)[0]}来过 {int(number)} 次"
        ),
        at_cost(2),
    ),
    Field(
        "store",
        "去过的门店",
        "到店",
        "在这家店取过餐或核销过",
        _where("store", "门店"),
        _in_store,
        _in_store_is,
        _say_store,
        at_cost(1),
        plain=True,
    ),
    Field(
        "city",
        "去过的城市",
        "到店",
        "在这个城市的门店取过餐或核销过",
        _where("city", "城市"),
        _in_city,
        _in_city_is,
        _say_city,
        at_cost(1),
        plain=True,
    ),
)
