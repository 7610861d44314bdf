"""What the pages about segments show: the list, the comings and goings, the grid of scores."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from flask import url_for
from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from console import people, words
from core.clock import local
from crm.models import (
    Campaign,
    CampaignState,
    Journey,
    JourneyState,
    JourneyVersion,
    Member,
    Segment,
    SegmentDay,
)
from crm.segments import compiling, living, refs, rfm
from crm.segments.rules import conditions
from crm.segments.words import say

RECENCY = {5: "最近", 4: "较近", 3: "一般", 2: "较久", 1: "最久没来"}
FREQUENCY = {5: "来得最多", 4: "较多", 3: "一般", 2: "较少", 1: "最少"}
HEAT = 5
WHO = {
    (5, 5): "核心常客",
    (5, 1): "新客",
    (1, 5): "流失老客",
    (1, 1): "一次就走",
}


def listed(session: Session, segments: Sequence[Segment], now: datetime) -> list[dict[str, Any]]:
    """The rows of the list, with what came and went in a week."""
    moved = living.moves(session, [segment.id for segment in segments], now)
    shown, roots = [], [compiling.tree(segment.rule) for segment in segments]
    asked = [condition for root in roots for condition in conditions(root)]
    named = refs.names(session, segments[0].merchant_id, asked) if segments else {}
    for segment, root in zip(segments, roots, strict=True):
        came, went = moved.get(segment.id, (0, 0))
        counted = segment.members_count
        shown.append(
            {
                "id": segment.id,
                "name": segment.name,
                "about": segment.about,
                "words": say(root, named),
                "people": "还没算" if counted is None else words.count(counted),
                "came": words.count(came),
                "went": words.count(went),
                "moved": bool(came or went),
                "changed": words.when(segment.updated_at, now),
                "preset": segment.preset is not None,
            }
        )
    return shown


def flow(session: Session, segment: Segment, now: datetime) -> dict[str, Any]:
    """Two weeks of comings and goings, and who they were."""
    days = living.days(session, segment.id, now)
    labels = [f"{day.day:%m-%d}" for day in days]
    came, went = sum(day.came for day in days), sum(day.went for day in days)
    return {
        "people": "还没算" if segment.members_count is None else words.count(segment.members_count),
        "refreshed": words.when(segment.refreshed_at, now),
        "came": words.count(came),
        "went": words.count(went),
        "said": f"近 14 天进来 {came:,} 人，离开 {went:,} 人",
        "chart": _chart(labels, days) if came or went else None,
        "rows": [
            (label, words.count(day.came), words.count(day.went), words.count(day.members))
            for label, day in zip(labels, days, strict=True)
        ],
        "entered": _moved(living.recent(session, segment.id), now),
        "left": _moved(living.recent(session, segment.id, left=True), now),
    }


def _chart(labels: list[str], days: Sequence[SegmentDay]) -> dict[str, Any]:
    return {
        "kind": "bars",
        "x": labels,
        "series": [
            {"name": "进来", "data": [day.came for day in days]},
            {"name": "离开", "data": [day.went for day in days], "control": True},
        ],
    }


def _moved(found: Sequence[tuple[Member, datetime]], now: datetime) -> list[dict[str, str]]:
    return [
        {
            "name": people.name_of(member),
            "href": url_for("console.members.show", no=member.no),
            "sub": f"累计 ¥{words.yuan(member.spent_fen - member.refunded_fen)}",
            "at": words.when(at, now),
        }
        for member, at in found
    ]


def uses(session: Session, merchant_id: int, segment_id: int) -> list[dict[str, str]]:
    """Campaigns that are still to send and journeys that are not over, where they name it."""
    planned = (
        select(Campaign.id, Campaign.name)
        .where(
            Campaign.merchant_id == merchant_id,
            Campaign.segment_id == segment_id,
            Campaign.state.not_in((CampaignState.finished, CampaignState.killed)),
        )
        .order_by(Campaign.id.desc())
    )
    found = [
        {"kind": "活动", "name": name, "href": url_for("console.campaigns.show", campaign_id=id_)}
        for id_, name in session.execute(planned)
    ]
    versions = (
        select(Journey.id, Journey.name, JourneyVersion.graph)
        .join(JourneyVersion, JourneyVersion.journey_id == Journey.id)
        .where(
            Journey.merchant_id == merchant_id,
            Journey.state != JourneyState.ended,
            or_(JourneyVersion.id == Journey.version_id, JourneyVersion.published_at.is_(None)),
        )
        .order_by(Journey.id.desc())
    )
    journeys = {
        id_: name
        for id_, name, graph in session.execute(versions)
        if any(
            part.get("segment_id") == segment_id
            for part in (graph["trigger"], graph["goal"], *graph["nodes"].values())
        )
    }
    return found + [
        {"kind": "旅程", "name": name, "href": url_for("console.journeys.show", journey_id=id_)}
        for id_, name in journeys.items()
    ]


def grid(session: Session, merchant_id: int) -> dict[str, Any] | None:
    """Five by five: recency across, frequency down; None before anybody has a score."""
    cells = {(cell.recency, cell.frequency): cell for cell in rfm.grid(session, merchant_id)}
    if not cells:
        return None
    total = sum(cell.members for cell in cells.values())
    most = max(cell.members for cell in cells.values())
    rows = []
    for frequency in range(5, 0, -1):
        row = []
        for recency in range(1, 6):
            cell = cells.get((recency, frequency))
            members = cell.members if cell else 0
            row.append(
                {
                    "people": words.count(members),
                    "share": words.share(members, total),
                    "spent": words.round_yuan(cell.spent_fen) if cell else "0",
                    "heat": 0 if not members else 1 + (members - 1) * HEAT // most,
                    "who": WHO.get((recency, frequency), ""),
                    "href": url_for("console.segments.new", r=recency, f=frequency),
                    "label": f"最近度 {recency} 分、频次 {frequency} 分：{members} 人",
                }
            )
        rows.append({"frequency": frequency, "words": FREQUENCY[frequency], "cells": row})
    scored = rfm.scored_at(session, merchant_id)
    return {
        "rows": rows,
        "head": [(recency, RECENCY[recency]) for recency in range(1, 6)],
        "buyers": words.count(total),
        "spent": words.yuan(sum(cell.spent_fen for cell in cells.values())),
        "scored": f"{local(scored):%m-%d %H:%M}" if scored else "",
    }
