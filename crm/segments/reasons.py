"""Why a member is in a segment, in the words of the shop."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from crm.segments.fields import FIELDS, Condition, Names
from crm.segments.rules import Node

Facts = Mapping[str, tuple[bool, Any]]


def explain(root: Node, facts: Facts, names: Names, now: datetime) -> list[str]:
    """One phrase for each condition that let the member in, with the member's own figures.

    `facts` says of each condition, by path, whether it holds and what it looked at. Under a `not`
    it is the conditions that do not hold that count.
    """
    phrases = [
        FIELDS[condition.field].reason(condition, facts[condition.path][1], names, now)
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
