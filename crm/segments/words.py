"""A rule as one sentence: `最近 90 天消费金额至少 200 元，且最近一次到店早于 30 天前`."""

import re

from core.money import format_yuan
from crm.segments.fields import FIELDS, Condition, Names, Param
from crm.segments.rules import Node

_GAP = re.compile(r"(?<=[\u4e00-\u9fff])(?=[A-Z0-9])|(?<=[A-Z0-9])(?=[\u4e00-\u9fff])")


def say(node: Node, names: Names, *, top: bool = True) -> str:
    """The rule in the shop's words; `names` as `crm.segments.refs` finds them."""
    if isinstance(node, Condition):
        return say_condition(node, names)
    inner = [say(rule, names, top=False) for rule in node.rules]
    if node.op == "not":
        return f"不是（{inner[0]}）"
    text = ("，且" if node.op == "and" else "，或").join(inner) or "所有会员"
    return text if top or len(inner) < 2 else f"（{text}）"


def say_condition(condition: Condition, names: Names) -> str:
    field = FIELDS[condition.field]
    op = field.op(condition.op)
    assert op is not None
    label, span = "" if field.plain else field.label, ""
    for param in op.params:
        if param.leads and param.kind == "choice":
            label = _say(param, condition, names)
        elif param.leads:
            span += _say(param, condition, names).removeprefix("在")
    rest = "".join(_say(param, condition, names) for param in op.params if not param.leads)
    return _GAP.sub(" ", f"{span}{label}{op.words}{rest}")


def _say(param: Param, condition: Condition, names: Names) -> str:
    value = condition.args.get(param.name)
    if value is None:
        return param.empty if param.kind == "ref" and not param.kinds else ""
    if param.kind == "ref":
        shown = f"「{names.get((param.ref, value), '已不在了')}」"
    elif param.kind == "choice":
        shown = dict(param.choices)[value]
    elif param.kind == "fen":
        shown = format_yuan(value, trim=True)
    else:
        shown = f"{value}"
    return f"{'，' if param.kinds else ''}{param.before}{shown}{param.after}"
