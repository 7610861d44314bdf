"""Events of the timeline, counted in a window."""

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, String, cast, func, not_, select, true

from core.money import format_yuan
from coupons.models import Coupon
from crm.events import TITLES
from crm.models import MemberEvent
from crm.segments.fields.asking import number_of, one_of, within
from crm.segments.fields.kinds import Condition, Field, Names, Op, Param, at_cost, days_param, span

_SPOTS = ("paid", "refunded", "visited", "redeemed", "scanned", "order_abandoned")
_SUMS = {"paid": "paid_fen", "refunded": "refund_fen", "topped_up": "paid_fen"}
_HOW = (("pickup", "自取"), ("dine_in", "堂食"))
_WHERE = (("online", "下单时用的"), ("counter", "在店里用的"))


def _facts(condition: Condition, now: datetime) -> tuple[ColumnElement[bool], ...]:
    """What an event carries stands in its row; phones send ids as text."""
    args, data = condition.args, MemberEvent.data
    facts = [MemberEvent.kind == args["kind"], *within(MemberEvent.at, condition.days, now)]
    if args.get("product"):
        facts.append(cast(data["product_id"].as_string(), String) == str(args["product"]))
    if args.get("store"):
        facts.append(MemberEvent.store_id == args["store"])
    if args.get("amount"):
        facts.append(data[_SUMS[args["kind"]]].as_integer() >= args["amount"])
    if how := args.get("channel") or args.get("way"):
        facts.append(cast(data["channel"].as_string(), String) == how)
    if args.get("template") and args["kind"] == "claimed":
        facts.append(data["template_id"].as_integer() == args["template"])
    elif args.get("template"):
        of_template = select(Coupon.id).where(Coupon.template_id == args["template"])
        facts.append(data["coupon_id"].as_integer().in_(of_template))
    return tuple(facts)


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
    args, about = condition.args, ""
    for ref, gone in (("product", "已下架的商品"), ("template", "已停的券")):
        if args.get(ref):
            about += f"「{names.get((ref, args[ref]), gone)}」"
    more = []
    if args.get("store"):
        more.append(f"在「{names.get(('store', args['store']), '已关的门店')}」")
    if args.get("amount"):
        more.append(f"满 ¥{format_yuan(args['amount'], trim=True)}")
    if how := args.get("channel") or args.get("way"):
        more.append(dict((*_HOW, *_WHERE))[how])
    only = f"（{'，'.join(more)}）" if more else ""
    return f"{span(condition)}{TITLES[args['kind']]}{about} {int(number)} 次{only}"


_kind = Param("kind", "行为", "choice", leads=True, choices=tuple(TITLES.items()), start="viewed")
_params = (
    _kind,
    Param("value", "次数", after="次", highest=10_000, start=1),
    days_param(optional=False, start=30),
    Param(
        "product",
        "商品",
        "ref",
        ref="product",
        optional=True,
        empty="任一商品",
        kinds=("viewed", "carted"),
    ),
    Param(
        "store",
        "门店",
        "ref",
        before="在",
        ref="store",
        optional=True,
        empty="任一门店",
        kinds=_SPOTS,
    ),
    Param(
        "amount",
        "金额（分）",
        "fen",
        before="每次满",
        after="元",
        lowest=1,
        optional=True,
        empty="不限",
        kinds=tuple(_SUMS),
    ),
    Param(
        "channel",
        "怎么拿",
        "choice",
        optional=True,
        empty="自取或堂食",
        choices=_HOW,
        kinds=("paid",),
    ),
    Param(
        "template",
        "券",
        "ref",
        ref="template",
        optional=True,
        empty="任一张券",
        kinds=("claimed", "redeemed"),
    ),
    Param(
        "way",
        "在哪儿用的",
        "choice",
        optional=True,
        empty="下单或在店里",
        choices=_WHERE,
        kinds=("redeemed",),
    ),
)
FIELDS = (
    Field(
        "event",
        "行为",
        "行为",
        "时间线上的事在最近若干天里有几次；"
        "看商品、加购（只留 90 天）能挑商品，消费、到店、核销能挑门店，"
        "消费、退款、储值能挑金额，领券、核销能挑券",
        (Op(">=", "至少", _params), Op("<=", "最多", _params)),
        _holds,
        _looks_at,
        _reason,
        at_cost(1),
    ),
)
