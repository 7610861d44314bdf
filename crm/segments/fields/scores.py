"""RFM: how recently, how often and for how much, in fifths of the merchant's buyers."""

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import InstrumentedAttribute

from crm.models import MemberScore
from crm.segments.fields.asking import compared, of_member, one_of
from crm.segments.fields.kinds import Condition, Field, Names, Op, Param, at_cost


def _score(name: str, label: str, about: str, column: InstrumentedAttribute[int]) -> Field:
    value = Param("value", "分数", after="分", lowest=1, highest=5, start=4)

    def holds(condition: Condition, _now: datetime) -> ColumnElement[bool]:
        fits = compared(column, condition.op, condition.value)
        return one_of(MemberScore.member_id, fits, least=None)

    def reason(_condition: Condition, score: Any, _names: Names, _now: datetime) -> str:
        return "没下过单，没有分数" if score is None else f"{label} {int(score)} 分"

    return Field(
        name,
        label,
        "价值分",
        about,
        (Op(">=", "至少", (value,)), Op("<=", "最多", (value,)), Op("=", "正好", (value,))),
        holds,
        lambda _condition, _now: of_member(select(column), MemberScore.member_id),
        reason,
        at_cost(1),
    )


FIELDS = (
    _score(
        "rfm_recency", "最近度 R", "最后一次付款有多近，5 分是最近的五分之一", MemberScore.recency
    ),
    _score("rfm_frequency", "频次 F", "下过几单，5 分是最多的五分之一", MemberScore.frequency),
    _score("rfm_monetary", "金额 M", "一共花了多少，5 分是最多的五分之一", MemberScore.monetary),
)
