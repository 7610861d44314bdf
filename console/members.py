"""Members: find somebody, see them whole, put a tag on them, give them a coupon."""

import csv
import io
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from flask import Blueprint, Response, request, url_for
from sqlalchemy import select
from sqlalchemy.orm import Session

from analytics import members as lists
from console import access, people, portrait, reply, step_up, tickets, words
from console.access import limit, me, staff
from console.forms import Form, whole
from core import audit
from core.clock import now as clock_now
from core.database import reading, transaction
from core.errors import LinliError
from core.numbers import new_token
from coupons import issuing
from coupons import queries as coupon_queries
from coupons import words as coupon_words
from coupons.models import TemplateState
from crm import tags, tiers
from crm.errors import MemberNotFound, TagInvalid
from crm.models import Member, Segment
from crm.segments import saving as segments
from crm.segments.compiling import compile_rule

page = Blueprint("members", __name__, url_prefix="/members")

SORTS = [
    ("visit", "最近到店"),
    ("spent", "累计消费从高到低"),
    ("orders", "次数从多到少"),
    ("joined", "最近加入"),
]
FILTERS = ("q", "segment", "tier", "tag", "sort")
FEATURED = ("second_due", "at_risk", "high_value")
MOST_EXPORTED = 5_000


@page.get("/")
@staff("members.view")
def index() -> Response:
    """The first page also counts: all, those who match, and three segments. Further ones do not."""
    now, cursor = clock_now(), request.args.get("cursor", "")
    filters = {name: request.args.get(name, "") for name in FILTERS}
    kept: dict[str, Any] = {name: value for name, value in filters.items() if value}
    if filters["q"]:
        limit("search")
    groups: list[dict[str, Any]] = []
    everyone_words = total_words = ""
    with reading() as session:
        wanted = _wanted(session, filters, now)
        found = lists.page(session, wanted, cursor=cursor)
        saved = segments.list_segments(session, me().merchant_id)
        known = tags.list_tags(session, me().merchant_id)
        levels = tiers.names(session, me().merchant_id)
        rows = portrait.rows(session, me(), found.items, levels, now)
        if not cursor:
            everyone = lists.count(session, lists.Wanted(me().merchant_id))
            narrowed = any(filters[name] for name in FILTERS if name != "sort")
            total = lists.count(session, wanted) if narrowed else everyone
            everyone_words, total_words = (f"{words.count(n)} 人" for n in (everyone, total))
            groups = _groups(saved, everyone, filters["segment"])
    following = url_for("console.members.index", **kept, cursor=found.next) if found.next else ""
    return reply.page(
        "members/index.html",
        members=rows,
        tagged=any(row["tags"] for row in rows),
        filters=kept,
        groups=groups,
        segments=[("", "全部人群"), *((s.id, s.name) for s in saved)],
        tags=[("", "全部标签"), *((tag.id, f"{tag.name}（{used}）") for tag, used in known)],
        tiers=[("", "全部等级"), *levels.items()],
        sorts=SORTS,
        sum={"words": everyone_words},
        pager={
            "words": f"共 {total_words}" if total_words else "",
            "next": following,
            "first": url_for("console.members.index", **kept) if cursor else "",
        },
    )


@page.get("/<no>")
@staff("members.view")
def show(no: str) -> Response:
    with reading() as session:
        member = get_member(session, no)
        shown = portrait.whole(session, me(), member, clock_now())
        known = [tag.name for tag, _ in tags.list_tags(session, me().merchant_id)]
    return reply.page("members/show.html", m=shown, known_tags=known)


@page.post("/<no>/tags")
@staff("members.manage")
def tag(no: str) -> Response:
    """Put one tag on, or take one off."""
    form, now, said = Form(request.form), clock_now(), ""
    with transaction() as session:
        member = get_member(session, no)
        try:
            said = _change_tag(session, member, form, now)
        except TagInvalid as refusal:
            form.refuse("add", refusal.detail)
    if not reply.is_htmx():
        return reply.done(url_for("console.members.show", no=no), said)
    with reading() as session:
        shown = portrait.tags_only(session, get_member(session, no))
        known = [tag.name for tag, _ in tags.list_tags(session, me().merchant_id)]
    error = form.errors["add"]
    return reply.page("members/_tags.html", m=shown, known_tags=known, tag_error=error)


@page.get("/<no>/give")
@staff("coupons.issue")
def giving(no: str) -> Response:
    with reading() as session:
        return _give_page(session, get_member(session, no), Form(key=new_token()))


@page.post("/<no>/give")
@staff("coupons.issue")
def give(no: str) -> Response:
    form, now, who = Form(request.form), clock_now(), me()
    with reading() as session:
        member = get_member(session, no)
        open_ids = [template.id for template in _open_templates(session, now)]
        chosen = form.one_of("template", open_ids, "选一张券")
        if chosen is None:
            return _give_page(session, member, form, 422)
    try:
        with transaction() as session:
            coupon = issuing.issue(
                session,
                int(chosen),
                member.id,
                source=f"staff:{who.staff_id}",
                key=f"staff:{who.staff_id}:{form['key'][:64]}",
                actor=who.actor,
                now=now,
            )
            if coupon is not None:
                audit.record(
                    session,
                    actor=who.actor,
                    action="coupon.give",
                    subject=f"member:{member.id}",
                    after={"template_id": int(chosen), "coupon_id": coupon.id},
                    merchant_id=who.merchant_id,
                    now=now,
                )
    except LinliError as refusal:
        form.refuse("template", refusal.detail)
        with reading() as session:
            return _give_page(session, member, form, 422)
    return reply.done(url_for("console.members.show", no=no), "券已到账")


@page.get("/export")
@staff("members.export")
def exporting() -> Response:
    filters = request.args.to_dict()
    return reply.page(
        "members/export.html",
        filters=filters,
        limit=words.count(MOST_EXPORTED),
        form=Form(),
        stepped_up=access.is_proved(clock_now()),
    )


@page.post("/export")
@staff("members.export")
def export() -> Response:
    form, now = Form(request.form), clock_now()
    filters = {name: form[name] for name in FILTERS}
    if not step_up.is_proved(form, now):
        return reply.page(
            "members/export.html",
            422,
            filters=filters,
            limit=words.count(MOST_EXPORTED),
            form=form,
            stepped_up=False,
        )
    with transaction() as session:
        wanted = _wanted(session, filters, now)
        found = lists.page(session, wanted, limit=MOST_EXPORTED)
        kept: dict[str, Any] = {n: value for n, value in filters.items() if value and n != "q"}
        kept |= {"searched": True} if filters["q"] else {}  # the words may be somebody's number
        audit.record(
            session,
            actor=me().actor,
            action="members.export",
            subject=f"merchant:{me().merchant_id}",
            after={"people": len(found.items), "filters": kept, "proved_again": True},
            merchant_id=me().merchant_id,
            now=now,
        )
    response = _csv(found.items)
    step_up.remember(response, now)
    return response


def get_member(session: Session, no: str) -> Member:
    """The gate: another merchant's member is not found."""
    member = session.scalar(
        select(Member).where(
            Member.no == no,
            Member.merchant_id == me().merchant_id,
            Member.merged_into_id.is_(None),
        )
    )
    if member is None:
        raise MemberNotFound
    return member


def _wanted(session: Session, filters: dict[str, str], now: datetime) -> lists.Wanted:
    ids = None
    if segment_id := whole(filters.get("segment", "")):
        segment = segments.get_segment(session, me().merchant_id, segment_id)
        ids = compile_rule(segment.rule, me().merchant_id, now)
    tag_id = None
    if wanted_tag := whole(filters.get("tag", "")):
        tag_id = tags.get_tag(session, me().merchant_id, wanted_tag).id
    return lists.Wanted(
        me().merchant_id,
        q=filters.get("q", ""),
        tag_id=tag_id,
        tier=filters.get("tier", ""),
        ids=ids,
        sort=filters["sort"],
    )


def _groups(saved: Sequence[Segment], everyone: int, chosen: str) -> list[dict[str, Any]]:
    """The cards above the list: everybody, and three segments as the last refresh found them."""
    if not saved:
        return []
    first = sorted(saved, key=lambda s: s.preset not in FEATURED)[:3]
    cards: list[tuple[str, str, int | None, str]] = [("", "全部", everyone, "所有成为会员的人")]
    cards += [(str(s.id), s.name, s.members_count, "实时人群") for s in first]
    return [
        {
            "name": name,
            "count": "还没算" if number is None else words.count(number),
            "words": about,
            "on": chosen == key,
            "href": url_for("console.members.index", segment=key or None),
        }
        for key, name, number, about in cards
    ]


def _change_tag(session: Session, member: Member, form: Form, now: datetime) -> str:
    who = me()
    if drop := whole(form["drop"]):
        gone = tags.get_tag(session, who.merchant_id, drop)
        changed, action, name = tags.take_off(session, gone, [member.id]), "drop", gone.name
        said = f"已去掉「{name}」"
    else:
        put = tags.ensure_tag(session, who.merchant_id, form["add"], now=now)
        changed = tags.put(session, put, [member.id], actor=who.actor, now=now)
        action, name, said = "add", put.name, f"已加上「{put.name}」"
    if changed:
        audit.record(
            session,
            actor=who.actor,
            action=f"member.tag_{action}",
            subject=f"member:{member.id}",
            after={"tag": name},
            merchant_id=who.merchant_id,
            now=now,
        )
    return said


def _open_templates(session: Session, now: datetime) -> list[Any]:
    return [
        template
        for template in coupon_queries.list_templates(session, me().merchant_id)
        if template.state is TemplateState.active
        and (template.valid_until is None or template.valid_until > now)
    ]


def _give_page(session: Session, member: Member, form: Form, status: int = 200) -> Response:
    shown = [
        {
            "id": template.id,
            "name": template.name,
            "terms": coupon_words.validity(template),
            "only": tickets.only(template),
            "words": f"{coupon_words.face(template)} · {coupon_words.condition(template)}",
        }
        for template in _open_templates(session, clock_now())
    ]
    person = {"no": member.no, "name": people.name_of(member)}
    return reply.page("members/give.html", status, m=person, form=form, templates=shown)


def _csv(items: list[Any]) -> Response:
    """UTF-8 with a mark for spreadsheets; phone numbers keep their last four digits."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["会员号", "名字", "手机尾号", "累计消费（元）", "次数", "上次到店", "积分"])
    for member, person in items:
        writer.writerow(
            [
                member.no,
                people.harmless(people.name_of(member)),
                (person.phone or "")[-4:],
                words.yuan(member.spent_fen - member.refunded_fen),
                member.orders_count,
                words.on(member.last_visit_at, clock_now()),
                member.points,
            ]
        )
    response = Response("\ufeff" + out.getvalue(), content_type="text/csv; charset=utf-8")
    response.headers["Content-Disposition"] = "attachment; filename=members.csv"
    return response
