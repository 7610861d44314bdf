"""群发: written, looked at on one's own phone, sent to followers, results as WeChat tells them."""

from typing import Any

from flask import Blueprint, Response, request, url_for
from sqlalchemy.orm import Session

from console import broadcast_form, broadcast_view, reply
from console.access import me, staff
from console.forms import Form
from console.official.blueprint import find_account
from core import cursors
from core.clock import now as clock_now
from core.database import reading, transaction
from crm import broadcasting
from gateways.wechat.errors import WechatError, WechatUnavailable
from messaging import broadcasts
from messaging.broadcasts import queries, remote, taking_back
from messaging.broadcasts.drafting import VIDEO
from messaging.broadcasts.errors import BroadcastInvalid
from messaging.broadcasts.models import Broadcast
from people import identities

page = Blueprint("broadcasts", __name__, url_prefix="/broadcasts")

PAGE = 30
NO_SUCH_ID, DAILY = (40003, 40132), 45009


@page.get("/")
@staff("campaigns.view")
def index() -> Response:
    now, cursor = clock_now(), request.args.get("cursor", "")
    before = cursors.number(cursors.decode(cursor, 1)[0]) if cursor else None
    with reading() as session:
        account = find_account(session)
        found = queries.list_broadcasts(
            session,
            me().merchant_id,
            appid=account.appid if account else "",
            before_id=before,
            limit=PAGE + 1,
        )
        shown = found[:PAGE]
        results = queries.results_of(session, [broadcast.id for broadcast in shown])
    more = cursors.encode([shown[-1].id]) if len(found) > PAGE else ""
    return reply.page(
        "broadcasts/index.html",
        rows=[broadcast_view.row(each, results.get(each.id), now) for each in shown],
        pager={
            "words": f"{len(shown)} 次群发",
            "next": url_for("console.broadcasts.index", cursor=more) if more else "",
            "first": url_for("console.broadcasts.index") if cursor else "",
        },
    )


@page.get("/new")
@staff("campaigns.manage")
def new() -> Response:
    form = Form(kind="text", audience="followers", page="", segment=request.args.get("segment", ""))
    if form["segment"]:
        form.put("audience", "segment")
    return broadcast_form.page(form, "写一次群发", url_for("console.broadcasts.create"))


@page.post("/new")
@staff("campaigns.manage")
def create() -> Response:
    form, now, who = Form(request.form), clock_now(), me()
    try:
        with transaction() as session:
            draft = broadcast_form.draft_of(form)
            broadcasting.check_segment(session, who.merchant_id, draft)
            made = broadcasts.create(session, who.merchant_id, draft, actor=who.actor, now=now)
    except BroadcastInvalid as refusal:
        return broadcast_form.refused(form, refusal, url_for("console.broadcasts.create"))
    return reply.done(
        url_for("console.broadcasts.show", broadcast_id=made.id), "存好了，先发给自己看看"
    )


@page.post("/look")
@staff("campaigns.manage")
def look() -> Response:
    """The form again: the fields of what was chosen, and beside it what followers will see."""
    return broadcast_form.again(Form(request.form))


@page.get("/<int:broadcast_id>")
@staff("campaigns.view")
def show(broadcast_id: int) -> Response:
    return _show_page(broadcast_id, Form())


@page.get("/<int:broadcast_id>/edit")
@staff("campaigns.manage")
def edit(broadcast_id: int) -> Response:
    with reading() as session:
        found = queries.get_broadcast(session, me().merchant_id, broadcast_id)
    form = Form(
        found.content,
        appid=found.appid,
        kind=found.kind,
        audience=found.audience.value,
        segment=found.segment_id,
        tag=found.tag_id,
    )
    return broadcast_form.page(form, "改群发", request.path)


@page.post("/<int:broadcast_id>/edit")
@staff("campaigns.manage")
def change(broadcast_id: int) -> Response:
    form, now, who = Form(request.form), clock_now(), me()
    try:
        with transaction() as session:
            found = queries.get_broadcast(session, who.merchant_id, broadcast_id)
            draft = broadcast_form.draft_of(form)
            broadcasting.check_segment(session, who.merchant_id, draft)
            broadcasts.change(session, found, draft, actor=who.actor, now=now)
    except BroadcastInvalid as refusal:
        return broadcast_form.refused(form, refusal, request.path)
    return reply.done(
        url_for("console.broadcasts.show", broadcast_id=broadcast_id), "改好了，再看一遍"
    )


@page.post("/<int:broadcast_id>/preview")
@staff("campaigns.manage")
def preview(broadcast_id: int) -> Response:
    """To one phone; whoever follows with a WeChat bound to their log-in needs to type nothing."""
    form, who = Form(request.form), me()
    with reading() as session:
        found = queries.get_broadcast(session, who.merchant_id, broadcast_id)
        openid = _own_openid(session, found)
    wechat_id = form["wechat_id"].strip()
    if not wechat_id and not openid:
        form.refuse("wechat_id", "写你的微信号，或者先用微信登录后台")
        return _show_page(broadcast_id, form, 422)
    try:
        to = {"wechat_id": wechat_id} if wechat_id else {"openid": openid}
        remote.preview(broadcast_id, actor=who.actor, **to)
    except WechatError as refused:
        form.refuse("wechat_id", _why(refused))
        return _show_page(broadcast_id, form, 422)
    except WechatUnavailable:
        form.refuse("wechat_id", "微信暂时没有回应，过一会儿再试")
        return _show_page(broadcast_id, form, 422)
    return reply.done(
        url_for("console.broadcasts.show", broadcast_id=broadcast_id), "预览发了，看看手机"
    )


@page.get("/<int:broadcast_id>/launch")
@staff("campaigns.launch")
def launching_page(broadcast_id: int) -> Response:
    now = clock_now()
    with reading() as session:
        found = queries.get_broadcast(session, me().merchant_id, broadcast_id)
        shown = broadcast_view.whole(session, found, me(), now)
    return reply.page("broadcasts/launch.html", b=shown)


@page.post("/<int:broadcast_id>/launch")
@staff("campaigns.launch")
def launch(broadcast_id: int) -> Response:
    with transaction() as session:
        found = queries.get_broadcast(session, me().merchant_id, broadcast_id)
        broadcasts.launch(session, found, actor=me().actor, now=clock_now())
    return reply.done(
        url_for("console.broadcasts.show", broadcast_id=broadcast_id), "在发了，可以离开这页"
    )


@page.get("/<int:broadcast_id>/take-back")
@staff("campaigns.launch")
def taking_back_page(broadcast_id: int) -> Response:
    with reading() as session:
        found = queries.get_broadcast(session, me().merchant_id, broadcast_id)
    shown = {"id": found.id, "name": found.name, "film": found.kind == VIDEO}
    return reply.page("broadcasts/take_back.html", b=shown)


@page.post("/<int:broadcast_id>/take-back")
@staff("campaigns.launch")
def take_back(broadcast_id: int) -> Response:
    """An article, out of the followers' chats; a job asks WeChat."""
    with transaction() as session:
        found = queries.get_broadcast(session, me().merchant_id, broadcast_id)
        taking_back.ask(session, found, actor=me().actor, now=clock_now())
    return reply.done(
        url_for("console.broadcasts.show", broadcast_id=broadcast_id), "在请微信删，过一会儿看结果"
    )


@page.post("/<int:broadcast_id>/discard")
@staff("campaigns.manage")
def discard(broadcast_id: int) -> Response:
    with transaction() as session:
        found = queries.get_broadcast(session, me().merchant_id, broadcast_id)
        broadcasts.discard(session, found, actor=me().actor, now=clock_now())
    return reply.done(url_for("console.broadcasts.index"), "这次群发作废了")


@page.post("/<int:broadcast_id>/stop")
@staff("campaigns.launch")
def stop(broadcast_id: int) -> Response:
    with transaction() as session:
        found = queries.get_broadcast(session, me().merchant_id, broadcast_id)
        broadcasts.stop(session, found, actor=me().actor, now=clock_now())
    return reply.done(
        url_for("console.broadcasts.show", broadcast_id=broadcast_id), "停住了，谁也没有收到"
    )


def _why(refused: WechatError) -> str:
    if refused.errcode in NO_SUCH_ID:
        return "微信找不到这个人。要写微信号，不是昵称，而且要关注了公众号"
    if refused.errcode == DAILY:
        return "今天的预览次数用完了，微信一天给 100 次"
    return f"微信没有接受（{refused.errcode}），检查一下内容"


def _own_openid(session: Session, broadcast: Broadcast) -> str:
    person_id = me().person_id
    if person_id is None:
        return ""
    own = identities.list_identities(session, person_id)
    return next((each.openid for each in own if each.appid == broadcast.appid), "")


def _show_page(broadcast_id: int, form: Form, status: int = 200) -> Response:
    now = clock_now()
    with reading() as session:
        found = queries.get_broadcast(session, me().merchant_id, broadcast_id)
        shown: dict[str, Any] = broadcast_view.whole(session, found, me(), now)
        shown["own"] = bool(_own_openid(session, found))
    return reply.page("broadcasts/show.html", status, b=shown, form=form)
