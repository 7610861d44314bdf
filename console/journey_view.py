"""A journey as its pages show it: a row, the canvas with its counts, a person's way through it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from flask import url_for
from sqlalchemy import select
from sqlalchemy.orm import Session

from console import flow, people, tickets, words
from console import journey_words as said
from console.access import Me
from coupons.models import CouponTemplate
from crm.campaigns.reach import SKIP_REASONS
from crm.journeys import counting, drafting, queries
from crm.journeys.editing import START
from crm.journeys.graph import Graph, slots, walk
from crm.models import (
    Journey,
    JourneyRun,
    JourneyState,
    JourneyVersion,
    RunArm,
    RunState,
    Segment,
    Tag,
)
from merchants.models import Staff

FEW = 5  # people before a share of them says anything
STUCK = 0.3


def names_of(session: Session, merchant_id: int) -> dict[tuple[str, int], str]:
    """What segments, tags and coupons are called; of a coupon, what it takes off (`off`)."""
    names: dict[tuple[str, int], str] = {}
    for kind, table in (("segment", Segment), ("tag", Tag)):
        rows = select(table.id, table.name).where(table.merchant_id == merchant_id)
        names |= {(kind, id_): name for id_, name in session.execute(rows)}
    mine = select(CouponTemplate).where(CouponTemplate.merchant_id == merchant_id)
    for template in session.scalars(mine):
        names["template", template.id] = template.name
        names["off", template.id] = tickets.off_words(template)
    return names


def row(session: Session, journey: Journey, names: Mapping[tuple[str, int], str]) -> dict[str, Any]:
    version = shown_version(session, journey)
    totals = queries.totals(session, journey.id)
    text, kind = said.STATES[journey.state]
    ran = journey.version_id is not None
    return {
        "id": journey.id,
        "name": journey.name,
        "words": " · ".join(
            part
            for part in (
                said.trigger(version.graph, names),
                said.entry(version.graph),
                said.goal(version.graph, names),
            )
            if part
        ),
        "state": text,
        "kind": kind,
        "reason": journey.reason,
        "entered": words.count(totals.entered) if ran else "—",
        "inside": words.count(totals.inside) if ran else "—",
        "goal": words.count(totals.ends.get("goal", 0)) if ran else "—",
        "ran": ran,
        "live": journey.state is JourneyState.live,
        "paused": journey.state is JourneyState.paused,
    }


def shown_version(session: Session, journey: Journey) -> JourneyVersion:
    """The draft where there is one, else the version that people enter."""
    draft = drafting.draft_of(session, journey)
    if draft is not None or journey.version_id is None:
        assert draft is not None
        return draft
    return session.get_one(JourneyVersion, journey.version_id)


def head(session: Session, journey: Journey, version: JourneyVersion) -> dict[str, Any]:
    """What the canvas and the dialogs have in common."""
    text, kind = said.STATES[journey.state]
    totals = queries.totals(session, journey.id)
    ran = journey.version_id is not None
    drafted = version.published_at is None
    by = _publisher(session, version)
    inside = f"现有 {words.count(totals.inside)} 人在里面" if ran else "还没有发布"
    return {
        "id": journey.id,
        "name": journey.name,
        "state": text,
        "kind": kind,
        "reason": journey.reason,
        "draft": drafted,
        "number": version.number,
        "published": ran,
        "words": f"第 {version.number} 版{'（草稿）' if ran and drafted else ''} · {inside}{by}",
        "live": journey.state is JourneyState.live,
        "paused": journey.state is JourneyState.paused,
        "over": journey.state is JourneyState.ended,
        "sums": _sums(totals) if totals.entered else [],
        "inside": totals.inside,
        "inside_words": words.count(totals.inside),
        "versions": [
            (number, words.count(number_inside))
            for number, number_inside in queries.inside_by_version(session, journey.id).items()
        ],
    }


def _sums(totals: queries.Totals) -> list[tuple[str, str, str]]:
    """Where everybody who came in is by now: name, how many, which share."""
    numbers = [
        ("在里面", totals.inside),
        ("达到目标", totals.ends.get("goal", 0)),
        ("走完了", totals.ends.get("completed", 0)),
    ]
    rest = totals.entered - sum(number for _, number in numbers)
    numbers += [("别的原因离开", rest)] if rest else []
    return [
        (name, words.count(number), words.share(number, totals.entered)) for name, number in numbers
    ]


def _publisher(session: Session, version: JourneyVersion) -> str:
    """Whose word the published version has."""
    kind, _, number = version.published_by.partition(":")
    who = session.get(Staff, int(number)) if kind == "staff" else None
    return f" · {who.name} 发布" if who is not None else ""


def canvas(
    session: Session,
    journey: Journey,
    graph: Graph,
    names: Mapping[tuple[str, int], str],
    wrong: Mapping[str, str],
    selected: str,
) -> dict[str, Any]:
    counts = counting.read(session, journey.id)
    here = queries.here(session, journey.id)
    drawn = flow.lay_out(graph)
    cells = []
    for cell in drawn.cells:
        shown = flow.as_dict(cell)
        if cell.key == START:
            shown |= _start(graph, names, counts)
        elif cell.key:
            shown |= _node(graph, cell.key, names, counts, here)
        else:
            shown["n"] = words.count(number) if (number := _ended(graph, cell, counts)) else ""
        shown["selected"] = bool(cell.key) and cell.key == selected
        shown["wrong"] = any(_is_about(place, cell.key) for place in wrong)
        cells.append(shown)
    return {
        "cells": cells,
        "lines": drawn.lines,
        "width": drawn.width,
        "height": drawn.height,
        "columns": drawn.width // flow.HALF,
    }


def _start(graph: Graph, names: Any, counts: Mapping[tuple[str, str], int]) -> dict[str, Any]:
    entered = counts.get(("", "entered"), 0)
    return {
        "kind": "start",
        "title": said.trigger(graph, names),
        "sub": said.entry(graph),
        "n": words.count(entered) if entered else "",
        "unit": "进来过",
        "amber": False,
    }


def _node(
    graph: Graph,
    key: str,
    names: Any,
    counts: Mapping[tuple[str, str], int],
    here: Mapping[str, int],
) -> dict[str, Any]:
    node = graph["nodes"][key]
    title, sub = said.step(node, names)
    passed = sum(number for (at, _), number in counts.items() if at == key)
    waiting = here.get(key, 0)
    rests = node["kind"] in ("wait", "listen")
    sent = counts.get((key, "sent"), 0)
    if rests:
        number, unit = waiting, "正在等"
    elif node["kind"] == "message":
        number, unit = sent, "发出"
    else:
        number, unit = passed, said.DONE[node["kind"]]
    lost = passed - sent if node["kind"] == "message" else counts.get((key, "no_coupon"), 0)
    entered = counts.get(("", "entered"), 0)
    part = "" if rests else words.share(number, entered)
    return {
        "kind": node["kind"],
        "title": title,
        "sub": sub,
        "n": words.count(number) if passed or waiting else "",
        "unit": f"{unit} {part}" if part else unit,
        "amber": passed >= FEW and lost / passed >= STUCK,
    }


def _ended(graph: Graph, cell: flow.Cell, counts: Mapping[tuple[str, str], int]) -> int:
    """How many came to the end of a line: who left the step above it by this way."""
    if cell.under == START:
        return 0
    here = {outcome: number for (at, outcome), number in counts.items() if at == cell.under}
    if len(slots(graph["nodes"][cell.under])) == 1:
        return sum(here.values())
    return here.get("heard" if cell.slot == "next" else cell.slot, 0)


def step_facts(session: Session, journey: Journey, graph: Graph, key: str) -> dict[str, Any] | None:
    """Who passed a step, with what outcome, and who stands there."""
    counts = counting.read(session, journey.id)
    mine = {outcome: number for (at, outcome), number in counts.items() if at == key}
    here = queries.here(session, journey.id).get(key, 0)
    passed = sum(mine.values())
    if not passed and not here:
        return None
    kind = graph["nodes"][key]["kind"]
    lost = passed - mine.get("sent", 0) if kind == "message" else 0
    ordered = sorted(mine.items(), key=lambda each: -each[1])
    return {
        "rows": [
            ("来到这步", words.count(passed + here)),
            *((said.OUTCOMES.get(outcome, "别的结果"), words.count(n)) for outcome, n in ordered),
            ("正在这里", words.count(here)),
        ],
        "lost": words.count(lost) if passed >= FEW and lost / max(passed, 1) >= STUCK else "",
        "href": url_for("console.journey_runs.index", journey_id=journey.id, node=key),
    }


def run_row(
    journey: Journey,
    run: JourneyRun,
    member: Any,
    titles: Mapping[tuple[int, str], str],
    now: datetime,
) -> dict[str, Any]:
    walking = run.state is RunState.active
    end = said.ENDS.get(run.outcome, "结束")
    return {
        "id": run.id,
        "name": people.name_of(member),
        "href": url_for("console.journey_runs.show", journey_id=journey.id, run_id=run.id),
        "entered": words.when(run.entered_at, now),
        "arm": said.ARMS[run.arm],
        "at": titles.get((run.version_id, run.node), "") if walking else "",
        "due": words.when(run.due_at, now) if walking else "",
        "kind": "ok" if walking else "note" if run.outcome == "goal" else "",
        "state": "在里面" if walking else "不走" if run.arm is RunArm.holdout else end,
    }


def titles_of(
    session: Session, version_ids: set[int], names: Mapping[tuple[str, int], str]
) -> dict[tuple[int, str], str]:
    """What the nodes of these versions are called."""
    found = session.scalars(select(JourneyVersion).where(JourneyVersion.id.in_(version_ids)))
    return {
        (version.id, key): said.step(node, names)[0]
        for version in found
        for key, node in walk(version.graph)
    }


def trace(
    session: Session, run: JourneyRun, names: Mapping[tuple[str, int], str], who: Me, now: datetime
) -> list[dict[str, str]]:
    """The newest first, as a timeline."""
    version = session.get_one(JourneyVersion, run.version_id)
    titles = titles_of(session, {run.version_id}, names)
    rows = [
        {
            "time": words.when(run.entered_at, now),
            "text": "进来了",
            "detail": said.trigger(version.graph, names),
            "href": "",
            "kind": "on",
        }
    ]
    for step, letter in queries.trace(session, run):
        detail = said.OUTCOMES.get(step.outcome, "")
        if letter is not None:
            detail = said.SENT[letter.state]
        skipped = step.outcome in SKIP_REASONS
        rows.append(
            {
                "time": words.when(step.at, now),
                "text": titles.get((run.version_id, step.node), "一步"),
                "detail": f"跳过：{detail}" if skipped else detail,
                "href": "",
                "kind": "bad" if skipped else "hot" if step.outcome in ("given", "sent") else "",
            }
        )
    if run.ended_at is not None:
        end = said.ENDS.get(run.outcome, "结束")
        rows.append(
            {
                "time": words.when(run.ended_at, now),
                "text": end,
                "detail": "",
                "href": "",
                "kind": "on",
            }
        )
    return rows[::-1]


def _is_about(place: str, key: str) -> bool:
    if key == START:
        return place.split(".")[0] in ("trigger", "entry", "goal", "holdout_bp")
    return bool(key) and place.startswith(f"{key}.")
