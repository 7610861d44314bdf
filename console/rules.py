"""The rule builder without client state: the form is the tree.

A field's name is the path of its node (`0-1-0.field`). `read` rebuilds what was typed, `edit` does
what a button asked (`rule 0-1`, `drop 0-0`), `to_rule` makes the segment's rule of it. What may be
typed is the catalogue's, `crm.segments.fields`. Pure: no session, no clock.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from console.forms import whole
from core.money import format_yuan, parse_yuan
from crm.segments.fields import FIELDS, Op, Param
from crm.segments.fields.kinds import NAMED_BY_CODE
from crm.segments.rules import MAX_CONDITIONS

NAME = re.compile(r"(0(?:-\d{1,2}){0,4})\.([a-z]{2,10})")
GROUPS = ("all", "any", "none")
DEEPEST_GROUP = 2
NEW = "spent"


@dataclass
class Node:
    """A group with `children`, or a condition with what was typed into it.

    `place` is the path that the rule's errors and counts name it by; `to_rule` gives it.
    """

    path: str
    op: str = ""
    typed: dict[str, str] = field(default_factory=dict)
    children: list["Node"] = field(default_factory=list)
    place: str = ""

    @property
    def is_group(self) -> bool:
        return bool(self.op)

    @property
    def may_nest(self) -> bool:
        return self.path.count("-") + 1 < DEEPEST_GROUP


def empty() -> Node:
    """Where a new segment starts: came often enough, has not been here for a while."""
    tree = Node("0", op="all")
    tree.children = [condition(NEW), condition("last_visit")]
    return _numbered(tree)


def condition(kind: str, op: Op | None = None, typed: Mapping[str, str] | None = None) -> Node:
    """A condition with its start values where nothing was typed."""
    typed = typed or {}
    op = op or FIELDS[kind].ops[0]
    given = {param.name: typed.get(param.name, str(param.start)) for param in op.params}
    return Node("", typed={"field": kind, "cmp": op.name, **given})


def op_of(node: Node) -> Op:
    op = FIELDS[node.typed["field"]].op(node.typed["cmp"])
    assert op is not None
    return op


def params_of(node: Node) -> list[Param]:
    """The values that the row takes as it stands: some only for some kinds of event."""
    return [param for param in op_of(node).params if param.applies(node.typed)]


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
            nodes[path] = Node("", op=op if op in GROUPS else "all")
        else:
            nodes[path] = _settled(typed)
        if len(path) > 1 and path[:-1] in nodes and nodes[path[:-1]].is_group:
            nodes[path[:-1]].children.append(nodes[path])
    return _numbered(nodes[(0,)])


def edit(tree: Node, do: str) -> Node:
    """Do what a button asked of the node at a path; an unknown wish changes nothing."""
    verb, _, path = do.partition(" ")
    target, parent = _find(tree, path), _find(tree, path.rpartition("-")[0])
    if verb == "rule" and target and target.is_group:
        target.children.append(condition(NEW))
    elif verb == "group" and target and target.is_group and target.may_nest:
        target.children.append(Node("", op="any", children=[condition(NEW)]))
    elif verb == "drop" and target and parent:
        parent.children.remove(target)
    return _numbered(tree)


def conditions(node: Node) -> Iterator[Node]:
    """Every condition of the tree."""
    if not node.is_group:
        yield node
    for child in node.children:
        yield from conditions(child)


def to_rule(node: Node, place: str = "") -> dict[str, Any]:
    """The rule as a segment keeps it. What is not a number stays text, for `crm` to refuse.

    "None of these" is a `not` around an `or`.
    """
    node.place = place
    if not node.is_group:
        return _condition_rule(node)
    inner = f"{place}.0" if node.op == "none" else place
    rules = [
        to_rule(child, f"{inner}.{index}".lstrip(".")) for index, child in enumerate(node.children)
    ]
    if node.op == "none":
        return {"op": "not", "rules": [{"op": "or", "rules": rules}]}
    return {"op": "and" if node.op == "all" else "or", "rules": rules}


def from_rule(rule: dict[str, Any]) -> Node:
    """The tree of a saved rule; the root is a group, so that there is something to add to."""
    tree = _node(rule)
    if not tree.is_group:
        tree = Node("", op="all", children=[tree])
    return _numbered(tree)


def _node(rule: dict[str, Any]) -> Node:
    if "rules" in rule:
        inner = rule["rules"]
        if rule["op"] != "not":
            kind = "all" if rule["op"] == "and" else "any"
            return Node("", op=kind, children=[_node(child) for child in inner])
        if inner[0].get("op") == "or" and "rules" in inner[0]:
            inner = inner[0]["rules"]
        return Node("", op="none", children=[_node(child) for child in inner])
    op = FIELDS[rule["field"]].op(rule["op"])
    assert op is not None
    typed = {param.name: _typed(param, rule.get(param.name)) for param in op.params}
    return Node("", typed={"field": rule["field"], "cmp": op.name, **typed})


def _typed(param: Param, value: Any) -> str:
    if value is None:
        return ""
    if param.kind == "fen":
        return format_yuan(value, trim=True).replace(",", "")
    return str(value)


def _condition_rule(node: Node) -> dict[str, Any]:
    rule: dict[str, Any] = {"field": node.typed["field"], "op": node.typed["cmp"]}
    for param in params_of(node):
        text = node.typed[param.name]
        if text or not param.optional:
            rule[param.name] = _value(param, text)
    return rule


def _value(param: Param, text: str) -> int | str:
    if param.kind == "fen":
        return _fen(text)
    if param.kind == "choice":
        return next((value for value, _ in param.choices if str(value) == text), text)
    if param.ref in NAMED_BY_CODE:
        return text
    number = whole(text)
    return text if number is None else number


def _settled(typed: dict[str, str]) -> Node:
    """A condition whose kind was just changed takes the new kind's comparison and start values;
    one whose comparison was changed keeps what both ask for."""
    kind = typed.get("field", "")
    kind = kind if kind in FIELDS else NEW
    op = FIELDS[kind].op(typed.get("cmp", ""))
    if op is None or typed.get("was", kind) != kind:
        return condition(kind)
    return condition(kind, op, typed)


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
