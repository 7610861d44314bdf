"""The rule of a segment: a JSON tree, checked whole.

A group is `{"op": "and" | "or" | "not", "rules": [...]}`; `not` holds one rule. A condition is
`{"field": …, "op": …}` and the values that the operator takes, as the catalogue
(`crm.segments.fields`) describes them:

    {"field": "spent",   "op": ">=",       "value": 20000, "days": 90}      fen; no days: ever
    {"field": "product", "op": "bought",   "value": 7, "count": 2, "days": 30}
    {"field": "coupon",  "op": "expiring", "days": 7}                      any coupon
    {"field": "tag",     "op": "has",      "value": 3}

"before" is longer ago than so many days, "after" is within them. An `and` without rules, at the
root only, is everybody.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from crm.segments.fields import FIELDS, Condition, Param

MAX_DEPTH = 6
MAX_CONDITIONS = 30
MAX_TEXT = 64


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
    name, op_name = rule.get("field"), rule.get("op")
    field = FIELDS.get(name) if isinstance(name, str) else None
    if field is None:
        errors[_at(path, "field")] = "没有这种条件"
        return Condition(path, "joined", "after", {"days": 1})
    op = field.op(op_name) if isinstance(op_name, str) else None
    if op is None:
        errors[_at(path, "op")] = f"比较方式只能是 {'、'.join(op.name for op in field.ops)}"
        op = field.ops[0]
    args: dict[str, Any] = {}
    for param in op.params:
        if param.applies(args):
            args[param.name] = _value(rule, param, path, errors)
    _unknown(rule, {"field", "op", *args}, path, errors)
    given = {key: value for key, value in args.items() if value is not None}
    return Condition(path, field.name, op.name, given)


def _value(rule: dict[str, Any], param: Param, path: str, errors: dict[str, str]) -> Any:
    """The checked value, or None for one that may be left out and was."""
    given = rule.get(param.name)
    if given is None or given == "":
        if not param.optional:
            errors[_at(path, param.name)] = f"请填{param.label}"
        return None
    if param.kind == "choice":
        known = {value: type(value) for value, _ in param.choices}
        if isinstance(given, str | int) and known.get(given) is type(given):
            return given
        errors[_at(path, param.name)] = f"没有这种{param.label}"
    elif param.kind == "ref":
        if isinstance(given, str) and 1 <= len(given) <= MAX_TEXT:
            return given
        if isinstance(given, int) and not isinstance(given, bool) and 1 <= given < 2**63:
            return given
        errors[_at(path, param.name)] = f"没有这个{param.label}"
    elif isinstance(given, bool) or not isinstance(given, int):
        errors[_at(path, param.name)] = f"{param.label}要是整数"
    elif not param.lowest <= given <= param.highest:
        bounds = f"{param.lowest} 到 {param.highest}"
        errors[_at(path, param.name)] = f"{param.label}要在 {bounds} 之间"
    else:
        return given
    return None


def _unknown(rule: dict[str, Any], allowed: set[str], path: str, errors: dict[str, str]) -> None:
    for key in rule.keys() - allowed:
        errors[_at(path, str(key)[:32])] = "这里没有这一项"


def _at(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
