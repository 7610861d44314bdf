"""The rule of a segment: a JSON tree, checked whole.

A group is `{"op": "and" | "or" | "not", "rules": [...]}`; `not` holds one rule. A condition is
one of

    {"field": "spent",        "op": ">=" | "<=", "value": <fen>, "days": <n>?}    no days: ever
    {"field": "orders",       "op": ">=" | "<=", "value": <count>, "days": <n>?}
    {"field": "last_visit",   "op": "before" | "after", "days": <n>}
    {"field": "last_visit",   "op": "never"}
    {"field": "tag",          "op": "has" | "has_not", "value": <tag id>}
    {"field": "source_store", "op": "is" | "is_not", "value": <store id>}
    {"field": "joined",       "op": "before" | "after", "days": <n>}

"before" is longer ago than so many days, "after" is within them. An `and` without rules, at the
root only, is everybody.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

MAX_DEPTH = 5
MAX_CONDITIONS = 30
MAX_DAYS = 3_650
MAX_VALUE = 10**12

FIELDS: dict[str, tuple[str, ...]] = {
    "spent": (">=", "<="),
    "orders": (">=", "<="),
    "last_visit": ("before", "after", "never"),
    "tag": ("has", "has_not"),
    "source_store": ("is", "is_not"),
    "joined": ("before", "after"),
}
VALUE_NAMES = {
    "spent": "金额（分）",
    "orders": "单数",
    "tag": "标签",
    "source_store": "门店",
}


@dataclass(frozen=True)
class Condition:
    path: str
    field: str
    op: str
    value: int = 0
    days: int | None = None


@dataclass(frozen=True)
class Group:
    path: str
    op: str
    rules: tuple["Node", ...]


Node = Condition | Group


def validate(rule: Any) -> dict[str, str]:
    """What is wrong, by path: "0.1.value" is a field of the second rule of the first."""
    return read(rule)[1]


def read(rule: Any) -> tuple[Node, dict[str, str]]:
    """The tree and its faults; with faults the tree is not to be used."""
    errors: dict[str, str] = {}
    node = _node(rule, "", 1, errors)
    if not errors and sum(1 for _ in conditions(node)) > MAX_CONDITIONS:
        errors[""] = f"条件太多，最多 {MAX_CONDITIONS} 个"
    return node, errors


def conditions(node: Node) -> Iterator[Condition]:
    """Every condition of the tree, in the order written."""
    if isinstance(node, Condition):
        yield node
    else:
        for rule in node.rules:
            yield from conditions(rule)


def _node(rule: Any, path: str, depth: int, errors: dict[str, str]) -> Node:
    if not isinstance(rule, dict):
        errors[path] = "条件要是一个对象"
    elif depth > MAX_DEPTH:
        errors[path] = f"嵌套太深，最多 {MAX_DEPTH} 层"
    elif "rules" in rule:
        return _group(rule, path, depth, errors)
    elif "field" in rule:
        return _condition(rule, path, errors)
    else:
        errors[path] = "既不是条件也不是一组条件"
    return Group(path, "and", ())


def _group(rule: dict[str, Any], path: str, depth: int, errors: dict[str, str]) -> Group:
    op, rules = rule.get("op"), rule["rules"]
    _unknown(rule, {"op", "rules"}, path, errors)
    if not isinstance(op, str) or op not in ("and", "or", "not"):
        errors[_at(path, "op")] = "关系只能是 且（and）、或（or）、非（not）"
        op = "and"
    if not isinstance(rules, list):
        errors[_at(path, "rules")] = "这一组要是条件的列表"
        rules = []
    elif not rules and not (op == "and" and depth == 1):
        errors[_at(path, "rules")] = "这一组至少要有一个条件"
    elif op == "not" and len(rules) != 1:
        errors[_at(path, "rules")] = "“非”里只能放一个条件或一组条件"
    elif len(rules) > MAX_CONDITIONS:
        errors[_at(path, "rules")] = f"条件太多，最多 {MAX_CONDITIONS} 个"
        rules = []
    children = tuple(
        _node(child, _at(path, str(index)), depth + 1, errors) for index, child in enumerate(rules)
    )
    return Group(path, op, children)


def _condition(rule: dict[str, Any], path: str, errors: dict[str, str]) -> Condition:
    field, op = rule.get("field"), rule.get("op")
    if not isinstance(field, str) or field not in FIELDS:
        errors[_at(path, "field")] = "没有这种条件"
        return Condition(path, "joined", "after", days=1)
    if not isinstance(op, str) or op not in FIELDS[field]:
        errors[_at(path, "op")] = f"比较方式只能是 {'、'.join(FIELDS[field])}"
        op = FIELDS[field][0]
    allowed = {"field", "op"}
    value, days = 0, None
    if field in VALUE_NAMES:
        allowed.add("value")
        lowest = 1 if field in ("tag", "source_store") else 0
        value = _number(rule, "value", VALUE_NAMES[field], lowest, MAX_VALUE, path, errors)
    if field in ("spent", "orders"):
        allowed.add("days")
        if rule.get("days") is not None:
            days = _number(rule, "days", "天数", 1, MAX_DAYS, path, errors)
    elif field in ("last_visit", "joined") and op != "never":
        allowed.add("days")
        days = _number(rule, "days", "天数", 1, MAX_DAYS, path, errors)
    _unknown(rule, allowed, path, errors)
    return Condition(path, field, op, value, days)


def _number(
    rule: dict[str, Any],
    key: str,
    name: str,
    lowest: int,
    highest: int,
    path: str,
    errors: dict[str, str],
) -> int:
    number = rule.get(key)
    if number is None or number == "":
        errors[_at(path, key)] = f"请填{name}"
    elif isinstance(number, bool) or not isinstance(number, int):
        errors[_at(path, key)] = f"{name}要是整数"
    elif not lowest <= number <= highest:
        errors[_at(path, key)] = f"{name}要在 {lowest} 到 {highest} 之间"
    else:
        return number
    return lowest


def _unknown(rule: dict[str, Any], allowed: set[str], path: str, errors: dict[str, str]) -> None:
    for key in rule.keys() - allowed:
        errors[_at(path, str(key)[:32])] = "这里没有这一项"


def _at(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
