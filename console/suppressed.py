"""发不到的人: members whom WeChat has told us not to write to, each with the reason and its end."""

from datetime import datetime
from typing import Any

from flask import Blueprint, Response, request, url_for

from console import people, reply, words
from console.access import me, staff
from console.campaign_people import TROUBLES
from core import cursors
from core.clock import now as clock_now
from core.database import reading, transaction
from crm import suppressed
from crm.suppressed import Suppressed
from gateways.wechat.troubles import Trouble
from messaging.accounts import find_mini, find_official

page = Blueprint("suppressed", __name__, url_prefix="/channels/suppressed")

PAGE = 50
HINTS = {
    Trouble.blocked: "多半在公众平台的黑名单里",
    Trouble.refused: "等对方自己打开",
    Trouble.unfollowed: "再关注就恢复",
    Trouble.unknown_user: "多半是注销了，或者换了公众号",
}


@page.get("/")
@staff("members.view")
def index() -> Response:
    now, cursor = clock_now(), request.args.get("cursor", "")
    before = None
    if cursor:
        at, id_ = cursors.decode(cursor, 2)
        before = (cursors.moment(at), cursors.number(id_))
    with reading() as session:
        found = suppressed.list_members(
            session, me().merchant_id, now=now, before=before, limit=PAGE + 1
        )
    shown = found[:PAGE]
    more = ""
    if len(found) > PAGE:
        last = shown[-1].address
        more = cursors.encode([last.at.isoformat(), last.id])
    return reply.page(
        "channels/suppressed.html",
        rows=[row(each, now) for each in shown],
        pager={
            "words": f"{len(shown)} 个地址",
            "next": url_for("console.suppressed.index", cursor=more) if more else "",
            "first": url_for("console.suppressed.index") if cursor else "",
        },
    )


@page.post("/<int:suppression_id>/lift")
@staff("campaigns.manage")
def lift(suppression_id: int) -> Response:
    """The next message is tried again; should WeChat refuse it, the person is back on the list."""
    now, who = clock_now(), me()
    with transaction() as session:
        member = suppressed.lift(session, who.merchant_id, suppression_id, actor=who.actor, now=now)
    back = url_for("console.suppressed.index")
    if request.form.get("back") == "member":
        back = url_for("console.channels.member", no=member.no)
    return reply.done(back, f"{people.name_of(member)}又能收到活动了")


def row(each: Suppressed, now: datetime) -> dict[str, Any]:
    address, member = each
    trouble = Trouble(address.reason)
    official, mini = find_official(address.appid), find_mini(address.appid)
    account, kind = official or mini, "公众号" if official else "小程序"
    return {
        "id": address.id,
        "name": people.name_of(member),
        "no": member.no,
        "account": f"{kind}「{account.name}」" if account and account.name else kind,
        "why": TROUBLES[trouble][0],
        "hint": HINTS.get(trouble, ""),
        "code": address.errcode,
        "since": words.on(address.at, now),
        "until": words.on(address.until, now),
    }
