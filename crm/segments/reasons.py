"""Why a member is in a segment, in the words of the shop."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from core.clock import business_day
from core.money import format_yuan
from crm.segments.rules import Condition, Node

Facts = Mapping[str, tuple[bool, Any]]
Names = Mapping[tuple[str, int], str]


def explain(root: Node, facts: Facts, names: Names, now: datetime) -> list[str]:
    """One phrase for each condition that let the member in, with the member's own figures.

    `facts` says of each condition, by path, whether it holds and what it looked at. Under a `not`
    it is the conditions that do not hold that count.
    """
    phrases = [
        _phrase(condition, facts[condition.path][1], names, now)
        for condition, wanted in _with_sign(root, True)
        if facts[condition.path][0] == wanted
    ]
    return list(dict.fromkeys(phrases))


def _with_sign(node: Node, sign: bool) -> Iterator[tuple[Condition, bool]]:
    if isinstance(node, Condition):
        yield node, sign
        return
    for rule in node.rules:
        yield from _with_sign(rule, sign != (node.op == "not"))


def _phrase(condition: Condition, value: Any, names: Names, now: datetime) -> str:
    span = f"近 {condition.days} 天" if condition.days else "累计"
    match condition.field:
        case "spent":
            return f"{span}消费 ¥{format_yuan(int(value))}"
        case "orders":
            return f"{span} {int(value)} 单"
        case "last_visit":
            return _last_visit(value, now)
        case "tag":
            name = names.get(("tag", condition.value), "已删除的标签")
            return f"有标签「{name}」" if value else f"没有标签「{name}」"
        case "source_store":
            if value is None:
                return "没有来源门店"
            return f"来自「{names.get(('store', int(value)), '已关的门店')}」"
        case _:
            return f"{_days_since(value, now)} 天前加入"


def _last_visit(at: datetime | None, now: datetime) -> str:
    if at is None:
        return "从未到店"
    days = _days_since(at, now)
    return f"{days} 天没来" if days else "今天来过"


def _days_since(at: datetime, now: datetime) -> int:
    return (business_day(now) - business_day(at)).days
