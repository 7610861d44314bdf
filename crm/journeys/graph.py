"""A journey's plan: a trigger, an entry rule, a goal, and a tree of nodes. Pure.

    {"trigger": {"kind": "inactive", "days": 30, "rule": {…}?}
                | {"kind": "segment", "segment_id": 7, "already": false},
     "entry": {"rule": "once" | "days" | "every", "days": 90?},
     "goal": {"kind": "none" | "paid" | "redeemed" | "left_segment", "segment_id": 7?},
     "holdout_bp": 1000, "first": "n1", "last_no": 4,
     "nodes": {"n1": {"kind": "coupon", "template_id": 3, "next": "n2"}, …}}

A node's children hang in its slots; an empty slot is where the walk ends. To come into a segment
and to leave it means its live membership; a rule that a segment lent, to choose among people or to
part them, is copied in, so that what was published does not change with the segment.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from core.clock import local
from crm.segments.rules import validate as rule_faults

Graph = dict[str, Any]
Node = dict[str, Any]

SLOTS: dict[str, tuple[str, ...]] = {"branch": ("yes", "no"), "listen": ("next", "timeout")}
KINDS = ("wait", "listen", "branch", "coupon", "message", "tag", "points")
ACTS = ("coupon", "message", "tag", "points")

HEARD = {
    "followed": "followed",
    "first_order": "paid",
    "abandoned": "order_abandoned",
    "carted": "carted",
    "tier": "tier_moved",
    "low_balance": "balance_low",
    "points_expiring": "points_expiring",
    "tagged": "tagged",
}
"""Triggers that are a fact on the timeline, and its kind."""
SCANNED = ("inactive", "expiring", "birthday", "segment")
"""Triggers that nobody tells: they are looked for by the clock."""
TRIGGERS = (*HEARD, *SCANNED)
DAYS_OF = {"inactive": (1, 365), "expiring": (1, 30), "birthday": (0, 30)}
EVENTS = ("paid", "redeemed", "visited", "claimed", "carted", "followed", "topped_up")
WAYS = ("up", "down", "any")
"""Which moves of a tier a journey is about; one that does not say means any."""
GOALS = ("none", "paid", "redeemed", "left_segment")
UNITS = {"minutes": 60, "hours": 3_600, "days": 86_400}

MAX_NODES = 40
MAX_LEAVES = 8
MAX_TEXT = 300
MAX_POINTS = 10_000
TEST_WAIT = timedelta(seconds=10)
"""Whoever tries a journey out does not wait for days."""


def empty(trigger: str = "followed") -> Graph:
    return {
        "trigger": {"kind": trigger, **({"days": 30} if trigger in DAYS_OF else {})},
        "entry": {"rule": "once"},
        "goal": {"kind": "none"},
        "holdout_bp": 1_000,
        "first": None,
        "last_no": 0,
        "nodes": {},
    }


def slots(node: Node) -> tuple[str, ...]:
    return SLOTS.get(node["kind"], ("next",))


def walk(graph: Graph) -> Iterator[tuple[str, Node]]:
    """Every node that can be reached, a parent before its children, the first slot first."""
    waiting = [graph.get("first")]
    seen: set[str] = set()
    while waiting:
        key = waiting.pop()
        if key is None or key in seen or key not in graph["nodes"]:
            continue
        seen.add(key)
        node = graph["nodes"][key]
        yield key, node
        waiting += [node.get(slot) for slot in reversed(slots(node))]


def leaves(graph: Graph) -> int:
    """At how many places the walk can end."""
    ends = sum(1 for _, node in walk(graph) for slot in slots(node) if not node.get(slot))
    return ends or 1


def listens(graph: Graph) -> list[str]:
    """The kinds of event that matter: the trigger's, the goal's, and those somebody waits for."""
    kinds = {HEARD.get(graph["trigger"]["kind"], "")}
    if graph["goal"]["kind"] in ("paid", "redeemed"):
        kinds.add(graph["goal"]["kind"])
    kinds |= {node["event"] for _, node in walk(graph) if node["kind"] == "listen"}
    return sorted(kinds - {""})


def arrival(graph: Graph, key: str | None, now: datetime, *, test: bool = False) -> dict[str, Any]:
    """The columns of a run that comes to a node now, or to the end of its walk."""
    if key is None or key not in graph["nodes"]:
        return {"state": "done", "outcome": "completed", "awaiting": "", "due_at": now}
    node = graph["nodes"][key]
    due = now
    if node["kind"] in ("wait", "listen"):
        due = now + TEST_WAIT if test else due_at(node, now)
    awaiting = node["event"] if node["kind"] == "listen" else ""
    return {"state": "active", "outcome": "", "awaiting": awaiting, "due_at": due, "node": key}


def due_at(node: Node, now: datetime) -> datetime:
    """When a wait that begins now is over: its time, then the next full hour it asks for.

    Hours of the day are the store's.
    """
    over = now + timedelta(seconds=node["amount"] * UNITS[node["unit"]])
    hour = node.get("until_hour")
    if hour is None:
        return over
    here = local(over)
    at = here.replace(hour=hour, minute=0, second=0, microsecond=0)
    return (at if at >= here else at + timedelta(days=1)).astimezone(now.tzinfo)


def faults(graph: Graph) -> dict[str, str]:
    """What is wrong, by place: `trigger.days`, `n3.text`, `goal.rule`; "" is the whole."""
    errors: dict[str, str] = {}
    _trigger(graph, errors)
    _entry(graph, errors)
    goal = graph.get("goal", {})
    if goal.get("kind") not in GOALS:
        errors["goal.kind"] = "选一个目标"
    elif goal["kind"] == "left_segment" and not _within(goal.get("segment_id"), 1, 2**62):
        errors["goal.segment_id"] = "选一个人群"
    if not 0 <= graph.get("holdout_bp", -1) <= 5_000:
        errors["holdout_bp"] = "对照组最多一半"
    nodes = list(walk(graph))
    if not nodes:
        errors[""] = "还没有一步，先在触发下面加一步"
    elif len(nodes) > MAX_NODES:
        errors[""] = f"最多 {MAX_NODES} 步"
    elif leaves(graph) > MAX_LEAVES:
        errors[""] = f"岔路太多，最多 {MAX_LEAVES} 条"
    for key, node in nodes:
        for name, why in _node(node).items():
            errors[f"{key}.{name}"] = why
    return errors


def _trigger(graph: Graph, errors: dict[str, str]) -> None:
    trigger = graph.get("trigger", {})
    kind = trigger.get("kind")
    if kind not in TRIGGERS:
        errors["trigger.kind"] = "选一件触发的事"
        return
    if kind in DAYS_OF:
        low, high = DAYS_OF[kind]
        if not _within(trigger.get("days"), low, high):
            errors["trigger.days"] = f"天数在 {low} 到 {high} 之间"
    if kind == "segment" and not _within(trigger.get("segment_id"), 1, 2**62):
        errors["trigger.segment_id"] = "选一个人群"
    elif trigger.get("rule") is not None and not _is_rule(trigger["rule"]):
        errors["trigger.segment_id"] = "这个人群的条件有误"
    if kind == "tier" and trigger.get("way", "any") not in WAYS:
        errors["trigger.way"] = "选升级还是降级"
    if kind == "tagged" and not _within(trigger.get("tag_id"), 1, 2**62):
        errors["trigger.tag_id"] = "选一个标签"


def _entry(graph: Graph, errors: dict[str, str]) -> None:
    entry = graph.get("entry", {})
    if entry.get("rule") not in ("once", "days", "every"):
        errors["entry.rule"] = "选能进来几次"
    elif entry["rule"] == "days" and not _within(entry.get("days"), 1, 365):
        errors["entry.days"] = "天数在 1 到 365 之间"


def _node(node: Node) -> dict[str, str]:
    match node["kind"]:
        case "wait":
            return _waiting(node)
        case "listen":
            wrong = _waiting(node)
            return wrong if node.get("event") in EVENTS else {**wrong, "event": "选等什么事"}
        case "branch" if node.get("test") == "segment":
            return {} if _is_rule(node.get("rule")) else {"segment_id": "选一个人群"}
        case "branch":
            return {} if node.get("event") in EVENTS else {"event": "选看什么事"}
        case "coupon":
            return {} if _within(node.get("template_id"), 1, 2**62) else {"template_id": "选一张券"}
        case "message":
            text = str(node.get("text", "")).strip()
            return {} if 1 <= len(text) <= MAX_TEXT else {"text": f"写 1 到 {MAX_TEXT} 个字"}
        case "tag":
            return {} if _within(node.get("tag_id"), 1, 2**62) else {"tag_id": "选一个标签"}
        case "points":
            right = _within(node.get("points"), 1, MAX_POINTS)
            return {} if right else {"points": f"积分在 1 到 {MAX_POINTS:,} 之间"}
    return {"kind": "没有这种步骤"}


def _waiting(node: Node) -> dict[str, str]:
    if node.get("unit") not in UNITS:
        return {"amount": "选分钟、小时或天"}
    if not _within(node.get("amount"), 1, 365):
        return {"amount": "在 1 到 365 之间"}
    hour = node.get("until_hour")
    return {} if hour is None or _within(hour, 0, 23) else {"until_hour": "钟点在 0 到 23 之间"}


def _within(value: Any, low: int, high: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def _is_rule(rule: Any) -> bool:
    return isinstance(rule, dict) and not rule_faults(rule)
