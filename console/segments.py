"""Segments: a rule built in a form, counted while it is being written."""

from datetime import datetime
from typing import Any

from flask import Blueprint, Response, request, url_for
from sqlalchemy.orm import Session

from console import people, reply, rule_view, rules, words
from console.access import me, staff
from console.forms import Form
from console.rules import Node
from core import audit, deadline
from core.clock import now as clock_now
from core.database import reading, transaction
from crm.campaigns import reach
from crm.errors import RuleInvalid
from crm.segments import compiling, living, refs
from crm.segments import saving as segments
from crm.segments.fields import Condition
from crm.segments.preview import Preview
from crm.segments.preview import counts as count_each
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
        people = count_each(session, [segment.rule for segment in saved], me().merchant_id, now)
        shown = [
            {
                "id": segment.id,
                "people": words.count(number),
                "name": segment.name,
                "words": _words(session, segment.rule),
                "changed": words.when(segment.updated_at, now),
            }
            for segment, number in zip(saved, people, strict=True)
        ]
    return reply.page("segments/index.html", segments=shown)


@page.get("/new")
@staff("segments.manage")
def new() -> Response:
    return _page(rules.empty(), Form(name=""), "新建人群", url_for("console.segments.create"))


@page.post("/new")
@staff("segments.manage")
def create() -> Response:
    return _save(None)


@page.get("/<int:segment_id>")
@staff("segments.manage")
def edit(segment_id: int) -> Response:
    with reading() as session:
        segment = segments.get_segment(session, me().merchant_id, segment_id)
    here = url_for("console.segments.edit", segment_id=segment_id)
    return _page(rules.from_rule(segment.rule), Form(name=segment.name), segment.name, here)


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


def _words(session: Session, rule: Any) -> str:
    root = compiling.tree(rule)
    return say(root, refs.names(session, me().merchant_id, conditions(root)))


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
        form.refuse("name", refusal.errors.get("name", ""))
        if not form.errors["name"]:
            del form.errors["name"]
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
        wrong = {place: why for place, why in wrong.items() if place != "name"}
        counted = {} if wrong else _counted(session, rule, merchant_id, now)
    return reply.page(
        template,
        status,
        form=form,
        title=title,
        action=action,
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
        for param in rules.op_of(node).params:
            if param.kind != "ref":
                continue
            if param.ref not in choices:
                choices[param.ref] = refs.choices(session, merchant_id, param.ref)
            own = choices[param.ref]
            if own and not param.optional and not node.typed[param.name]:
                node.typed[param.name] = str(own[0][0])
    return choices
