"""Conversations with followers: who waits, what was said, and an answer in one's own words."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from flask import Blueprint, Response, request, url_for
from sqlalchemy import select
from sqlalchemy.orm import Session

from console import inbox_view, reply
from console.access import me, staff, takes_file
from console.forms import Form, whole
from console.official import materials as materials_page
from console.official.blueprint import find_account, get_account, shown
from core import audit
from core.clock import now as clock_now
from core.database import reading, transaction
from core.errors import NotFound
from core.numbers import new_token
from gateways.wechat.errors import WechatError, WechatUnavailable
from merchants import roles
from merchants.models import Staff, StaffState
from messaging import chat, conversations, remote, staff_replies
from messaging.materials import files, shelf
from messaging.materials import remote as uploads
from messaging.models import Conversation, Material, OutboundMessage, OutboundState

page = Blueprint("inbox", __name__, url_prefix="/inbox")

TABS = {"waiting": "等回复", "mine": "我接的", "all": "全部"}


@page.get("/")
@staff("chats.reply")
def index() -> Response:
    tab = request.args.get("tab", "waiting")
    tab = tab if tab in TABS else "waiting"
    now = clock_now()
    with reading() as session:
        account = find_account(session)
        if account is None:
            return reply.page("inbox/index.html", account=None)
        found = conversations.list_page(
            session,
            account.appid,
            waiting=tab == "waiting",
            staff_id=me().staff_id if tab == "mine" else None,
            cursor=request.args.get("cursor", ""),
        )
        waiting = conversations.count_waiting(session, account.appid)
        rows = inbox_view.rows(session, account.appid, found.items, now)
    here = url_for("console.inbox.index", tab=tab)
    more = found.next and url_for("console.inbox.index", tab=tab, cursor=found.next)
    return reply.page(
        "inbox/index.html",
        account=shown(account),
        tab=tab,
        here=here,
        tabs=[
            (
                words,
                url_for("console.inbox.index", tab=name),
                waiting if name == "waiting" else "",
                name == tab,
            )
            for name, words in TABS.items()
        ],
        rows=rows,
        more=more,
        words=f"{waiting} 个人在等" if waiting else "没有人在等",
    )


@page.get("/<int:conversation_id>")
@staff("chats.reply")
def show(conversation_id: int) -> Response:
    return _page(conversation_id, Form())


@page.post("/<int:conversation_id>/send")
@staff("chats.reply")
def send(conversation_id: int) -> Response:
    """Prepare, call, record: what WeChat says is shown where it was said."""
    form, now = Form(request.form), clock_now()
    with transaction() as session:
        conversation = _mine(session, conversation_id)
        text = _chosen(session, conversation, form)
        if text is None or not _is_key(form["key"]):
            form.refuse("text", "要填")
            message = None
        else:
            message = _prepare(session, conversation, {"type": "text", "text": text}, form, now)
    if form.errors:
        return _page(conversation_id, form, 422)
    return _delivered(conversation_id, message)


@page.get("/<int:conversation_id>/file")
@staff("chats.reply")
def choose_file(conversation_id: int) -> Response:
    return _file_page(conversation_id, Form(key=_fresh_key()))


@page.post("/<int:conversation_id>/file")
@takes_file
@staff("chats.reply")
def send_file(conversation_id: int) -> Response:
    """A picture, a voice or a film: one that WeChat has, or a file that it is given first."""
    form, now = Form(request.form), clock_now()
    given = request.files.get("file")
    raw = given.read() if given else b""
    with reading() as session:
        conversation = _mine(session, conversation_id)
        known = {each.media_id: each for each in _sendable(session, conversation.appid, now)}
    said: dict[str, Any] | None = None
    if not _is_key(form["key"]):
        form.refuse("file", "这页放得太久了，重新打开再发")
    elif raw:
        said = _upload(form, conversation.appid, raw, given.filename if given else "")
    elif form["media_id"] in known:
        said = _as_payload(
            known[form["media_id"]].kind, form["media_id"], known[form["media_id"]].name
        )
    else:
        form.refuse("file", "选一个文件，或者一个传好的素材")
    if said is None:
        return _file_page(conversation_id, form, 422)
    with transaction() as session:
        message = _prepare(session, _mine(session, conversation_id), said, form, now)
    return _delivered(conversation_id, message)


@page.post("/<int:conversation_id>/assign")
@staff("chats.reply")
def assign(conversation_id: int) -> Response:
    now, wanted = clock_now(), whole(request.form.get("staff", "")) or me().staff_id
    with transaction() as session:
        conversation = _mine(session, conversation_id)
        names = dict(_colleagues(session))
        if wanted not in names:
            raise NotFound("没有这位同事")
        if conversations.assign(session, conversation, wanted, now=now):
            _record(session, "chat.assign", conversation, {"name": names[wanted]}, now)
    said = "你来接这个会话" if wanted == me().staff_id else f"已转给{names[wanted]}"
    return reply.done(
        url_for("console.inbox.show", conversation_id=conversation_id), f"{said}，机器人先不插话"
    )


@page.post("/<int:conversation_id>/close")
@staff("chats.reply")
def close(conversation_id: int) -> Response:
    with transaction() as session:
        conversation = _mine(session, conversation_id)
        if conversations.close(session, conversation):
            _record(session, "chat.close", conversation, None, clock_now())
    return reply.done(url_for("console.inbox.index"), "已结束，自动回复恢复")


@page.get("/<int:conversation_id>/pictures/<int:message_id>")
@staff("chats.reply")
def picture(conversation_id: int, message_id: int) -> Response:
    """A picture that somebody sent, through us: the page asks no other host."""
    with reading() as session:
        conversation = _mine(session, conversation_id)
        said = chat.find_said(session, conversation.appid, conversation.openid, message_id)
        is_picture = said is not None and inbox_view.is_picture(said)
        media_id = (said.data or {})["media_id"] if said and is_picture else ""
    found = uploads.fetch_picture(conversation.appid, media_id) if media_id else None
    if found is None:
        raise NotFound("图片过期了，微信只留三天")
    return materials_page.picture(*found)


@page.get("/<int:conversation_id>/voices/<int:message_id>")
@staff("chats.reply")
def voice(conversation_id: int, message_id: int) -> Response:
    """A voice as a file: no browser plays what WeChat records, phones and players do."""
    with reading() as session:
        conversation = _mine(session, conversation_id)
        said = chat.find_said(session, conversation.appid, conversation.openid, message_id)
        media_id = inbox_view.voice_of(said) if said is not None else ""
    raw = uploads.fetch_voice(conversation.appid, media_id) if media_id else None
    found = files.recognise(raw) if raw else None
    if raw is None or found is None or found.kind != files.VOICE:
        raise NotFound("语音过期了，微信只留三天")
    response = Response(raw, mimetype=found.mime)
    name = f"voice-{message_id}.{found.ending}"
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


@page.get("/quick")
@staff("chats.reply")
def quick() -> Response:
    with reading() as session:
        texts = conversations.list_quick(session, get_account(session).appid)
    return reply.page("inbox/quick.html", form=Form(texts="\n".join(texts)))


@page.post("/quick")
@staff("chats.reply")
def set_quick() -> Response:
    form = Form(request.form)
    lines = [line.strip() for line in form["texts"].splitlines() if line.strip()]
    if len(lines) > conversations.MOST_QUICK:
        form.refuse("texts", f"最多 {conversations.MOST_QUICK} 条")
    if any(len(line) > 300 for line in lines):
        form.refuse("texts", "每条最多 300 个字")
    if form.errors:
        return reply.page("inbox/quick.html", 422, form=form)
    with transaction() as session:
        conversations.set_quick(session, get_account(session).appid, lines)
    return reply.done(url_for("console.inbox.index"), "快捷回复已保存")


def _page(conversation_id: int, form: Form, status: int = 200) -> Response:
    now = clock_now()
    form.put("key", _fresh_key())
    with transaction() as session:
        conversation = _mine(session, conversation_id)
        conversations.read(session, conversation)
        seen = inbox_view.conversation(session, conversation, now)
        seen["quick"] = conversations.list_quick(session, conversation.appid)
        seen["colleagues"] = _colleagues(session)
    return reply.page("inbox/show.html", status, c=seen, form=form)


def _prepare(
    session: Session, conversation: Conversation, said: dict[str, Any], form: Form, now: datetime
) -> OutboundMessage | None:
    """What somebody says, written down; whoever speaks has the conversation. None: said before."""
    message = staff_replies.prepare_reply(
        session, conversation, said, by=me().name, key=form["key"], now=now
    )
    conversations.assign(session, conversation, me().staff_id, now=now)
    return message


def _delivered(conversation_id: int, message: OutboundMessage | None) -> Response:
    if message is not None:
        try:
            state = remote.deliver(message.id)
        except (WechatError, WechatUnavailable):
            state = OutboundState.prepared  # the job that was queued with it tries again
        if state is not OutboundState.sent and reply.is_htmx():
            return _page(conversation_id, Form())
    return reply.done(url_for("console.inbox.show", conversation_id=conversation_id))


def _upload(form: Form, appid: str, raw: bytes, filename: str | None) -> dict[str, Any] | None:
    try:
        file = files.check(raw)
        media_id = uploads.upload_for_days(appid, file, raw)
    except files.Refused as refused:
        form.refuse("file", str(refused))
        return None
    except (WechatError, WechatUnavailable) as error:
        form.refuse("file", uploads.refusal(error))
        return None
    return _as_payload(file.kind, media_id, materials_page.name_of(filename))


def _as_payload(kind: str, media_id: str, name: str) -> dict[str, Any]:
    said: dict[str, Any] = {"type": kind, "media_id": media_id}
    return said | ({"title": name, "description": ""} if kind == files.VIDEO else {})


def _sendable(session: Session, appid: str, now: datetime) -> Sequence[Material]:
    kinds = (files.IMAGE, files.VOICE, files.VIDEO)
    return shelf.list_usable(session, appid, kinds, lasting=False, now=now)


def _file_page(conversation_id: int, form: Form, status: int = 200) -> Response:
    with reading() as session:
        conversation = _mine(session, conversation_id)
        found = _sendable(session, conversation.appid, clock_now())
    known = [(each.media_id, f"{files.WORDS[each.kind]} · {each.name}") for each in found]
    return reply.page(
        "inbox/file.html", status, form=form, conversation_id=conversation_id, known=known
    )


def _is_key(key: str) -> bool:
    return key.isalnum() and 16 <= len(key) <= 64


def _fresh_key() -> str:
    """One for each form that is shown, so that a form sent twice says it once."""
    return "".join(char for char in new_token() if char.isalnum())[:32]


def _chosen(session: Session, conversation: Conversation, form: Form) -> str | None:
    """What was typed, or the quick reply that was pressed."""
    place = whole(form["quick"])
    quick = conversations.list_quick(session, conversation.appid)
    if place is not None and place < len(quick):
        return quick[place]
    return form.text("text", longest=staff_replies.LONGEST)


def _colleagues(session: Session) -> list[tuple[int, str]]:
    """Who may answer, oneself first."""
    able = [role for role in roles.PERMISSIONS if roles.may(role, "chats.reply")]
    rows = session.execute(
        select(Staff.id, Staff.name)
        .where(
            Staff.merchant_id == me().merchant_id,
            Staff.state == StaffState.active,
            Staff.role.in_(able),
        )
        .order_by(Staff.id)
    )
    return sorted(dict(rows.all()).items(), key=lambda each: each[0] != me().staff_id)


def _mine(session: Session, conversation_id: int) -> Conversation:
    found = conversations.get(session, get_account(session).appid, conversation_id)
    if found is None:
        raise NotFound("没有这个会话")
    return found


def _record(
    session: Session,
    action: str,
    conversation: Conversation,
    after: dict[str, Any] | None,
    now: datetime,
) -> None:
    audit.record(
        session,
        actor=me().actor,
        action=action,
        subject=f"chat:{conversation.id}",
        after=after,
        merchant_id=me().merchant_id,
        now=now,
    )
