"""Events of the timeline, counted in a window."""

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, String, cast, func, not_, true

from crm.events import TITLES
from crm.models import MemberEvent
from crm.segments.fields.asking import number_of, one_of, within
from crm.segments.fields.kinds import Condition, Field, Names, Op, Param, at_cost, days_param, span


def _facts(condition: Condition, now: datetime) -> tuple[ColumnElement[bool], ...]:
    facts = (
        MemberEvent.kind == condition.args["kind"],
        *within(MemberEvent.at, condition.days, now),
    )
    if condition.args.get("product"):
        seen = cast(MemberEvent.data["product_id"].as_string(), String)  # phones send ids as text
        return (*facts, seen == str(condition.args["product"]))
    return facts


def _at_least(condition: Condition, number: int, now: datetime) -> ColumnElement[bool]:
    if number <= 0:
        return true()
    least = func.count() >= number if number > 1 else None
    return one_of(MemberEvent.member_id, *_facts(condition, now), least=least)


def _holds(condition: Condition, now: datetime) -> ColumnElement[bool]:
    if condition.op == ">=":
        return _at_least(condition, condition.value, now)
    return not_(_at_least(condition, condition.value + 1, now))


def _looks_at(condition: Condition, now: datetime) -> ColumnElement[Any]:
    return number_of(MemberEvent.member_id, *_facts(condition, now))


def _reason(condition: Condition, number: Any, names: Names, _now: datetime) -> str:
    product = condition.args.get("product")
    about = f"「{names.get(('product', product), '已下架的商品')}」" if product else ""
    return f"{span(condition)}{TITLES[condition.args['kind']]}{about} {int(number)} 次"


_kind = Param("kind", "行为", "choice", leads=True, choices=tuple(TITLES.items()), start="viewed")
_product = Param("product", "商品", "ref", ref="product", optional=True, empty="任一商品")
_params = (
    _kind,
    Param("value", "次数", after="次", highest=10_000, start=1),
    _product,
    days_param(optional=False, start=30),
)
FIELDS = (
    Field(
        "event",
        "行为",
        "行为",
        "时间线上的事在最近若干天里有几次；浏览、搜索、加购只留 90 天，只有它们记着是哪件商品",
        (Op(">=", "至少", _params), Op("<=", "最多", _params)),
        _holds,
        _looks_at,
        _reason,
        at_cost(1),
    ),
)
