"""Who a member is: tags, tier, points, birthday, where they came from and where they are."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    String,
    and_,
    extract,
    func,
    not_,
    or_,
    select,
    type_coerce,
)
from sqlalchemy.orm import InstrumentedAttribute

from core.clock import business_day
from core.money import format_yuan
from crm.models import Member, MemberPlace, MemberTag
from crm.segments.fields.asking import compared, one_of, within
from crm.segments.fields.kinds import Condition, Field, Names, Op, Param, at_cost, days_param
from merchants.distance import METRES_PER_DEGREE
from merchants.models import Store

SCENES = (
    ("store", "门店码"),
    ("table", "桌码"),
    ("poster", "海报码"),
    ("staff", "员工码"),
    ("none", "自己找来的"),
)


def _tagged(condition: Condition, _now: datetime) -> ColumnElement[bool]:
    tagged = one_of(MemberTag.member_id, MemberTag.tag_id == condition.value, least=None)
    return tagged if condition.op == "has" else not_(tagged)


def _has_tag(condition: Condition, _now: datetime) -> ColumnElement[Any]:
    return one_of(MemberTag.member_id, MemberTag.tag_id == condition.value, least=None)


def _say_tag(condition: Condition, has: Any, names: Names, _now: datetime) -> str:
    name = names.get(("tag", condition.value), "已删除的标签")
    return f"有标签「{name}」" if has else f"没有标签「{name}」"


def _from_store(condition: Condition, _now: datetime) -> ColumnElement[bool]:
    store = Member.source_store_id
    here = and_(store.is_not(None), store == condition.value)
    return here if condition.op == "is" else not_(here)


def _say_store(_condition: Condition, store: Any, names: Names, _now: datetime) -> str:
    if store is None:
        return "没有来源门店"
    return f"来自「{names.get(('store', int(store)), '已关的门店')}」"


def _from_scene(condition: Condition, _now: datetime) -> ColumnElement[bool]:
    scene = type_coerce(Member.source_scene, String)
    there = scene == "" if condition.value == "none" else scene.like(f"{condition.value}%")
    return there if condition.op == "is" else not_(there)


def _say_scene(_condition: Condition, scene: Any, _names: Names, _now: datetime) -> str:
    for kind, words in SCENES:
        if scene and scene.startswith(kind):
            return f"扫{words}来的"
    return "从别的码来的" if scene else "自己找来的"


def _in_tier(condition: Condition, _now: datetime) -> ColumnElement[bool]:
    mine = compared(Member.tier, "=", condition.value)
    return mine if condition.op == "is" else not_(mine)


def _say_tier(_condition: Condition, tier: Any, names: Names, _now: datetime) -> str:
    return f"等级是{names.get(('tier', tier), '已删的等级')}"


def _number(
    name: str, label: str, about: str, column: InstrumentedAttribute[int], value: Param
) -> Field:
    def holds(condition: Condition, _now: datetime) -> ColumnElement[bool]:
        return compared(column, condition.op, condition.value)

    def reason(_condition: Condition, number: Any, _names: Names, _now: datetime) -> str:
        shown = f"¥{format_yuan(int(number))}" if value.kind == "fen" else f"{int(number):,}"
        return f"{label} {shown}"

    return Field(
        name,
        label,
        "会员",
        about,
        (Op(">=", "至少", (value,)), Op("<=", "最多", (value,))),
        holds,
        lambda _condition, _now: column.expression,
        reason,
    )


_MONTH = extract("month", Member.birthday)
_DAY_OF_YEAR = _MONTH * 100 + extract("day", Member.birthday)


def _birthday(condition: Condition, now: datetime) -> ColumnElement[bool]:
    known = Member.birthday.is_not(None)
    if condition.op == "unknown":
        return not_(known)
    if condition.op == "month":
        return and_(known, compared(_MONTH, "=", condition.value or business_day(now).month))
    first = business_day(now)
    last = first + timedelta(days=condition.days or 0)
    start, end = (day.month * 100 + day.day for day in (first, last))
    between = (compared(_DAY_OF_YEAR, ">=", start), compared(_DAY_OF_YEAR, "<=", end))
    return and_(known, and_(*between) if start <= end else or_(*between))


def _say_birthday(_condition: Condition, day: Any, _names: Names, _now: datetime) -> str:
    return f"{day.month} 月 {day.day} 日生日" if day else "没填生日"


def _squared_metres(store_id: int) -> ColumnElement[Any]:
    """The store's distance to a place; within a few hundred kilometres the ground is flat enough.

    The cosine is a polynomial, for databases that have none: good to a ten-thousandth in China.
    """
    lat, lng = (
        select(column).where(Store.id == store_id).scalar_subquery()
        for column in (Store.lat, Store.lng)
    )
    angle = lat * 0.017453292519943295
    square = angle * angle
    cosine = 1 - square / 2 + square * square / 24 - square * square * square / 720
    north = (MemberPlace.lat - lat) * METRES_PER_DEGREE
    east = (MemberPlace.lng - lng) * METRES_PER_DEGREE * cosine
    return north * north + east * east


def _near(condition: Condition, now: datetime) -> ColumnElement[bool]:
    close = _squared_metres(condition.value) <= condition.args["metres"] ** 2
    since = within(MemberPlace.seen_at, condition.days, now)
    return one_of(MemberPlace.member_id, close, *since, least=None)


def _near_is(condition: Condition, _now: datetime) -> ColumnElement[Any]:
    place = select(_squared_metres(condition.value)).where(MemberPlace.member_id == Member.id)
    return func.round(place.correlate(Member).scalar_subquery())


def _say_near(condition: Condition, squared: Any, names: Names, _now: datetime) -> str:
    if squared is None:
        return "不知道在哪儿"
    store = names.get(("store", condition.value), "已关的门店")
    return f"最近在离「{store}」约 {max(1, round(float(squared) ** 0.5 / 1000))} 公里处"


def _is_or_not(param: Param) -> tuple[Op, ...]:
    return (Op("is", "是", (param,)), Op("is_not", "不是", (param,)))


_tag = Param("value", "标签", "ref", ref="tag")
_store = Param("value", "门店", "ref", ref="store")
_months = (("0", "这个月"), *((str(n), f"{n} 月") for n in range(1, 13)))
FIELDS = (
    Field(
        "tag",
        "标签",
        "会员",
        "店员打的、人群自动打的标签",
        (Op("has", "有", (_tag,)), Op("has_not", "没有", (_tag,))),
        _tagged,
        _has_tag,
        _say_tag,
        at_cost(1),
    ),
    Field(
        "tier",
        "会员等级",
        "会员",
        "现在的等级",
        _is_or_not(Param("value", "等级", "ref", ref="tier")),
        _in_tier,
        lambda _condition, _now: Member.tier.expression,
        _say_tier,
    ),
    _number(
        "points",
        "积分",
        "现在能用的积分，待入账的不算",
        Member.points,
        Param("value", "积分", after="分", start=100),
    ),
    _number(
        "balance",
        "储值余额",
        "储值里还能用的钱，本金和赠送都算",
        Member.balance_fen,
        Param("value", "金额（分）", "fen", after="元", start="50"),
    ),
    Field(
        "birthday",
        "生日",
        "会员",
        "会员自己填的；没填的不知道",
        (
            Op(
                "within",
                "在未来",
                (Param("days", "天数", after="天内", lowest=0, highest=180, start=7),),
            ),
            Op(
                "month",
                "在",
                (
                    Param(
                        "value",
                        "月份",
                        "choice",
                        choices=tuple((int(n), words) for n, words in _months),
                        start=0,
                    ),
                ),
            ),
            Op("unknown", "没填"),
        ),
        _birthday,
        lambda _condition, _now: Member.birthday.expression,
        _say_birthday,
    ),
    Field(
        "source_store",
        "来源门店",
        "来源和位置",
        "第一次带来这位会员的门店",
        _is_or_not(_store),
        _from_store,
        lambda _condition, _now: Member.source_store_id.expression,
        _say_store,
    ),
    Field(
        "source",
        "来源",
        "来源和位置",
        "第一次是扫什么码来的",
        _is_or_not(Param("value", "来源", "choice", choices=SCENES, start="store")),
        _from_scene,
        lambda _condition, _now: type_coerce(Member.source_scene, String),
        _say_scene,
    ),
    Field(
        "near",
        "离门店的距离",
        "来源和位置",
        "小程序最后一次得到的位置，只记到一公里左右；没给过位置的不在里面",
        (
            Op(
                "within",
                "在",
                (
                    _store,
                    Param(
                        "metres",
                        "距离（米）",
                        after="米以内",
                        lowest=500,
                        highest=100_000,
                        start=3_000,
                    ),
                    days_param(),
                ),
            ),
        ),
        _near,
        _near_is,
        _say_near,
        at_cost(1),
    ),
)
