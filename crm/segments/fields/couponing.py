"""What became of a member's coupons."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, func, not_, select
from sqlalchemy.orm import InstrumentedAttribute

from coupons.models import Coupon, CouponState
from crm.segments.fields.asking import has_any, number_of, of_member, one_of, within
from crm.segments.fields.kinds import MAX_DAYS, Condition, Field, Names, Op, Param, days_param, span
from crm.segments.fields.visiting import days_since

_HELD = (CouponState.issued, CouponState.locked)
_OWNER: InstrumentedAttribute[Any] = Coupon.member_id

_which = Param("value", "券", "ref", ref="template", optional=True, empty="任一张券")
_count = Param(
    "count", "张数", before="至少", after="张", lowest=1, highest=1_000, optional=True, empty="1"
)
_ending = Param("days", "天数", before="，", after="天内", lowest=1, highest=MAX_DAYS, start=7)


def _facts(condition: Condition, now: datetime) -> tuple[ColumnElement[bool], ...]:
    """The coupons that the condition is about; a printed code is nobody's until it is claimed."""
    which = (Coupon.template_id == condition.value,) if condition.value else ()
    mine = (*which, Coupon.member_id.is_not(None))
    match condition.op:
        case "redeemed":
            since = within(Coupon.redeemed_at, condition.days, now)
            return (*mine, Coupon.state == CouponState.redeemed, *since)
        case "unused":
            return (*mine, Coupon.state.in_(_HELD), Coupon.expires_at > now)
        case "expiring":
            end = now + timedelta(days=condition.days or 0)
            good = and_(Coupon.expires_at > now, Coupon.expires_at <= end)
            return (*mine, Coupon.state.in_(_HELD), good)
        case "expired":
            over = and_(Coupon.state.in_((*_HELD, CouponState.expired)), Coupon.expires_at <= now)
            return (*mine, over, *within(Coupon.expires_at, condition.days, now))
        case _:
            since = within(Coupon.issued_at, condition.days, now)
            return (*mine, Coupon.state != CouponState.void, *since)


def _holds(condition: Condition, now: datetime) -> ColumnElement[bool]:
    facts, number = _facts(condition, now), condition.args.get("count") or 1
    if condition.value:
        found = one_of(_OWNER, *facts, least=func.count() >= number if number > 1 else None)
    else:
        found = has_any(_OWNER, *facts, least=number)
    return not_(found) if condition.op == "not_received" else found


def _looks_at(condition: Condition, now: datetime) -> ColumnElement[Any]:
    if condition.op == "expiring":
        return of_member(select(func.min(Coupon.expires_at)), _OWNER, *_facts(condition, now))
    return number_of(_OWNER, *_facts(condition, now))


def _reason(condition: Condition, fact: Any, names: Names, now: datetime) -> str:
    coupon = (
        f"「{names.get(('template', condition.value), '已停的券')}」" if condition.value else "券"
    )
    match condition.op:
        case "expiring":
            if fact is None:
                return f"没有快到期的{coupon}"
            left = days_since(now, fact)
            return f"{coupon}{left} 天后到期" if left else f"{coupon}今天到期"
        case "unused":
            return f"手里有 {fact} 张{coupon}" if fact else f"手里没有{coupon}"
        case "redeemed":
            said = "用过"
        case "expired":
            said = "放到过期"
        case _:
            said = "收到过"
    return (
        f"{span(condition)}{said} {fact} 张{coupon}"
        if fact
        else f"{span(condition)}没{said}{coupon}"
    )


FIELDS = (
    Field(
        "coupon",
        "优惠券",
        "优惠券",
        "收到、用过、还没用、快到期、放到过期；作废的不算收到",
        (
            Op("received", "收到过", (_which, _count, days_param())),
            Op("not_received", "没收到过", (_which, days_param())),
            Op("redeemed", "用过", (_which, _count, days_param())),
            Op("unused", "有没用的", (_which,)),
            Op("expiring", "有快到期的", (_which, _ending)),
            Op("expired", "放到过期", (_which, days_param())),
        ),
        _holds,
        _looks_at,
        _reason,
        lambda condition: 1 if condition.value else 2,
        plain=True,
    ),
)
