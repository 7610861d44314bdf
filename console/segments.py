"""Segments: a rule built in a form, counted while it is being written."""

from datetime import datetime
from typing import Any

from flask import Blueprint, Response, request, url_for
from sqlalchemy.orm import Session

from console import people, reply, rule_view, rules, segment_views, words
from console.access import me, staff
from console.forms import Form, whole
from console.rules import Node
from core import audit, deadline
from core.clock import now as clock_now
from core.database import reading, transaction
from crm.campaigns import reach
from crm.errors import RuleInvalid
from crm.models import Tag
from crm.segments import compiling, living, refs, rfm
from crm.segments import saving as segments
from crm.segments.fields import Condition
from crm.segments.preview import Preview
from crm.segments.preview import preview as count_steps
from crm.segments.preview import sample as draw_sample
from crm.segments.rules import conditions
from crm.segments.words import say

PATIENCE = 4.0
"""Seconds that the numbers beside a rule may take."""

page = Blueprint("segments", __name__, url_prefix="/segments")


@page.get("/")
@staff("segments.manage")
def index() -> Response:
    now = clock_now()
    with reading() as session:
        saved = segments.list_segments(session, me().merchant_id)
        shown = segment_views.listed(session, saved, now)
    own = [row for row in shown if not row["preset"]]
    given = [row for row in reversed(shown) if row["preset"]]
    return reply.page("segments/index.html", own=own, given=given)


@page.get("/rfm")
@staff("segments.manage")
def scores() -> Response:
    with reading() as session:
        grid = segment_views.grid(session, me().merchant_id)
    return reply.page("segments/rfm.html", grid=grid)


@page.get("/new")
@staff("segments.manage")
def new() -> Response:
    """An empty rule, or that of a cell of the grid of scores."""
    recency, frequency = (whole(request.args.get(name, "")) for name in ("r", "f"))
    tree, name = rules.empty(), ""
    if recency and frequency:
        tree = rules.from_rule(rfm.cell_rule(recency, frequency))
        name = f"最近度 {recency} 分、频次 {frequency} 分"
    return _page(tree, Form(name=name), "新建人群", url_for("console.segments.create"))


@page.post("/new")
@staff("segments.manage")
def create() -> Response:
    return _save(None)


@page.get("/<int:segment_id>")
@staff("segments.manage")
def edit(segment_id: int) -> Response:
    with reading() as session:
        segment = segments.get_segment(session, me().merchant_id, segment_id)
        worn = session.get(Tag, segment.tag_id) if segment.tag_id else None
    form = Form(name=segment.name, tag=worn.name if worn else "")
    here = url_for("console.segments.edit", segment_id=segment_id)
    return _page(rules.from_rule(segment.rule), form, segment.name, here)


@page.get("/<int:segment_id>/members")
@staff("segments.manage")
def members(segment_id: int) -> Response:
    """Who came in and who went out, and how many there are."""
    now = clock_now()
    with reading() as session:
        segment = segments.get_segment(session, me().merchant_id, segment_id)
        shown = segment_views.flow(session, segment, now)
        [row] = segment_views.listed(session, [segment], now)
    return reply.page("segments/members.html", segment=row, flow=shown)


@page.post("/<int:segment_id>/refresh")
@staff("segments.manage")
def refresh(segment_id: int) -> Response:
    """Look at once; a job does, because there may be a million members."""
    with transaction() as session:
        segment = segments.get_segment(session, me().merchant_id, segment_id)
        living.refresh_soon(session, segment)
    here = url_for("console.segments.members", segment_id=segment_id)
    return reply.done(here, "正在重算，几秒后刷新这页")


@page.post("/<int:segment_id>")
@staff("segments.manage")
def change(segment_id: int) -> Response:
    return _save(segment_id)


@page.post("/preview")
@staff("segments.manage")
def preview() -> Response:
    """The form again, edited and counted; nothing is kept."""
    form = Form(request.form)
    tree = rules.edit(rules.read(request.form), form["do"])
    return _page(tree, form, template="segments/preview.html")


def _save(segment_id: int | None) -> Response:
    """Keep the rule; or, for a button of the builder without script, show the form again."""
    form, now, who = Form(request.form), clock_now(), me()
    tree = rules.read(request.form)
    here = request.path
    if form["do"] not in ("", "save"):
        return _page(rules.edit(tree, form["do"]), form, form["name"] or "新建人群", here)
    rule = rules.to_rule(tree)
    try:
        with transaction() as session:
            if segment_id is None:
                segment = segments.create(
                    session, who.merchant_id, name=form["name"], rule=rule, actor=who.actor, now=now
                )
                before = None
            else:
                segment = segments.get_segment(session, who.merchant_id, segment_id)
                before = {"name": segment.name, "rule": segment.rule}
                segments.change(session, segment, name=form["name"], rule=rule, now=now)
            segments.wear(session, segment, form["tag"], now)
            living.refresh_soon(session, segment)
            audit.record(
                session,
                actor=who.actor,
                action="segment.save",
                subject=f"segment:{segment.id}",
                before=before,
                after={"name": segment.name, "rule": rule},
                merchant_id=who.merchant_id,
                now=now,
            )
    except RuleInvalid as refusal:
        for name in ("name", "tag"):
            if name in refusal.errors:
                form.refuse(name, refusal.errors[name])
        return _page(tree, form, form["name"] or "新建人群", here, 422, refusal.errors)
    return reply.done(url_for("console.segments.index"), f"已保存「{segment.name}」")


def _page(
    tree: Node,
    form: Form,
    title: str = "",
    action: str = "",
    status: int = 200,
    errors: dict[str, str] | None = None,
    template: str = "segments/edit.html",
) -> Response:
    now, merchant_id = clock_now(), me().merchant_id
    with reading() as session:
        choices = _choices(session, tree, merchant_id)
        rule = rules.to_rule(tree)
        wrong = errors or segments.check(session, merchant_id, rule)
        wrong = {place: why for place, why in wrong.items() if place not in ("name", "tag")}
        counted = {} if wrong else _counted(session, rule, merchant_id, now)
        segment_id = (request.view_args or {}).get("segment_id")
        uses = segment_views.uses(session, merchant_id, segment_id) if segment_id else []
    return reply.page(
        template,
        status,
        form=form,
        title=title,
        action=action,
        segment_id=segment_id,
        uses=uses,
        tree=rule_view.draw(tree, choices, counted.get("alone", {}), wrong),
        **{
            "count": "—",
            "share": "先把标红的条件填对",
            "percent": 0,
            "steps": [],
            "sample": [],
            "reach": None,
            **counted,
        },
    )


def _counted(
    session: Session, rule: dict[str, Any], merchant_id: int, now: datetime
) -> dict[str, Any]:
    """Every number beside the rule, for as long as a visitor waits for them."""
    try:
        with deadline.at_most(session, PATIENCE):
            found = count_steps(session, rule, merchant_id, now)
            sampled = draw_sample(session, rule, merchant_id, now)
            steps = _steps(session, rule, merchant_id, found)
    except deadline.TookTooLong:
        return {"share": "会员太多，一时算不完。可以先保存，人数稍后在列表里看"}
    share = found.matched / found.members if found.members else 0
    return {
        "alone": {path: words.about(n, found.estimated) for path, n in found.alone.items()},
        "count": words.count(found.matched),
        "share": f"占会员 {share:.1%}",
        "percent": round(share * 100, 1),
        "steps": steps,
        "reach": _reach(session, rule, merchant_id, now),
        "sample": [
            {
                "name": people.name_of(row.member),
                "href": url_for("console.members.show", no=row.member.no),
                "spent": words.yuan(row.member.spent_fen - row.member.refunded_fen),
                "last": words.days_ago(row.member.last_visit_at, now),
                "why": " · ".join(row.reasons),
            }
            for row in sampled
        ],
    }


def _reach(
    session: Session, rule: dict[str, Any], merchant_id: int, now: datetime
) -> dict[str, str] | None:
    """How many could be written to at this moment; None where that takes too long to say."""
    try:
        with deadline.at_most(session, PATIENCE):
            found = reach.forecast(session, merchant_id=merchant_id, rule=rule, now=now)
    except deadline.TookTooLong:
        return None
    return {
        "count": words.count(found.reachable),
        "share": words.share(found.reachable, found.total) or "0%",
    }


def _steps(
    session: Session, rule: dict[str, Any], merchant_id: int, found: Preview
) -> list[dict[str, str]]:
    """How each condition narrows what the ones before it left."""
    root = compiling.tree(rule)
    if len(found.steps) < 2 or isinstance(root, Condition):
        return []
    names = refs.names(session, merchant_id, conditions(root))
    rows = [{"words": "全部会员", "count": words.count(found.members), "change": ""}]
    before = found.members
    for index, (child, left) in enumerate(zip(root.rules, found.steps, strict=True), 1):
        change = f"−{(before - left) / before:.0%}" if before else ""
        shown = words.about(left, found.estimated and index < len(found.steps))
        rows.append({"words": say(child, names, top=False), "count": shown, "change": change})
        before = left
    return rows


def _choices(session: Session, tree: Node, merchant_id: int) -> dict[str, Any]:
    """The merchant's own things that the rows offer. A row that must point at one begins with the
    first."""
    choices: dict[str, Any] = {}
    for node in rules.conditions(tree):
        for param in rules.params_of(node):
            if param.kind != "ref":
                continue
            if param.ref not in choices:
                choices[param.ref] = refs.choices(session, merchant_id, param.ref)
            own = choices[param.ref]
            if own and not param.optional and not node.typed[param.name]:
                node.typed[param.name] = str(own[0][0])
    return choices
