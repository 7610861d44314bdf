"""What a member has bought: products and categories, by number and by money."""

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, func, not_, select
from sqlalchemy.orm import InstrumentedAttribute

from core.money import format_yuan
from crm.models import PurchaseLine
from crm.segments.fields.asking import of_member, one_of, within
from crm.segments.fields.kinds import Condition, Field, Names, Op, Param, at_cost, days_param, span


def _bought(name: str, label: str, about: str, column: InstrumentedAttribute[int]) -> Field:
    what = Param("value", label, "ref", ref=name)
    number = Param("count", "件数", before="至少", after="件", lowest=1, highest=10_000, start=1)
    money = Param("amount", "金额（分）", "fen", before="至少", after="元", lowest=1, start="50")

    def facts(condition: Condition, now: datetime) -> tuple[ColumnElement[bool], ...]:
        since = within(PurchaseLine.paid_at, condition.days, now)
        return (column == condition.value, PurchaseLine.counted.is_(True), *since)

    def holds(condition: Condition, now: datetime) -> ColumnElement[bool]:
        least: ColumnElement[bool] | None = None
        if condition.op == "spent":
            least = func.sum(PurchaseLine.amount_fen) >= condition.args["amount"]
        elif condition.args.get("count", 1) > 1:
            least = func.sum(PurchaseLine.quantity) >= condition.args["count"]
        found = one_of(PurchaseLine.member_id, *facts(condition, now), least=least)
        return not_(found) if condition.op == "not_bought" else found

    def looks_at(condition: Condition, now: datetime) -> ColumnElement[Any]:
        fact = PurchaseLine.amount_fen if condition.op == "spent" else PurchaseLine.quantity
        return of_member(
            select(func.coalesce(func.sum(fact), 0)), PurchaseLine.member_id, *facts(condition, now)
        )

    def reason(condition: Condition, number: Any, names: Names, _now: datetime) -> str:
        thing = names.get(
            (name, condition.value), "已下架的商品" if name == "product" else "已删的分类"
        )
        if not number:
            return f"{span(condition)}没买过「{thing}」"
        if condition.op == "spent":
            return f"{span(condition)}买「{thing}」¥{format_yuan(int(number))}"
        return f"{span(condition)}买过「{thing}」{int(number)} 件"

    return Field(
        name,
        label,
        "买过什么",
        about,
        (
            Op("bought", "买过", (what, number, days_param())),
            Op("not_bought", "没买过", (what, days_param())),
            Op("spent", "买了", (what, money, days_param())),
        ),
        holds,
        looks_at,
        reason,
        at_cost(1),
        plain=True,
    )


FIELDS = (
    _bought("product", "商品", "付过款的商品；整单退掉的不算", PurchaseLine.product_id),
    _bought("category", "商品分类", "付款那天商品所在的分类", PurchaseLine.category_id),
)
