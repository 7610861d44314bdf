"""What a member has spent, how often, and what was given back."""

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, ScalarSelect, and_, case, func, not_, select, true

from core.money import format_yuan
from crm.models import Member, Purchase
from crm.segments.fields.asking import ago, compared, of_member
from crm.segments.fields.kinds import (
    Condition,
    Field,
    Names,
    Op,
    Param,
    at_cost,
    days_param,
    span,
)

NET = Member.spent_fen - Member.refunded_fen


def _spent_since(days: int, now: datetime) -> ScalarSelect[int]:
    given = select(func.sum(Purchase.amount_fen - Purchase.refunded_fen))
    return of_member(given, Purchase.member_id, Purchase.paid_at >= ago(now, days))


def _orders_since(days: int, now: datetime) -> ScalarSelect[int]:
    given = select(func.count()).select_from(Purchase)
    since = Purchase.paid_at >= ago(now, days)
    return of_member(given, Purchase.member_id, since, Purchase.counted.is_(True))


def _at_least(condition: Condition, number: int, now: datetime) -> ColumnElement[bool]:
    """A sum over the last days is asked only of members whose totals allow it: that spares nearly
    everybody the look-up."""
    if number <= 0:
        return true()
    spent = condition.field == "spent"
    ever = (NET if spent else Member.orders_count) >= number
    if condition.days is None:
        return ever
    lately = Member.last_paid_at >= ago(now, condition.days)
    since = _spent_since if spent else _orders_since
    recent = and_(Member.last_paid_at.is_not(None), lately)
    return and_(ever, recent, since(condition.days, now) >= number)


def _total(condition: Condition, now: datetime) -> ColumnElement[bool]:
    if condition.op == ">=":
        return _at_least(condition, condition.value, now)
    return not_(_at_least(condition, condition.value + 1, now))


def _total_is(condition: Condition, now: datetime) -> ColumnElement[Any]:
    if condition.field == "spent":
        return (
            NET if condition.days is None else func.coalesce(_spent_since(condition.days, now), 0)
        )
    if condition.days is None:
        return Member.orders_count.expression
    return _orders_since(condition.days, now)


def _average(condition: Condition, _now: datetime) -> ColumnElement[bool]:
    bar = condition.value * Member.orders_count
    return and_(Member.orders_count > 0, compared(NET, condition.op, bar))


def _average_is(_condition: Condition, _now: datetime) -> ColumnElement[Any]:
    return case((Member.orders_count > 0, NET / Member.orders_count))


def _say_average(_condition: Condition, fen: Any, _names: Names, _now: datetime) -> str:
    return "还没有单" if fen is None else f"平均一单 ¥{format_yuan(int(fen))}"


def _refunded(condition: Condition, _now: datetime) -> ColumnElement[bool]:
    return compared(Member.refunded_fen, condition.op, condition.value)


def _money(lead: bool, start: str) -> tuple[Op, ...]:
    span_ = (days_param(leads=True, start=90),) if lead else ()
    amount = Param("value", "金额（分）", "fen", after="元", start=start)
    return (Op(">=", "至少", (*span_, amount)), Op("<=", "最多", (*span_, amount)))


_times = Param("value", "单数", after="单", start=2)
FIELDS = (
    Field(
        "spent",
        "消费金额",
        "消费",
        "付了多少钱，减去退掉的",
        _money(True, "100"),
        _total,
        _total_is,
        lambda condition, fen, _names, _now: f"{span(condition)}消费 ¥{format_yuan(int(fen))}",
        lambda condition: 2 if condition.days else 0,
    ),
    Field(
        "orders",
        "消费次数",
        "消费",
        "付了几单；整单退掉的不算",
        tuple(
            Op(op, words, (days_param(leads=True), _times))
            for op, words in ((">=", "至少"), ("<=", "最多"))
        ),
        _total,
        _total_is,
        lambda condition, number, _names, _now: f"{span(condition)} {int(number)} 单",
        lambda condition: 2 if condition.days else 0,
    ),
    Field(
        "average",
        "平均一单",
        "消费",
        "消费金额除以单数；一单没有的人不在里面",
        _money(False, "30"),
        _average,
        _average_is,
        _say_average,
        at_cost(0),
    ),
    Field(
        "refunded",
        "退款金额",
        "消费",
        "累计退掉的钱",
        _money(False, "1"),
        _refunded,
        lambda _condition, _now: Member.refunded_fen.expression,
        lambda _condition, fen, _names, _now: (
            f"累计退款 ¥{format_yuan(int(fen))}" if fen else "没退过款"
        ),
        at_cost(0),
    ),
)
