"""A rule as it is drawn: the parts of each row, in the order of a sentence."""

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from console.rules import Node, op_of, params_of
from crm.segments.fields import FIELDS, Param

Choices = Mapping[str, Sequence[tuple[int | str, str]]]

_FIELDS = [
    (group, [(field.name, field.label) for field in fields])
    for group, fields in groupby(
        sorted(
            FIELDS.values(), key=lambda field: [f.group for f in FIELDS.values()].index(field.group)
        ),
        key=lambda field: field.group,
    )
]


def draw(
    node: Node, choices: Choices, alone: Mapping[str, str], errors: Mapping[str, str]
) -> dict[str, Any]:
    """What the template needs of a node: a group with its rows, or the controls of a row.

    `choices` are the merchant's own things by kind; `alone` and `errors` are by place.
    """
    wrong = [why for place, why in errors.items() if _is_about(place, node)]
    shown: dict[str, Any] = {"path": node.path, "error": wrong[0] if wrong else ""}
    shown |= {"is_group": node.is_group, "hits": alone.get(node.place)}
    if node.is_group:
        inner = [draw(child, choices, alone, errors) for child in node.children]
        return {**shown, "op": node.op, "children": inner, "may_nest": node.may_nest}
    return {
        **shown,
        "field": node.typed["field"],
        "fields": _FIELDS,
        "about": FIELDS[node.typed["field"]].about,
        "parts": _parts(node, choices),
    }


def _parts(node: Node, choices: Choices) -> list[dict[str, Any]]:
    field, op, asked = FIELDS[node.typed["field"]], op_of(node), params_of(node)
    leading = [param for param in asked if param.leads]
    rest = [param for param in asked if not param.leads]
    compare = _select(node, "cmp", "怎么比", [(one.name, one.words) for one in field.ops])
    if len(field.ops) == 1:
        compare = {"kind": "fixed", "name": f"{node.path}.cmp", "value": op.name, "text": op.words}
    before, after = ([_param(node, param, choices) for param in some] for some in (leading, rest))
    return [*before, compare, *after]


def _param(node: Node, param: Param, choices: Choices) -> dict[str, Any]:
    """A control with the words around it, which stay together when the row is broken."""
    control: dict[str, Any]
    if param.kind == "choice":
        anything = [("", param.empty)] if param.optional else []
        control = _select(node, param.name, param.label, [*anything, *param.choices])
    elif param.kind == "ref":
        options = [("", param.empty)] if param.optional else []
        own = [*options, *choices.get(param.ref, ())]
        control = _select(node, param.name, param.label, own or [("", f"还没有{param.label}")])
    else:
        label = f"{param.label}，不填就是{param.empty}" if param.optional else param.label
        hint = param.empty if param.optional else ""
        control = {**_control(node, param.name, label), "kind": "number", "hint": hint}
    return {**control, "before": param.before, "after": param.after}


def _control(node: Node, name: str, label: str) -> dict[str, Any]:
    return {"name": f"{node.path}.{name}", "value": node.typed[name], "label": label}


def _select(node: Node, name: str, label: str, options: Sequence[Any]) -> dict[str, Any]:
    return {**_control(node, name, label), "kind": "select", "options": options}


def _is_about(place: str, node: Node) -> bool:
    """An error names a node, or a field of it: `0.1` or `0.1.value`."""
    head, _, tail = place.rpartition(".")
    if node.op == "none" and head == f"{node.place}.0".lstrip("."):
        return not tail.isdigit()
    return place == node.place or (not tail.isdigit() and head == node.place)
