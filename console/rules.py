"""The rule builder without client state: the form is the tree.

A field's name is the path of its node (`0-1-0.field`). `read` rebuilds what was typed, `edit` does
what a button asked (`rule 0-1`, `drop 0-0`), `to_rule` makes the segment's rule of it, and `nodes`
draws it again. Pure: no session, no clock.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from console.forms import whole
from core.money import format_yuan, parse_yuan
from crm.segments.rules import FIELDS, MAX_CONDITIONS

NAME = re.compile(r"(0(?:-\d{1,2}){0,4})\.(op|field|cmp|value|days)")
OPS = {"all": "and", "any": "or", "none": "not"}
NEW = {"field": "spent", "cmp": ">=", "value": "100", "days": "90"}
DEFAULTS: dict[str, dict[str, str]] = {
    "spent": {"cmp": ">=", "value": "100", "days": "90"},
    "orders": {"cmp": ">=", "value": "2", "days": ""},
    "last_visit": {"cmp": "before", "value": "", "days": "30"},
    "tag": {"cmp": "has", "value": "", "days": ""},
    "source_store": {"cmp": "is", "value": "", "days": ""},
    "joined": {"cmp": "after", "value": "", "days": "30"},
}
WORDS = {
    "spent": "消费金额",
    "orders": "消费次数",
    "last_visit": "最近一次到店",
    "tag": "标签",
    "source_store": "来源门店",
    "joined": "加入会员",
}
COMPARISONS = {
    ">=": "至少",
    "<=": "最多",
    "before": "早于",
    "after": "在最近",
    "never": "从未",
    "has": "有",
    "has_not": "没有",
    "is": "是",
    "is_not": "不是",
}


@dataclass
class Node:
    """A group with `children`, or a condition with what was typed into it."""

    path: str
    op: str = ""
    typed: dict[str, str] = field(default_factory=dict)
    children: list["Node"] = field(default_factory=list)

    @property
    def is_group(self) -> bool:
        return bool(self.op)

    @property
    def place(self) -> str:
        """The path as the rule's errors and counts name it: `0-1-0` is `1.0`."""
        return ".".join(self.path.split("-")[1:])


def empty() -> Node:
    """Where a new segment starts: came often enough, has not been here for a while."""
    tree = Node("0", op="all")
    tree.children = [Node("", typed=dict(NEW))]
    tree.children.append(Node("", typed={"field": "last_visit", **DEFAULTS["last_visit"]}))
    return _numbered(tree)


def read(form: Mapping[str, str]) -> Node:
    """The tree that was typed, in the order of its paths. Anything else in the form is ignored."""
    found: dict[tuple[int, ...], dict[str, str]] = {}
    for name, value in form.items():
        if match := NAME.fullmatch(name):
            path = tuple(int(part) for part in match[1].split("-"))
            found.setdefault(path, {})[match[2]] = value.strip()
    nodes: dict[tuple[int, ...], Node] = {(0,): Node("0", op="all")}
    for path in sorted(found)[: 3 * MAX_CONDITIONS]:
        typed = found[path]
        if "op" in typed or path == (0,):
            op = typed.get("op", "all")
            nodes[path] = Node("", op=op if op in OPS else "all")
        else:
            nodes[path] = Node("", typed=_settled(typed))
        if len(path) > 1 and path[:-1] in nodes and nodes[path[:-1]].is_group:
            nodes[path[:-1]].children.append(nodes[path])
    return _numbered(nodes[(0,)])


def edit(tree: Node, do: str) -> Node:
    """Do what a button asked of the node at a path; an unknown wish changes nothing."""
    verb, _, path = do.partition(" ")
    target, parent = _find(tree, path), _find(tree, path.rpartition("-")[0])
    if verb == "rule" and target and target.is_group:
        target.children.append(Node("", typed=dict(NEW)))
    elif verb == "group" and target and target.is_group:
        target.children.append(Node("", op="any", children=[Node("", typed=dict(NEW))]))
    elif verb == "drop" and target and parent:
        parent.children.remove(target)
    return _numbered(tree)


def to_rule(node: Node) -> dict[str, Any]:
    """The rule as a segment keeps it. What is not a number stays text, for `crm` to refuse."""
    if node.is_group:
        return {"op": OPS[node.op], "rules": [to_rule(child) for child in node.children]}
    kind, comparison, typed = node.typed["field"], node.typed["cmp"], node.typed
    rule: dict[str, Any] = {"field": kind, "op": comparison}
    if kind == "spent":
        rule["value"] = _fen(typed["value"])
    elif kind in ("orders", "tag", "source_store"):
        rule["value"] = _whole(typed["value"])
    needed = kind in ("last_visit", "joined") and comparison != "never"
    if needed or (kind in ("spent", "orders") and typed["days"]):
        rule["days"] = _whole(typed["days"])
    return rule


def from_rule(rule: dict[str, Any]) -> Node:
    """The tree of a saved rule."""
    return _numbered(_node(rule))


def _node(rule: dict[str, Any]) -> Node:
    if "rules" in rule:
        op = next(name for name, kept in OPS.items() if kept == rule["op"])
        return Node("", op=op, children=[_node(child) for child in rule["rules"]])
    value = rule.get("value", "")
    if rule["field"] == "spent":
        value = format_yuan(value, trim=True).replace(",", "")
    days = rule.get("days") or ""
    typed = {"field": rule["field"], "cmp": rule["op"], "value": str(value), "days": str(days)}
    return Node("", typed=typed)


def _settled(typed: dict[str, str]) -> dict[str, str]:
    """A condition whose kind was just changed takes the new kind's comparison and start values."""
    kind = typed.get("field", "")
    kind = kind if kind in FIELDS else "spent"
    comparison = typed.get("cmp", "")
    if comparison not in FIELDS[kind]:
        return {"field": kind, **DEFAULTS[kind]}
    given = {name: typed.get(name, DEFAULTS[kind][name]) for name in ("value", "days")}
    return {"field": kind, "cmp": comparison, **given}


def _numbered(node: Node, path: str = "0") -> Node:
    node.path = path
    for index, child in enumerate(node.children):
        _numbered(child, f"{path}-{index}")
    return node


def _find(tree: Node, path: str) -> Node | None:
    if tree.path == path:
        return tree
    return next((found for child in tree.children if (found := _find(child, path))), None)


def _fen(text: str) -> int | str:
    try:
        return parse_yuan(text) if text else ""
    except ValueError:
        return text


def _whole(text: str) -> int | str:
    number = whole(text)
    return text if number is None else number
