"""Changing the plan that is being written. Pure: each answers a new graph."""

import copy
from typing import Any

from crm.journeys.graph import KINDS, MAX_LEAVES, MAX_NODES, Graph, Node, leaves, slots, walk

START = "start"
"""The trigger, as a place under which the first step hangs."""

FRESH: dict[str, Node] = {
    "wait": {"amount": 3, "unit": "days", "until_hour": 10},
    "listen": {"event": "paid", "amount": 7, "unit": "days", "until_hour": 10},
    "branch": {"test": "event", "event": "paid"},
    "coupon": {"template_id": None},
    "message": {"text": "{昵称}，好久不见。"},
    "tag": {"tag_id": None, "put": True},
    "points": {"points": 50},
}


class CannotAdd(ValueError):
    """No room, or no such place."""


def insert(graph: Graph, under: str, slot: str, kind: str) -> tuple[Graph, str]:
    """A new step on the line below `under`; what hung there hangs below it now. Its key too."""
    made = copy.deepcopy(graph)
    place = _place(made, under, slot)
    if place is None or kind not in KINDS:
        raise CannotAdd("没有这个位置")
    if len(made["nodes"]) >= MAX_NODES:
        raise CannotAdd(f"最多 {MAX_NODES} 步")
    made["last_no"] += 1
    key = f"n{made['last_no']}"
    node: Node = {"kind": kind, **copy.deepcopy(FRESH[kind])}
    node |= dict.fromkeys(slots(node))
    holder, name = place
    node[slots(node)[0]] = holder.get(name)
    holder[name] = key
    made["nodes"][key] = node
    if leaves(made) > MAX_LEAVES:
        raise CannotAdd(f"岔路太多，最多 {MAX_LEAVES} 条")
    return made, key


def drop(graph: Graph, key: str) -> Graph:
    """Without this step: its first line moves up, a second line goes with it."""
    made = copy.deepcopy(graph)
    node = made["nodes"].get(key)
    if node is None:
        return made
    heir = node.get(slots(node)[0])
    for holder in (made, *made["nodes"].values()):
        for name in ("first",) if holder is made else slots(holder):
            if holder.get(name) == key:
                holder[name] = heir
    del made["nodes"][key]
    reachable = {found for found, _ in walk(made)}
    made["nodes"] = {name: kept for name, kept in made["nodes"].items() if name in reachable}
    return made


def change(graph: Graph, key: str, values: dict[str, Any]) -> Graph:
    """The step with new settings; its kind and its children stay."""
    made = copy.deepcopy(graph)
    node = made["nodes"].get(key)
    if node is None:
        raise CannotAdd("这一步已经删掉了")
    kept = {name: node.get(name) for name in ("kind", *slots(node))}
    made["nodes"][key] = {**values, **kept}
    return made


def _place(graph: Graph, under: str, slot: str) -> tuple[dict[str, Any], str] | None:
    if under == START:
        return graph, "first"
    node = graph["nodes"].get(under)
    return (node, slot) if node is not None and slot in slots(node) else None
