"""Journeys: the list with a gallery to start from, the canvas with its side panel, on and off."""

from collections.abc import Callable
from typing import Any

from flask import Blueprint, Response, request, url_for
from sqlalchemy import select
from sqlalchemy.orm import Session

from console import journey_forms, journey_view, reply
from console import journey_words as said
from console.access import me, staff
from console.forms import Form
from console.journey_effect import effect
from core.clock import now as clock_now
from core.database import reading, transaction
from core.errors import Conflict
from coupons.models import CouponTemplate, TemplateState
from crm.errors import JourneyInvalid
from crm.journeys import drafting, editing, gallery, queries
from crm.journeys.editing import START, CannotAdd
from crm.journeys.graph import KINDS, Graph, slots
from crm.models import Journey

page = Blueprint("journeys", __name__, url_prefix="/journeys")


@page.get("/")
@staff("campaigns.view")
def index() -> Response:
    with reading() as session:
        names = journey_view.names_of(session, me().merchant_id)
        rows = [
            journey_view.row(session, journey, names)
            for journey in queries.list_journeys(session, me().merchant_id)
        ]
    live = sum(1 for each in rows if each["live"])
    return reply.page(
        "journeys/index.html",
        journeys=rows,
        models=gallery.MODELS,
        used={each["name"] for each in rows if each["live"] or each["paused"]},
        words=f"{live} 条在运行" if live else "事情发生了，它自己走",
    )


@page.post("/new")
@staff("campaigns.manage")
def create() -> Response:
    """A draft from a model of the gallery, with the coupon of the shop that comes nearest to it."""
    model, now, who = gallery.find(request.form.get("model", "")), clock_now(), me()
    if model is None:
        return reply.done(url_for("console.journeys.index"), "没有这个模板")
    with transaction() as session:
        graph = gallery.plan_of(model, _nearest_coupon(session, who.merchant_id, model.coupon))
        journey = drafting.create(
            session, who.merchant_id, name=model.name, graph=graph, actor=who.actor, now=now
        )
    begin = None if graph["first"] else START
    return reply.done(_at(journey.id, node=begin), "草稿建好了，改到满意再发布")


@page.get("/<int:journey_id>")
@staff("campaigns.view")
def show(journey_id: int) -> Response:
    return _canvas(journey_id)


@page.post("/<int:journey_id>/steps")
@staff("campaigns.manage")
def add(journey_id: int) -> Response:
    form = Form(request.form)
    made = ""

    def insert(graph: Graph) -> Graph:
        nonlocal made
        graph, made = editing.insert(graph, form["under"], form["slot"], form["kind"])
        return graph

    return _rewrite(journey_id, insert, lambda: _at(journey_id, node=made), "加好了")


@page.post("/<int:journey_id>/steps/<node>")
@staff("campaigns.manage")
def save(journey_id: int, node: str) -> Response:
    form = Form(request.form)
    with reading() as session:
        journey = queries.get_journey(session, me().merchant_id, journey_id)
        graph = journey_view.shown_version(session, journey).graph
        kind = graph["nodes"].get(node, {}).get("kind", "")
        values = journey_forms.read_step(session, kind, form) if kind else {}
    return _rewrite(
        journey_id,
        lambda graph: editing.change(graph, node, values),
        lambda: _at(journey_id),
        "这一步改好了",
        checked=f"{node}.",
        form=form,
        node=node,
    )


@page.post("/<int:journey_id>/steps/<node>/drop")
@staff("campaigns.manage")
def drop(journey_id: int, node: str) -> Response:
    return _rewrite(
        journey_id,
        lambda graph: editing.drop(graph, node),
        lambda: _at(journey_id),
        "这一步删掉了",
    )


@page.post("/<int:journey_id>/start")
@staff("campaigns.manage")
def settle(journey_id: int) -> Response:
    """The trigger, the entry rule, the goal, the hold-out, and the journey's name."""
    form = Form(request.form)
    with reading() as session:
        journey = queries.get_journey(session, me().merchant_id, journey_id)
        graph = journey_view.shown_version(session, journey).graph
        wanted = journey_forms.read_start(session, graph, form)
    return _rewrite(
        journey_id,
        lambda graph: {**wanted, **{name: graph[name] for name in ("first", "last_no", "nodes")}},
        lambda: _at(journey_id),
        "改好了",
        checked=START,
        form=form,
        node=START,
        name=form["name"],
    )


@page.post("/<int:journey_id>/discard")
@staff("campaigns.manage")
def discard(journey_id: int) -> Response:
    with transaction() as session:
        journey = queries.get_journey(session, me().merchant_id, journey_id)
        drafting.discard(session, journey)
    return reply.done(_at(journey_id), "草稿扔掉了，还是原来那一版")


@page.get("/<int:journey_id>/publish")
@staff("campaigns.launch")
def publishing(journey_id: int) -> Response:
    return _publish_page(journey_id)


def _publish_page(journey_id: int, status: int = 200) -> Response:
    with reading() as session:
        journey = queries.get_journey(session, me().merchant_id, journey_id)
        version = journey_view.shown_version(session, journey)
        wrong = drafting.check(session, me().merchant_id, version.graph)
        shown = journey_view.head(session, journey, version)
        names = journey_view.names_of(session, me().merchant_id)
        faults = _faults(version.graph, wrong, names)
    return reply.page("journeys/publish.html", status, j=shown, faults=faults)


@page.post("/<int:journey_id>/publish")
@staff("campaigns.launch")
def publish(journey_id: int) -> Response:
    move = request.form.get("move") == "1"
    try:
        with transaction() as session:
            journey = queries.get_journey(session, me().merchant_id, journey_id)
            drafting.publish(session, journey, actor=me().actor, move=move, now=clock_now())
    except JourneyInvalid:
        return _publish_page(journey_id, 422)
    return reply.done(_at(journey_id), "发布了，从现在起生效")


@page.post("/<int:journey_id>/pause")
@staff("campaigns.launch")
def pause(journey_id: int) -> Response:
    return _turn(journey_id, drafting.pause, "已暂停，没有人会往前走")


@page.post("/<int:journey_id>/resume")
@staff("campaigns.launch")
def resume(journey_id: int) -> Response:
    return _turn(journey_id, drafting.resume, "继续走了")


@page.get("/<int:journey_id>/end")
@staff("campaigns.launch")
def ending_page(journey_id: int) -> Response:
    with reading() as session:
        journey = queries.get_journey(session, me().merchant_id, journey_id)
        shown = journey_view.head(session, journey, journey_view.shown_version(session, journey))
    return reply.page("journeys/end.html", j=shown)


@page.post("/<int:journey_id>/end")
@staff("campaigns.launch")
def end(journey_id: int) -> Response:
    return _turn(journey_id, drafting.end, "旅程结束了")


def _at(journey_id: int, node: str | None = None) -> str:
    return url_for("console.journeys.show", journey_id=journey_id, node=node)


def _canvas(
    journey_id: int,
    *,
    node: str = "",
    form: Form | None = None,
    status: int = 200,
    errors: dict[str, str] | None = None,
) -> Response:
    """The steps and the panel of the one that is chosen, or of the place to add one at."""
    asked = node or request.args.get("node", "")
    place = request.args.get("add", "").partition(".")
    with reading() as session:
        journey = queries.get_journey(session, me().merchant_id, journey_id)
        version = journey_view.shown_version(session, journey)
        graph, names = version.graph, journey_view.names_of(session, me().merchant_id)
        wrong = errors or drafting.check(session, me().merchant_id, graph)
        head = journey_view.head(session, journey, version)
        selected = asked if asked == START or asked in graph["nodes"] else ""
        context: dict[str, Any] = {
            "j": head,
            "canvas": journey_view.canvas(session, journey, graph, names, wrong, selected),
            "effect": None if selected or place[0] else effect(session, journey, clock_now()),
            "faults": _faults(graph, wrong, names),
            "panel": None,
            "adding": None,
        }
        if selected == START:
            form = form or journey_forms.of_start(graph, journey.name, request.args)
            context["panel"] = {"kind": START, "title": said.trigger(graph, names), "facts": None}
        elif selected:
            form = form or journey_forms.of_step(graph["nodes"][selected], request.args)
            context["panel"] = {
                "kind": graph["nodes"][selected]["kind"],
                "title": said.step(graph["nodes"][selected], names)[0],
                "facts": journey_view.step_facts(session, journey, graph, selected),
                "forks": len(slots(graph["nodes"][selected])) > 1,
            }
        elif place[0] and not head["over"]:
            kinds = [(kind, *said.KINDS[kind]) for kind in KINDS]
            context["adding"] = {"under": place[0], "slot": place[2], "kinds": kinds}
        _put_errors(form, wrong, selected)
        context |= {"form": form, "node": selected, "choices": _choices(names)}
    return reply.page("journeys/show.html", status, **context)


_START_FIELDS = {
    "trigger.kind": "trigger",
    "trigger.days": "days",
    "trigger.tag_id": "tag",
    "trigger.way": "way",
    "trigger.segment_id": "segment",
    "trigger.template_id": "template",
    "entry.rule": "entry",
    "entry.days": "entry_days",
    "goal.kind": "goal",
    "goal.segment_id": "goal_segment",
    "holdout_bp": "holdout",
    "name": "name",
}


def _put_errors(form: Form | None, wrong: dict[str, str], selected: str) -> None:
    if form is None:
        return
    for place, why in wrong.items():
        if selected == START and place in _START_FIELDS:
            form.refuse(_START_FIELDS[place], why)
        elif place.startswith(f"{selected}."):
            form.refuse(place.partition(".")[2], why)


def _rewrite(
    journey_id: int,
    edit: Callable[[Graph], Graph],
    to: Callable[[], str],
    toast: str,
    *,
    checked: str = "",
    form: Form | None = None,
    node: str = "",
    name: str | None = None,
) -> Response:
    """Change the draft and show it; with faults in what was typed, the panel comes back."""
    now, who = clock_now(), me()
    try:
        with transaction() as session:
            journey = queries.get_journey(session, who.merchant_id, journey_id)
            graph = edit(journey_view.shown_version(session, journey).graph)
            wrong = drafting.check(session, who.merchant_id, graph)
            if name is not None:
                drafting.rename(session, journey, name)
            mine = {place: why for place, why in wrong.items() if _concerns(place, checked)}
            if mine:
                raise JourneyInvalid(errors=mine)
            drafting.write(session, journey, graph, now=now)
    except CannotAdd as refused:
        raise Conflict(str(refused)) from None
    except JourneyInvalid as refused:
        return _canvas(journey_id, node=node, form=form, status=422, errors=refused.errors)
    return reply.done(to(), toast)


def _concerns(place: str, checked: str) -> bool:
    """Whether a fault is about what was just typed."""
    if not checked:
        return False
    return place in _START_FIELDS if checked == START else place.startswith(checked)


def _turn(journey_id: int, verb: Callable[..., None], toast: str) -> Response:
    with transaction() as session:
        journey: Journey = queries.get_journey(session, me().merchant_id, journey_id)
        verb(session, journey, actor=me().actor, now=clock_now())
    return reply.done(_at(journey_id), toast)


def _faults(graph: Graph, wrong: dict[str, str], names: said.Names) -> list[tuple[str, str, str]]:
    """(step, what is wrong, the node to open) for whoever wants to publish."""
    rows = []
    for place, why in wrong.items():
        key = place.split(".")[0]
        if key in graph["nodes"]:
            rows.append((said.step(graph["nodes"][key], names)[0], why, key))
        else:
            rows.append(("触发与规则" if place else "整条旅程", why, START if place else ""))
    return rows


def _choices(names: Any) -> dict[str, list[tuple[Any, str]]]:
    def named(kind: str, first: str) -> list[tuple[Any, str]]:
        return [("", first), *((id_, name) for (what, id_), name in names.items() if what == kind)]

    return {
        "triggers": list(said.TRIGGERS.items()),
        "events": list(said.EVENTS.items()),
        "goals": list(said.GOALS.items()),
        "units": list(said.UNITS.items()),
        "hours": journey_forms.HOURS,
        "segments": named("segment", "选一个人群"),
        "anyone": named("segment", "所有人"),
        "tags": named("tag", "选一个标签"),
        "templates": named("template", "选一张券"),
        "any_template": named("template", "任何一张券"),
    }


def _nearest_coupon(session: Session, merchant_id: int, about: str) -> int | None:
    """An open coupon whose name or note says what the model means, else the newest, else none."""
    if not about:
        return None
    open_ones = session.scalars(
        select(CouponTemplate)
        .where(
            CouponTemplate.merchant_id == merchant_id,
            CouponTemplate.state == TemplateState.active,
            CouponTemplate.claimable.is_(False),
        )
        .order_by(CouponTemplate.id.desc())
    ).all()
    fitting = [one for one in open_ones if about in one.name or about in one.cost_note]
    return next((one.id for one in (*fitting, *open_ones)), None)
