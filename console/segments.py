"""Segments: a rule built in a form, counted while it is being written."""

from datetime import datetime
from typing import Any

from flask import Blueprint, Response, request, url_for
from sqlalchemy.orm import Session

from console import people, reply, rule_view, rules, words
from console.access import me, staff
from console.forms import Form
from console.rules import Node
from core import audit
from core.clock import now as clock_now
from core.database import reading, transaction
from crm import tags
from crm.errors import RuleInvalid
from crm.segments import saving as segments
from crm.segments.preview import Preview
from crm.segments.preview import counts as count_each
from crm.segments.preview import preview as count_steps
from crm.segments.preview import sample as draw_sample

page = Blueprint("segments", __name__, url_prefix="/segments")


@page.get("/")
@staff("segments.manage")
def index() -> Response:
    now = clock_now()
    with reading() as session:
        tag_names = {tag.id: tag.name for tag, _ in tags.list_tags(session, me().merchant_id)}
        store_names = {store.id: store.name for store in me().stores}
        saved = segments.list_segments(session, me().merchant_id)
        people = count_each(session, [segment.rule for segment in saved], me().merchant_id, now)
        shown = [
            {
                "id": segment.id,
                "people": words.count(number),
                "name": segment.name,
                "words": rule_view.say(rules.from_rule(segment.rule), tag_names, store_names),
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
        tag_choices = [(tag.id, tag.name) for tag, _ in tags.list_tags(session, merchant_id)]
        store_choices = [(store.id, store.name) for store in me().stores]
        _fill(tree, tag_choices, store_choices)
        rule = rules.to_rule(tree)
        wrong = errors or segments.check(session, merchant_id, rule)
        wrong = {place: why for place, why in wrong.items() if place != "name"}
        counted = {} if wrong else _counted(session, tree, rule, merchant_id, now)
    return reply.page(
        template,
        status,
        form=form,
        title=title,
        action=action,
        tree=rule_view.draw(tree, tag_choices, store_choices, counted.get("alone", {}), wrong),
        **{
            "count": "—",
            "share": "先把标红的条件填对",
            "percent": 0,
            "steps": [],
            "sample": [],
            **counted,
        },
    )


def _counted(
    session: Session, tree: Node, rule: dict[str, Any], merchant_id: int, now: datetime
) -> dict[str, Any]:
    found = count_steps(session, rule, merchant_id, now)
    sampled = draw_sample(session, rule, merchant_id, now)
    share = found.matched / found.members if found.members else 0
    return {
        "alone": {path: words.about(n, found.estimated) for path, n in found.alone.items()},
        "count": words.count(found.matched),
        "share": f"占会员 {share:.1%}",
        "percent": round(share * 100, 1),
        "steps": _steps(session, tree, found),
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


def _steps(session: Session, tree: Node, found: Preview) -> list[dict[str, str]]:
    """How each condition narrows what the ones before it left."""
    if tree.op != "all" or len(tree.children) < 2:
        return []
    tag_names = {tag.id: tag.name for tag, _ in tags.list_tags(session, me().merchant_id)}
    store_names = {store.id: store.name for store in me().stores}
    rows = [{"words": "全部会员", "count": words.count(found.members), "change": ""}]
    before = found.members
    for index, (child, left) in enumerate(zip(tree.children, found.steps, strict=False), 1):
        text = rule_view.say(child, tag_names, store_names)
        change = f"−{(before - left) / before:.0%}" if before else ""
        shown = words.about(left, found.estimated and index < len(found.steps))
        rows.append({"words": text, "count": shown, "change": change})
        before = left
    return rows


def _fill(node: Node, tag_choices: Any, store_choices: Any) -> None:
    """A condition just turned into one about tags or stores begins with the first of them."""
    for child in node.children:
        _fill(child, tag_choices, store_choices)
    choices = {"tag": tag_choices, "source_store": store_choices}.get(node.typed.get("field", ""))
    if choices and not node.typed["value"]:
        node.typed["value"] = str(choices[0][0])
