"""Customer-service messages: only inside a window that the person opened, and only so many."""

from typing import Any

from sandbox.wechat.door import ApiError, Body, Call, wechat_api
from sandbox.wechat.media import sent
from sandbox.wechat.users import check_follows

TEXT_BYTES = 2048


@wechat_api("custom_send", "/cgi-bin/message/custom/send", title="发客服消息")
def send(call: Call) -> Body:
    openid, kind = call.text("touser", 40003), call.text("msgtype", 40008)
    world, appid = call.world, call.own.appid
    person = world.people.owner_of(openid, appid)
    try:
        check_follows(call, openid, person, errcode=45015)
        part = call.body.get(kind)
        if not isinstance(part, dict):
            raise ApiError(40008)
        message = _message(call, kind, part)
        spent = world.windows.spend(appid, openid)
        if spent != "ok":
            raise ApiError(45015 if spent == "over" else 45047)
    except ApiError as error:
        call.title = f"想给{person.name if person else '陌生人'}发客服消息，没有发成"
        world.sent.add("customer", appid, openid, error.errcode, call.body)
        raise
    assert person is not None
    world.sent.add("customer", appid, openid, 0, call.body)
    world.chats.add(person, appid, sender="account", **message)
    call.title = f"给{person.name}发了一条客服消息"
    call.detail = _summary(message)
    return {}


@wechat_api("typing", "/cgi-bin/message/custom/typing", title="显示正在输入")
def typing(call: Call) -> Body:
    openid = call.text("touser", 40003)
    person = call.world.people.owner_of(openid, call.own.appid)
    check_follows(call, openid, person, errcode=45015)
    if call.body.get("command") not in ("Typing", "CancelTyping"):
        raise ApiError(40035)
    return {}


def _message(call: Call, kind: str, part: dict[str, Any]) -> dict[str, Any]:
    """The message as the chat shows it."""
    if kind == "text":
        text = part.get("content")
        if not isinstance(text, str) or not text:
            raise ApiError(44004, "empty content")
        if len(text.encode()) > TEXT_BYTES:
            raise ApiError(45002)
        return {"kind": "text", "text": text}
    if kind == "news":
        articles = part.get("articles")
        if (
            not isinstance(articles, list)
            or len(articles) != 1
            or not isinstance(articles[0], dict)
        ):
            raise ApiError(45008, "article size out of limit")
        article = articles[0]
        row = {name: article.get(name, "") for name in ("title", "description", "url")}
        return {"kind": "news", "articles": [{**row, "pic_url": article.get("picurl", "")}]}
    if kind == "miniprogrampage":
        if not part.get("appid") or not isinstance(part.get("pagepath"), str):
            raise ApiError(40165)
        return {
            "kind": "mini",
            "title": part.get("title", ""),
            "appid": part["appid"],
            "path": "/" + part["pagepath"].lstrip("/"),
        }
    if kind == "msgmenu":
        rows = [row for row in part.get("list") or [] if isinstance(row, dict)]
        lines = [part.get("head_content"), *(f"· {row.get('content', '')}" for row in rows)]
        lines.append(part.get("tail_content"))
        return {"kind": "text", "text": "\n".join(str(line) for line in lines if line)}
    if kind in ("image", "voice", "video"):
        return sent(call, kind, part)
    if kind == "music":
        url = part.get("musicurl")
        if not url or not part.get("thumb_media_id"):
            raise ApiError(40007)
        return {**part, "kind": kind, "url": url}
    if kind in ("mpnews", "mpnewsarticle", "wxcard"):
        return {"kind": kind, **part}
    raise ApiError(40008)


def _summary(message: dict[str, Any]) -> str:
    if message["kind"] == "news":
        return str(message["articles"][0]["title"])
    return str(message.get("text") or message.get("title") or message["kind"])[:60]
