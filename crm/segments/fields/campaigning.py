"""What a member did about campaigns: got the message, used the coupon, ordered, was held out."""

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, exists, func, not_, select

from coupons.models import Coupon, CouponState
from crm.models import Arm, Purchase, Recipient, RecipientState
from crm.segments.fields.asking import has_any, of_member, one_of, within
from crm.segments.fields.kinds import Condition, Field, Names, Op, Param, days_param
from crm.segments.fields.visiting import days_since

_which = Param("value", "活动", "ref", ref="campaign", optional=True, empty="任一个活动")


def _facts(condition: Condition, now: datetime) -> tuple[ColumnElement[bool], ...]:
    which = (Recipient.campaign_id == condition.value,) if condition.value else ()
    if condition.op == "held_out":
        since = within(Recipient.state_at, condition.days, now)
        return (*which, Recipient.arm == Arm.holdout, *since)
    since = within(Recipient.state_at, condition.days, now)
    sent = (*which, Recipient.state == RecipientState.sent, *since)
    if condition.op == "redeemed":
        used = exists().where(
            Coupon.id == Recipient.coupon_id, Coupon.state == CouponState.redeemed
        )
        return (*sent, used.correlate(Recipient))
    if condition.op in ("ordered", "not_ordered"):
        after = and_(
            Purchase.member_id == Recipient.member_id,
            Purchase.paid_at >= Recipient.state_at,
            Purchase.counted.is_(True),
        )
        bought = exists().where(after).correlate(Recipient)
        return (*sent, bought)
    return sent


def _holds(condition: Condition, now: datetime) -> ColumnElement[bool]:
    if condition.op == "not_ordered":  # they got it, and nothing came of it
        got = Condition(condition.path, condition.field, "got", condition.args)
        return and_(_any(got, now), not_(_any(condition, now)))
    found = _any(condition, now)
    return not_(found) if condition.op == "not_got" else found


def _any(condition: Condition, now: datetime) -> ColumnElement[bool]:
    facts = _facts(condition, now)
    if condition.value:
        return one_of(Recipient.member_id, *facts, least=None)
    return has_any(Recipient.member_id, *facts)


def _looks_at(condition: Condition, now: datetime) -> ColumnElement[Any]:
    last = select(func.max(Recipient.state_at))
    return of_member(last, Recipient.member_id, *_facts(condition, now))


def _reason(condition: Condition, at: Any, names: Names, now: datetime) -> str:
    name = names.get(("campaign", condition.value), "已删的活动")
    campaign = f"「{name}」" if condition.value else "活动"
    if at is None:
        return {
            "held_out": f"不在{campaign}的对照组",
            "redeemed": f"没用{campaign}的券",
            "ordered": f"收到{campaign}之后没下单",
            "not_ordered": f"收到{campaign}之后没下单",
        }.get(condition.op, f"没收到过{campaign}")
    when = f"{days_since(at, now)} 天前"
    match condition.op:
        case "held_out":
            return f"{when}在{campaign}的对照组"
        case "redeemed":
            return f"{when}收到{campaign}，用了券"
        case "ordered" | "not_ordered":
            return f"{when}收到{campaign}，之后下过单"
        case _:
            return f"{when}收到{campaign}"


FIELDS = (
    Field(
        "campaign",
        "营销活动",
        "活动",
        "收到消息、用了券、之后下单、在对照组；没点开和没看到分不出来",
        (
            Op("got", "收到过", (_which, days_param())),
            Op("not_got", "没收到过", (_which, days_param())),
            Op("redeemed", "收到并用了券：", (_which, days_param())),
            Op("ordered", "收到之后下过单：", (_which, days_param())),
            Op("not_ordered", "收到之后没下单：", (_which, days_param())),
            Op("held_out", "在对照组：", (_which, days_param())),
        ),
        _holds,
        _looks_at,
        _reason,
        lambda condition: 1 if condition.value else 2,
        plain=True,
    ),
)
