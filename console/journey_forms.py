"""The side panel's forms: what a step or the trigger is made of, typed and read back."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy.orm import Session

from console.forms import Form, whole
from crm.journeys.graph import DAYS_OF, Graph
from crm.models import Segment

HOURS = [("", "到时间就走"), *((str(hour), f"等到 {hour} 点") for hour in range(8, 22))]


def of_step(node: dict[str, Any], typed: Mapping[str, str]) -> Form:
    """The form that shows a step, with what was typed and not saved yet."""
    values = {name: "" if value is None else value for name, value in node.items()}
    if node["kind"] == "branch":
        values = {"event": "paid", "segment_id": "", **values}
    if "put" in values:
        values["put"] = "1" if node["put"] else "0"
    return _form(values, typed)


def of_start(graph: Graph, name: str, typed: Mapping[str, str]) -> Form:
    """The form of the trigger and the rules; its fields follow what is chosen in it."""
    trigger, entry, goal = graph["trigger"], graph["entry"], graph["goal"]
    values = {
        "name": name,
        "trigger": trigger["kind"],
        "days": trigger.get("days", ""),
        "tag": trigger.get("tag_id") or "",
        "way": trigger.get("way", "up" if trigger["kind"] != "tier" else "any"),
        "template": trigger.get("template_id") or "",
        "segment": trigger.get("segment_id") or "",
        "already": "1" if trigger.get("already") else "0",
        "entry": entry["rule"],
        "entry_days": entry.get("days", 30),
        "goal": goal["kind"],
        "goal_segment": goal.get("segment_id") or "",
        "holdout": graph["holdout_bp"],
    }
    return _form(values, typed)


def _form(values: dict[str, Any], typed: Mapping[str, str]) -> Form:
    return Form({**values, **{name: typed[name] for name in values if name in typed}})


def read_step(session: Session, kind: str, form: Form) -> dict[str, Any]:
    """The settings that were typed. What is missing is None: publishing refuses it by name."""
    match kind:
        case "wait" | "listen":
            values: dict[str, Any] = {
                "amount": whole(form["amount"]) or 0,
                "unit": form["unit"],
                "until_hour": whole(form["until_hour"]),
            }
            return {**values, "event": form["event"]} if kind == "listen" else values
        case "branch" if form["test"] == "segment":
            return {"test": "segment", **lent(session, whole(form["segment_id"]))}
        case "branch":
            return {"test": "event", "event": form["event"]}
        case "coupon":
            return {"template_id": whole(form["template_id"])}
        case "message":
            return {"text": form["text"].strip()}
        case "tag":
            return {"tag_id": whole(form["tag_id"]), "put": form["put"] != "0"}
    return {"points": whole(form["points"]) or 0}


def read_start(session: Session, graph: Graph, form: Form) -> Graph:
    """The graph with another trigger, entry rule, goal and hold-out."""
    kind = form["trigger"]
    trigger: dict[str, Any] = {"kind": kind}
    if kind in DAYS_OF:
        days = whole(form["days"])
        trigger["days"] = DAYS_OF[kind][1] if days is None else days
    if kind == "tier":
        trigger["way"] = form["way"] or "up"
    if kind == "tagged":
        trigger["tag_id"] = whole(form["tag"])
    if kind == "expiring" and whole(form["template"]):
        trigger["template_id"] = whole(form["template"])
    if kind == "segment":
        trigger |= {"segment_id": whole(form["segment"]), "already": form["already"] == "1"}
    elif whole(form["segment"]):
        trigger |= lent(session, whole(form["segment"]))
    elif kind == graph["trigger"]["kind"]:
        rule = graph["trigger"].get("rule")  # what a model of the gallery brought along
        if rule is not None and graph["trigger"].get("segment_id") is None:
            trigger["rule"] = rule
    entry: dict[str, Any] = {"rule": form["entry"]}
    if form["entry"] == "days":
        entry["days"] = whole(form["entry_days"]) or 0
    goal: dict[str, Any] = {"kind": form["goal"]}
    if form["goal"] == "left_segment":
        goal["segment_id"] = whole(form["goal_segment"])
    return {
        **graph,
        "trigger": trigger,
        "entry": entry,
        "goal": goal,
        "holdout_bp": whole(form["holdout"]) or 0,
    }


def lent(session: Session, segment_id: int | None) -> dict[str, Any]:
    """A segment's rule as it is now, copied: what is published does not change with the segment."""
    segment = session.get(Segment, segment_id) if segment_id else None
    return {"segment_id": segment_id, "rule": segment.rule if segment else None}
