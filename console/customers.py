"""One customer: a walk-in written down, a profile changed, a wish noted, merges looked at."""

from datetime import date, datetime
from typing import Any

from flask import Blueprint, Response, request, url_for
from sqlalchemy import select

from console import reply, words
from console.access import limit, me, staff
from console.forms import Form
from console.members import get_member
from core import audit, cursors
from core.clock import now as clock_now
from core.database import reading, transaction
from crm import consent, members, profiles
from crm.models import Member, MemberMerge
from people.models import MergeReason, PersonMerge
from people.phones import InvalidPhone

page = Blueprint("customers", __name__, url_prefix="/members")

PAGE = 50
WHY = {MergeReason.union_id: "同一个微信", MergeReason.phone: "验证了同一个手机号"}
CONFLICTS = {
    "name": "称呼",
    "birthday": "生日",
    "gender": "性别",
    "marketing": "营销消息",
    "personal_recommendation": "个性推荐",
}


@page.get("/new")
@staff("members.manage")
def adding() -> Response:
    return reply.page("members/new.html", form=Form(name="", phone=""))


@page.post("/new")
@staff("members.manage")
def add() -> Response:
    """Somebody at the counter, by phone; who is known already is shown."""
    limit("search")
    form, now, who = Form(request.form), clock_now(), me()
    try:
        with transaction() as session:
            member, fresh = profiles.add_walk_in(
                session,
                who.merchant_id,
                name=form["name"],
                phone=form["phone"],
                store_id=who.store_id,
                actor=who.actor,
                now=now,
            )
    except profiles.ProfileInvalid as refusal:
        form.refuse_with(refusal, "name")
        return reply.page("members/new.html", 422, form=form)
    except InvalidPhone as refusal:
        form.refuse("phone", refusal.detail)
        return reply.page("members/new.html", 422, form=form)
    said = "登记好了" if fresh else "这个手机号已经是会员"
    return reply.done(url_for("console.members.show", no=member.no), said)


@page.get("/<no>/edit")
@staff("members.manage")
def editing(no: str) -> Response:
    """The profile as it stands; that somebody saw an address whole is written down."""
    with transaction() as session:
        member = get_member(session, no)
        if member.address:
            audit.record(
                session,
                actor=me().actor,
                action="member.address_seen",
                subject=f"member:{member.id}",
                merchant_id=me().merchant_id,
                now=clock_now(),
            )
    form = Form(
        name=member.name,
        birthday=member.birthday or "",
        gender=member.gender,
        address=member.address or "",
        note=member.note,
    )
    fixed = not profiles.may_change_birthday(member, clock_now())
    return reply.page("members/edit.html", form=form, no=no, fixed=fixed)


@page.post("/<no>/edit")
@staff("members.manage")
def edit(no: str) -> Response:
    form, now, who = Form(request.form), clock_now(), me()
    birthday = _date(form["birthday"])
    fixed = False
    try:
        with transaction() as session:
            member = get_member(session, no)
            fixed = not profiles.may_change_birthday(member, now)
            profiles.change(
                session,
                member,
                name=form["name"],
                birthday=birthday,
                note=form["note"],
                gender=form["gender"],
                address=form["address"],
                actor=who.actor,
                now=now,
            )
    except profiles.ProfileInvalid as refusal:
        form.refuse_with(refusal, "name")
        return reply.page("members/edit.html", 422, form=form, no=no, fixed=fixed)
    return reply.done(url_for("console.members.show", no=no), "资料改好了")


@page.post("/<no>/refuse")
@staff("members.manage")
def refuse(no: str) -> Response:
    """They said so at the counter: switched off; to switch on is their own."""
    what, now, who = request.form.get("what", ""), clock_now(), me()
    with transaction() as session:
        member = get_member(session, no)
        consent.refuse_for(session, member, what, actor=who.actor, now=now)
        audit.record(
            session,
            actor=who.actor,
            action="member.refused",
            subject=f"member:{member.id}",
            after={"what": CONFLICTS[what]},
            merchant_id=who.merchant_id,
            now=now,
        )
    return reply.done(url_for("console.members.show", no=no), "记下了，从现在起不再发")


@page.get("/merges")
@staff("members.manage")
def merges() -> Response:
    now, cursor = clock_now(), request.args.get("cursor", "")
    found = select(MemberMerge).where(MemberMerge.merchant_id == me().merchant_id)
    if cursor:
        found = found.where(MemberMerge.id < cursors.number(cursors.decode(cursor, 1)[0]))
    with reading() as session:
        rows = session.scalars(found.order_by(MemberMerge.id.desc()).limit(PAGE + 1)).all()
        shown = rows[:PAGE]
        living = {row.id: members.living(session, row.winner_id).no for row in shown}
        why = dict(
            session.execute(
                select(Member.id, PersonMerge.reason)
                .join(PersonMerge, PersonMerge.absorbed_id == Member.person_id)
                .where(Member.id.in_([row.loser_id for row in shown]))
            ).all()
        )
    more = cursors.encode([shown[-1].id]) if len(rows) > PAGE else ""
    here = url_for("console.customers.merges")
    return reply.page(
        "members/merges.html",
        merges=[_merge(row, living[row.id], why.get(row.loser_id), now) for row in shown],
        pager={
            "words": f"{len(shown)} 次合并",
            "next": url_for("console.customers.merges", cursor=more) if more else "",
            "first": here if cursor else "",
        },
    )


def _merge(row: MemberMerge, no: str, why: MergeReason | None, now: datetime) -> dict[str, Any]:
    return {
        "why": WHY.get(why, "同一个人") if why else "同一个人",
        "href": url_for("console.members.show", no=no),
        "winner": _side(row.winner),
        "loser": _side(row.loser),
        "conflicts": [
            f"{CONFLICTS[field]}：{_said(row.winner[field])}（留下） / {_said(row.loser[field])}"
            for field in row.conflicts
        ],
        "at": words.when(row.at, now),
    }


def _side(side: dict[str, Any]) -> dict[str, str]:
    return {
        "name": side["name"] or f"会员 {side['no'][-4:]}",
        "words": f"{side['no']} · {side['orders']} 单 · ¥{words.yuan(side['spent_fen'])}",
        "more": " · ".join(_kept(side)),
    }


def _kept(side: dict[str, Any]) -> list[str]:
    """What came along; older records know less of it."""
    parts = [side["tier"]] if side.get("tier") else []
    if side["points"]:
        parts.append(f"{words.count(side['points'])} 积分")
    if side.get("balance_fen"):
        parts.append(f"余额 ¥{words.yuan(side['balance_fen'])}")
    if side.get("coupons"):
        parts.append(f"{side['coupons']} 张券")
    if side.get("paid_until"):
        parts.append("付费会员")
    return parts


def _said(value: Any) -> str:
    said = {True: "接受", False: "不接受", "female": "女", "male": "男"}
    return said.get(value, str(value)) if value is not None else "—"


def _date(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        return None
