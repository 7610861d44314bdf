"""The people of a journey: who came in, one person's way, and trying it out oneself."""

from flask import Blueprint, Response, request, url_for

from console import journey_view, reply, words
from console.access import me, staff
from core import cursors
from core.clock import now as clock_now
from core.database import reading, transaction
from core.errors import Conflict
from crm import members
from crm.journeys import drafting, entering, queries
from crm.models import JourneyVersion, RunState
from people.models import Person

page = Blueprint("journey_runs", __name__, url_prefix="/journeys")

PAGE = 50
TABS = (("", "全部"), ("active", "在里面"), ("done", "出来了"))


@page.post("/<int:journey_id>/test")
@staff("campaigns.manage")
def begin(journey_id: int) -> Response:
    """The one who asks walks what is on the screen, with ten seconds for every wait."""
    now, who = clock_now(), me()
    if who.person_id is None:
        raise Conflict("先用微信绑定你的店员账号，试走的消息要发到你的微信")
    with transaction() as session:
        journey = queries.get_journey(session, who.merchant_id, journey_id)
        version = journey_view.shown_version(session, journey)
        if drafting.check(session, who.merchant_id, version.graph):
            raise Conflict("还有步骤没填好，填好再试走")
        person = session.get_one(Person, who.person_id)
        member = members.ensure(session, merchant_id=who.merchant_id, person=person, now=now)
        run_id = entering.enter_test(session, journey, version, member, actor=who.actor, now=now)
    return reply.done(
        url_for("console.journey_runs.show", journey_id=journey_id, run_id=run_id),
        "开始试走，等待都缩成 10 秒，只发消息，不真的给券和积分",
    )


@page.get("/<int:journey_id>/runs")
@staff("campaigns.view")
def index(journey_id: int) -> Response:
    """Who came in, and where they are."""
    now, node = clock_now(), request.args.get("node", "")
    state, cursor = request.args.get("state", ""), request.args.get("cursor", "")
    wanted = RunState(state) if state in list(RunState) else None
    before = cursors.number(cursors.decode(cursor, 1)[0]) if cursor else None
    with reading() as session:
        journey = queries.get_journey(session, me().merchant_id, journey_id)
        totals, standing = queries.totals(session, journey.id), queries.here(session, journey.id)
        found = queries.list_runs(
            session, journey.id, node=node, state=wanted, before_id=before, limit=PAGE + 1
        )
        shown = found[:PAGE]
        names = journey_view.names_of(session, me().merchant_id)
        titles = journey_view.titles_of(session, {run.version_id for run, _ in shown}, names)
        rows = [journey_view.run_row(journey, run, who, titles, now) for run, who in shown]
    more = cursors.encode([shown[-1][0].id]) if len(found) > PAGE else ""
    return reply.page(
        "journeys/runs.html",
        j={"id": journey.id, "name": journey.name},
        rows=rows,
        here=titles.get((shown[0][0].version_id, node), "") if node and shown else "",
        tabs=[(text, _at(journey_id, node, name), None, name == state) for name, text in TABS],
        pager={
            "words": _counted(totals, state, standing.get(node, 0) if node else None),
            "next": _at(journey_id, node, state, more) if more else "",
            "first": _at(journey_id, node, state) if cursor else "",
        },
    )


@page.get("/<int:journey_id>/runs/<int:run_id>")
@staff("campaigns.view")
def show(journey_id: int, run_id: int) -> Response:
    """One person's way, step by step."""
    now = clock_now()
    with reading() as session:
        journey = queries.get_journey(session, me().merchant_id, journey_id)
        found = queries.get_run(session, journey, run_id)
        member = members.living(session, found.member_id)
        names = journey_view.names_of(session, me().merchant_id)
        titles = journey_view.titles_of(session, {found.version_id}, names)
        row = journey_view.run_row(journey, found, member, titles, now)
        steps = journey_view.trace(session, found, names, me(), now)
        number = session.get_one(JourneyVersion, found.version_id).number
    return reply.page(
        "journeys/run.html",
        j={"id": journey.id, "name": journey.name},
        r=row,
        no=member.no,
        steps=steps,
        number=number,
        walking=found.state is RunState.active,
    )


def _counted(totals: queries.Totals, state: str, here: int | None) -> str:
    """How many there are in all, by the journey's own counters."""
    if here is not None:
        return f"正停在这一步 {words.count(here)} 人"
    out = sum(totals.ends.values())
    parts = {"active": [("在里面", totals.inside)], "done": [("出来了", out)]}.get(
        state, [("进来过", totals.entered)]
    )
    if state != "active" and totals.held_out:
        parts.append(("对照组", totals.held_out))
    return "，".join(f"{name} {words.count(number)} 人" for name, number in parts)


def _at(journey_id: int, node: str, state: str, cursor: str = "") -> str:
    return url_for(
        "console.journey_runs.index",
        journey_id=journey_id,
        node=node or None,
        state=state or None,
        cursor=cursor or None,
    )
