"""A rule as it is drawn and said: the parts of each row, and one sentence for a list."""

from collections.abc import Mapping, Sequence
from typing import Any

from console.rules import COMPARISONS, WORDS, Node
from crm.segments.rules import FIELDS

Choices = Sequence[tuple[int, str]]
CONNECTED = {"all": " 且 ", "any": " 或 ", "none": " 都不 "}


def draw(
    node: Node,
    tags: Choices,
    stores: Choices,
    alone: Mapping[str, str],
    errors: Mapping[str, str],
) -> dict[str, Any]:
    """What the template needs of a node: the controls of a row in the order of a sentence."""
    wrong = [why for place, why in errors.items() if _is_about(place, node)]
    shown: dict[str, Any] = {"path": node.path, "error": wrong[0] if wrong else ""}
    if node.is_group:
        inner = [draw(child, tags, stores, alone, errors) for child in node.children]
        return {**shown, "is_group": True, "op": node.op, "children": inner}
    return {
        **shown,
        "is_group": False,
        "field": node.typed["field"],
        "fields": [
            (name, text)
            for name, text in WORDS.items()
            if (name != "tag" or tags) and (name != "source_store" or stores)
        ],
        "parts": _parts(node, tags, stores),
        "hits": alone.get(node.place),
    }


def say(node: Node, tags: Mapping[int, str], stores: Mapping[int, str]) -> str:
    """`消费金额至少 200 元（最近 90 天） 且 最近一次到店早于 30 天前`."""
    if node.is_group:
        inner = [say(child, tags, stores) for child in node.children]
        text = CONNECTED[node.op].join(inner) or "所有会员"
        return f"（{text}）" if node.path != "0" and len(inner) > 1 else text
    typed = node.typed
    kind, comparison = WORDS[typed["field"]], COMPARISONS[typed["cmp"]]
    span = f"最近 {typed['days']} 天" if typed["days"] else ""
    match typed["field"]:
        case "spent":
            return f"{span}{kind}{comparison} {typed['value']} 元"
        case "orders":
            return f"{span}{kind}{comparison} {typed['value']} 次"
        case "tag":
            return f"{comparison}标签「{tags.get(int(typed['value']), '已删除')}」"
        case "source_store":
            return f"{kind}{comparison}{stores.get(int(typed['value']), '已关的门店')}"
    if typed["cmp"] == "never":
        return "从未到店"
    ending = "天前" if typed["cmp"] == "before" else "天内"
    return f"{kind}{'早于' if typed['cmp'] == 'before' else '在'} {typed['days']} {ending}"


def _parts(node: Node, tags: Choices, stores: Choices) -> list[dict[str, Any]]:
    kind, typed = node.typed["field"], node.typed
    compare = _select(node, "cmp", "怎么比", [(op, COMPARISONS[op]) for op in FIELDS[kind]])
    match kind:
        case "spent" | "orders":
            unit = "元" if kind == "spent" else "次"
            return [
                _word("在最近"),
                {**_number(node, "days", "多少天，不填就是从头算"), "hint": "不限"},
                _word("天"),
                compare,
                _number(node, "value", "数值"),
                _word(unit),
            ]
        case "tag":
            return [compare, _select(node, "value", "标签", tags)]
        case "source_store":
            return [compare, _select(node, "value", "门店", stores)]
    if typed["cmp"] == "never":
        return [compare]
    ending = "天前" if typed["cmp"] == "before" else "天内"
    return [compare, _number(node, "days", "多少天"), _word(ending)]


def _word(text: str) -> dict[str, Any]:
    return {"kind": "word", "text": text}


def _number(node: Node, name: str, label: str) -> dict[str, Any]:
    return {
        "kind": "number",
        "name": f"{node.path}.{name}",
        "value": node.typed[name],
        "label": label,
    }


def _select(node: Node, name: str, label: str, options: Sequence[Any]) -> dict[str, Any]:
    return {**_number(node, name, label), "kind": "select", "options": options}


def _is_about(place: str, node: Node) -> bool:
    """An error names a node, or a field of it: `0.1` or `0.1.value`."""
    head, _, tail = place.rpartition(".")
    return place == node.place or (not tail.isdigit() and head == node.place)
