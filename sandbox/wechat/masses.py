"""Broadcasts: to openids, to a tag, to all; previewed, counted, four a month for each follower."""

from typing import Any

from sandbox import pushes
from sandbox.people import Person
from sandbox.wechat.door import ApiError, Body, Call, wechat_api
from sandbox.wechat.massstore import CALLS_A_DAY, PREVIEWS_A_DAY, Mass
from sandbox.wechat.media import sent

TEXT_BYTES, CLIENT_ID_BYTES = 2048, 64
FINISHED_AFTER = 1.0
_WECHAT = Person("wechat", "微信", "crowd", "")


@wechat_api("mass_send", "/cgi-bin/message/mass/send", title="群发（按名单）")
def send(call: Call) -> Body:
    openids = call.body.get("touser")
    if not isinstance(openids, list) or not 2 <= len(openids) <= 10_000:
        raise ApiError(40032)
    return _take(call, [str(openid) for openid in openids])


@wechat_api("mass_sendall", "/cgi-bin/message/mass/sendall", title="群发（按标签）")
def send_all(call: Call) -> Body:
    chosen = call.body.get("filter")
    if not isinstance(chosen, dict):
        raise ApiError(40035)
    if chosen.get("is_to_all") is True:
        return _take(call, _everybody(call), to_all=True)
    tag = chosen.get("tag_id")
    if not isinstance(tag, int) or tag not in call.world.tags.of(call.own.appid):
        raise ApiError(45159)
    return _take(call, call.world.followers.of_tag(call.own.appid, tag))


@wechat_api("mass_preview", "/cgi-bin/message/mass/preview", title="预览群发")
def preview(call: Call) -> Body:
    _check_account(call)
    shown, world = _content(call), call.world
    if call.body.get("towxname"):
        person = next(
            (p for p in world.people.list() if call.body["towxname"] in (p.id, p.name)), None
        )
        if person is None:
            raise ApiError(40132)
        if not world.masses.spend_call(call.own.appid, "previews", PREVIEWS_A_DAY):
            raise ApiError(45009)
    else:
        openid = call.text("touser", 40003)
        person = world.people.owner_of(openid, call.own.appid)
        if person is None or not world.followers.find(call.own.appid, openid):
            raise ApiError(40003)
    world.chats.add(person, call.own.appid, sender="account", **shown)
    call.title, call.detail = f"给{person.name}看了群发的预览", "预览不占次数"
    return {"msg_id": world.next_message_id()}


@wechat_api("mass_get", "/cgi-bin/message/mass/get", title="查群发状态")
def status(call: Call) -> Body:
    mass = _mass(call)
    return {"msg_id": mass.msg_id, "msg_status": mass.status}


@wechat_api("mass_delete", "/cgi-bin/message/mass/delete", title="删除群发")
def delete(call: Call) -> Body:
    mass = _mass(call)
    if mass.content["kind"] not in ("news", "video"):
        raise ApiError(40008)
    mass.status = "DELETE"
    if mass.content["kind"] == "video":
        call.title = "删掉了一段群发的视频"
        return {}
    gone = {"title": "该内容已被发布者删除", "description": "", "url": "", "pic_url": ""}
    mass.content["articles"][:] = [gone]  # the chats show this very list
    call.title = "删掉了一篇群发的文章"
    return {}


@wechat_api("draft_add", "/cgi-bin/draft/add", title="新建草稿")
def add_draft(call: Call) -> Body:
    articles = call.body.get("articles")
    if not isinstance(articles, list) or not 1 <= len(articles) <= 8:
        raise ApiError(40035)
    for article in articles:
        if not isinstance(article, dict) or not article.get("title") or not article.get("content"):
            raise ApiError(40035)
        if not article.get("thumb_media_id"):
            raise ApiError(40007)
        if len(str(article["title"])) > 64:
            raise ApiError(45003)
    call.title = f"存了一篇草稿「{articles[0]['title']}」"
    return {"media_id": call.world.masses.keep_draft(articles[0])}


@wechat_api("media_uploadvideo", "/cgi-bin/media/uploadvideo", title="把视频改成能群发的")
def upload_video(call: Call) -> Body:
    title = call.text("title", 40035)
    shown = {**sent(call, "video", call.body), "title": title}
    shown["description"] = str(call.body.get("description") or "")
    call.title = f"准备群发视频「{title}」"
    media_id = call.world.masses.keep_draft(shown)
    return {"type": "video", "media_id": media_id, "created_at": int(call.world.clock.stamp())}


@wechat_api("quota_get", "/cgi-bin/openapi/quota/get", title="查接口额度")
def quota(call: Call) -> Body:
    path = call.text("cgi_path", 76021)
    masses = path in ("/cgi-bin/message/mass/send", "/cgi-bin/message/mass/sendall")
    limit = CALLS_A_DAY if masses else 100_000
    used = call.world.masses.used_today(call.own.appid) if masses else 0
    return {"quota": {"daily_limit": limit, "used": used, "remain": limit - used}}


def _take(call: Call, openids: list[str], *, to_all: bool = False) -> Body:
    _check_account(call)
    world, appid, content = call.world, call.own.appid, _content(call)
    client_id = str(call.body.get("clientmsgid") or "")
    if len(client_id.encode()) > CLIENT_ID_BYTES:
        raise ApiError(45067)
    key = f"{appid}|{client_id}"
    if client_id and (earlier := world.masses.repeated(key)) is not None:
        msg_id, too_soon = earlier
        if too_soon:
            raise ApiError(45066)
        raise ApiError(45065, msg_id=msg_id)
    if not world.masses.spend_call(appid, "calls", CALLS_A_DAY):
        raise ApiError(45028)
    mass = Mass(world.next_message_id(), appid, world.clock.now(), content, openids, to_all)
    if client_id:
        world.masses.remember(key, mass.msg_id)
    world.masses.add(mass)
    call.title = f"要群发给 {len(openids)} 人"
    call.detail = "发给全部要管理员在手机上确认" if to_all else "过一会儿报总数"
    if world.settings.send_events:
        call.after.append(
            lambda: world.timer.after(FINISHED_AFTER, lambda: finish(world, mass.msg_id))
        )
    return {"msg_id": mass.msg_id, "msg_data_id": world.next_message_id()}


def finish(world: Any, msg_id: int, status: str = "send success") -> None:
    """Send what was accepted, count it and tell the shop; another `status` sends nothing."""
    with world.lock:
        mass = world.masses.find(msg_id)
        if mass is None or mass.status != "SENDING":
            return
        account = world.account(mass.appid)
        if status == "send success":
            _deliver(world, mass)
        else:
            mass.total = len(mass.touser)
        mass.status = "SEND_SUCCESS" if status == "send success" else "SEND_FAIL"
        push = pushes.build(
            world,
            account,
            _WECHAT,
            "oWechatSystem",
            MsgType="event",
            Event="MASSSENDJOBFINISH",
            MsgID=mass.msg_id,
            Status=status,
            TotalCount=mass.total,
            FilterCount=mass.filtered,
            SentCount=mass.sent,
            ErrorCount=mass.errors,
            title=f"群发完了：{mass.sent} 人收到，{mass.errors} 人没收到",
            shown=False,
        )
    pushes.send(world, push)


def _deliver(world: Any, mass: Mass) -> None:
    mass.total = len(mass.touser)
    for openid in mass.touser:
        person = world.people.owner_of(openid, mass.appid)
        if person is None or not world.followers.find(mass.appid, openid):
            continue
        mass.filtered += 1
        if not world.masses.spend(mass.appid, openid):
            mass.errors += 1
            continue
        mass.sent += 1
        world.chats.add(person, mass.appid, sender="account", **mass.content)


def _check_account(call: Call) -> None:
    if call.own.kind != "official":
        raise ApiError(48001)


def _content(call: Call) -> dict[str, Any]:
    """The message as a chat shows it."""
    kind = call.text("msgtype", 40008)
    part = call.body.get(kind)
    several = call.body.get("images")
    if kind == "image" and isinstance(several, dict) and several.get("media_ids"):
        part = {"media_id": several["media_ids"][0]}
    if not isinstance(part, dict):
        raise ApiError(40008)
    if kind == "text":
        words = part.get("content")
        if not isinstance(words, str) or not words:
            raise ApiError(44004, "empty content")
        if len(words.encode()) > TEXT_BYTES:
            raise ApiError(45002)
        return {"kind": "text", "text": words}
    if kind in ("image", "voice"):
        return sent(call, kind, part)
    if kind == "mpvideo":
        film = call.world.masses.draft(part.get("media_id"))
        if film is None or "pic_url" not in film:
            raise ApiError(40007)
        return dict(film)
    if kind == "mpnews":
        draft = call.world.masses.draft(part.get("media_id"))
        if draft is None or "pic_url" in draft:
            raise ApiError(40007)
        return {"kind": "news", "articles": [_article(call, draft)]}
    raise ApiError(40008)


def _article(call: Call, draft: dict[str, Any]) -> dict[str, Any]:
    cover = str(draft["thumb_media_id"])
    known = call.world.media.find(cover, call.own.appid)
    return {
        "title": draft["title"],
        "description": draft.get("digest", ""),
        "url": draft.get("content_source_url", ""),
        "pic_url": f"/sandbox/media/{cover}" if known else "",
    }


def _everybody(call: Call) -> list[str]:
    openids: list[str] = []
    after = ""
    while True:
        _total, page = call.world.followers.page(call.own.appid, after)
        if not page:
            return openids
        openids += page
        after = page[-1]


def _mass(call: Call) -> Mass:
    mass = call.world.masses.find(call.body.get("msg_id"))
    if mass is None or mass.appid != call.own.appid:
        raise ApiError(40009)
    return mass
