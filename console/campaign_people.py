"""The list behind a campaign's numbers: each person with one state, one reason, and a way out."""

import csv
import io
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from flask import Blueprint, Response, request, url_for
from sqlalchemy import select

from console import access, campaign_view, people, reply, step_up, words
from console.access import me, staff
from console.forms import Form
from core import audit, cursors
from core.clock import now as clock_now
from core.database import reading, transaction
from core.errors import Malformed
from crm.campaigns import queries, variants
from crm.campaigns.reach import SKIP_REASONS
from crm.models import Arm, Campaign, Member, Recipient, RecipientState
from gateways.wechat.troubles import Trouble
from people.models import Person

page = Blueprint("campaign_people", __name__, url_prefix="/campaigns/<int:campaign_id>/people")

PAGE = 50
MOST_EXPORTED = 50_000
HOLDOUT = "holdout"
STATES = {
    RecipientState.sent: ("送到微信了", "ok"),
    RecipientState.failed: ("没发成", "bad"),
    RecipientState.unknown: ("不确定", "warn"),
    RecipientState.skipped: ("跳过", ""),
    RecipientState.issued: ("等着发", "note"),
    RecipientState.sending: ("正在发", "note"),
    RecipientState.planned: ("还没轮到", ""),
}
TROUBLES = {
    Trouble.blocked: ("被微信拦下了", "多半在公众平台的黑名单里，90 天内不再发给他"),
    Trouble.refused: ("对方不收消息", "90 天内不再发给他"),
    Trouble.unfollowed: ("已经取消关注", "30 天内不再发，重新关注就恢复"),
    Trouble.unknown_user: ("微信不认识这个号", "半年内不再发给他"),
    Trouble.window_over: ("聊天窗口刚好关了", "他再说话就能发"),
    Trouble.not_granted: ("订阅次数用完了", "他再点一次允许就能发"),
    Trouble.template: ("模板用不了", "换好模板再发"),
    Trouble.content: ("文字或页面被拦", "改文字"),
    Trouble.account: ("账号发送受限", "到微信后台处理"),
    Trouble.other: ("微信没有接受", "给的东西已经到账"),
}
MOMENTS = {
    "no_consent": ("不接收营销消息", "发消息前本人关掉的"),
    "window_closed": ("聊天窗口关了", "他再说话就能发"),
    "not_granted": ("订阅次数用完了", "他再点一次允许就能发"),
}
CHANNELS = {"customer_service": "客服会话", "subscribe": "订阅消息", "broadcast": "群发"}


@page.get("/")
@staff("members.view")
def index(campaign_id: int) -> Response:
    now, cursor = clock_now(), request.args.get("cursor", "")
    state, reason = request.args.get("state", ""), request.args.get("reason", "")
    with reading() as session:
        campaign = queries.get_campaign(session, me().merchant_id, campaign_id)
        progress = queries.progress(session, campaign)
        after = cursors.number(cursors.decode(cursor, 1)[0]) if cursor else 0
        wanted = _wanted(campaign, state, reason).where(Recipient.id > after)
        found = session.execute(wanted.limit(PAGE + 1)).all()
        tried = len(variants.list_variants(session, campaign)) > 1
        rows = [_row(r, m, p, now, tried=tried) for r, m, p in found[:PAGE]]
        shown = campaign_view.head(session, campaign, now)
    here: dict[str, Any] = {"campaign_id": campaign_id}
    here |= {"state": state or None, "reason": reason or None}
    more = cursors.encode([found[PAGE - 1][0].id]) if len(found) > PAGE else ""
    address = "console.campaign_people.index"
    return reply.page(
        "campaigns/people.html",
        c=shown,
        rows=rows,
        tabs=_tabs(campaign_id, progress, state),
        reasons=_reasons(progress, state),
        filters={"state": state, "reason": reason},
        pager={
            "words": f"{len(rows)} 人",
            "next": url_for(address, **here, cursor=more) if more else "",
            "first": url_for(address, **here) if cursor else "",
        },
    )


@page.get("/export")
@staff("members.export")
def exporting(campaign_id: int) -> Response:
    return _export_page(campaign_id, Form(request.args.to_dict()), access.is_proved(clock_now()))


@page.post("/export")
@staff("members.export")
def export(campaign_id: int) -> Response:
    form, now = Form(request.form), clock_now()
    if not step_up.is_proved(form, now):
        return _export_page(campaign_id, form, False, 422)
    with transaction() as session:
        campaign = queries.get_campaign(session, me().merchant_id, campaign_id)
        wanted = _wanted(campaign, form["state"], form["reason"]).limit(MOST_EXPORTED)
        tried = len(variants.list_variants(session, campaign)) > 1
        rows = [_row(r, m, p, now, tried=tried) for r, m, p in session.execute(wanted)]
        audit.record(
            session,
            actor=me().actor,
            action="campaign.export",
            subject=f"campaign:{campaign_id}",
            before={},
            after={"people": len(rows), "proved_again": True},
            merchant_id=me().merchant_id,
            now=now,
        )
    response = _csv(rows)
    step_up.remember(response, now)
    return response


def _wanted(campaign: Campaign, state: str, reason: str) -> Any:
    query = (
        select(Recipient, Member, Person)
        .join(Member, Member.id == Recipient.member_id)
        .join(Person, Person.id == Member.person_id)
        .where(Recipient.campaign_id == campaign.id)
        .order_by(Recipient.id)
    )
    if state == HOLDOUT:
        return query.where(Recipient.arm == Arm.holdout)
    if state:
        if state not in list(RecipientState):
            raise Malformed("没有这样的状态")
        query = query.where(Recipient.state == RecipientState(state), Recipient.arm != Arm.holdout)
    return query.where(Recipient.skip_reason == reason) if reason else query


def _row(
    recipient: Recipient, member: Member, person: Person, now: datetime, *, tried: bool
) -> dict[str, str]:
    """`tried`: the campaign compares several offers, so each person's letter says something."""
    is_reached = recipient.arm is Arm.reach
    text, kind = STATES[recipient.state]
    why, way_out = why_words(recipient)
    if recipient.arm is Arm.holdout:
        text, kind, why, way_out = "对照组", "", "不发，用来量增量", ""
    return {
        "name": people.name_of(member),
        "no": member.no,
        "href": url_for("console.members.show", no=member.no),
        "state": text,
        "kind": kind,
        "why": why,
        "way_out": way_out,
        "code": "" if recipient.errcode is None else f"微信 {recipient.errcode}",
        "channel": CHANNELS.get(recipient.channel or "", "") if is_reached else "",
        "variant": "ABCD"[recipient.variant] if is_reached and tried else "",
        "when": words.when(recipient.state_at, now),
        "phone": (person.phone or "")[-4:],
    }


def why_words(recipient: Recipient) -> tuple[str, str]:
    """Why nothing arrived, and what opens the door; empty when it did."""
    reason = recipient.skip_reason or ""
    if recipient.state is RecipientState.unknown:
        return (
            "发的时候断了，不知道到没到",
            "微信认不出重复，再发可能收到两条，所以不再发",
        )
    if recipient.state is RecipientState.failed:
        known = MOMENTS.get(reason)
        return known or TROUBLES[Trouble(reason) if reason in list(Trouble) else Trouble.other]
    if recipient.state is RecipientState.skipped:
        return SKIP_REASONS.get(reason, "没有可用渠道"), campaign_view.WAYS_OUT.get(reason, "")
    return "", ""


def reason_words(reason: str) -> str:
    if reason in MOMENTS:
        return MOMENTS[reason][0]
    if reason in list(Trouble):
        return TROUBLES[Trouble(reason)][0]
    return SKIP_REASONS.get(reason, "没有可用渠道")


def _tabs(
    campaign_id: int, progress: queries.Progress, chosen: str
) -> list[tuple[str, str, str, bool]]:
    counts = [("", "全部", progress.audience)]
    counts += [(s.value, text, progress.count(s)) for s, (text, _) in STATES.items()]
    counts = [
        (name, text, sum(progress.skipped.values()) if name == "skipped" else number)
        for name, text, number in counts
    ]
    counts.append((HOLDOUT, "对照组", progress.held_out))
    address = "console.campaign_people.index"
    return [
        (
            text,
            url_for(address, campaign_id=campaign_id, state=name or None),
            words.count(number),
            name == chosen,
        )
        for name, text, number in counts
        if number or name == chosen
    ]


def _reasons(progress: queries.Progress, state: str) -> list[tuple[str, str]]:
    known: Iterable[str] = progress.skipped if state in ("", "skipped") else ()
    if state == RecipientState.failed:
        known = progress.failed
    return [("", "所有原因"), *((name, reason_words(name)) for name in known if name)]


def _export_page(campaign_id: int, form: Form, proved: bool, status: int = 200) -> Response:
    with reading() as session:
        campaign = queries.get_campaign(session, me().merchant_id, campaign_id)
    return reply.page(
        "campaigns/export.html",
        status,
        c={"id": campaign.id, "name": campaign.name},
        filters={"state": form["state"], "reason": form["reason"]},
        limit=words.count(MOST_EXPORTED),
        form=form,
        stepped_up=proved,
    )


def _csv(rows: Iterable[dict[str, str]]) -> Response:
    """UTF-8 with a mark for spreadsheets; phone numbers keep their last four digits."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(
        ["会员号", "名字", "手机尾号", "组", "状态", "原因", "微信代码", "渠道", "时间"]
    )
    keys = ("no", "name", "phone", "variant", "state", "why", "code", "channel", "when")
    for row in rows:
        writer.writerow([people.harmless(row[key]) for key in keys])
    response = Response("\ufeff" + out.getvalue(), content_type="text/csv; charset=utf-8")
    response.headers["Content-Disposition"] = "attachment; filename=campaign.csv"
    return response
