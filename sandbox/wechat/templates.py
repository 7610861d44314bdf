"""Template messages of official accounts and subscribe messages of mini-programs."""

from typing import Any

from sandbox import pushes
from sandbox.people import Person
from sandbox.wechat import fields
from sandbox.wechat.door import ApiError, Body, Call, wechat_api
from sandbox.wechat.users import check_follows


@wechat_api("template_send", "/cgi-bin/message/template/send", title="发模板消息")
def send_template(call: Call) -> Body:
    openid, template_id = call.text("touser", 40003), call.text("template_id", 40037)
    world, account = call.world, call.own
    person = world.people.owner_of(openid, account.appid)
    name = person.name if person else "陌生人"
    key = f"{account.appid}|{openid}|{call.body.get('client_msg_id')}"
    try:
        if account.kind != "official":
            raise ApiError(48001)
        check_follows(call, openid, person, errcode=43004)
        _check(call, template_id, historical=True)
    except ApiError as error:
        call.title = f"想给{name}发模板消息，没有发成"
        world.sent.add("template", account.appid, openid, error.errcode, call.body)
        raise
    if call.body.get("client_msg_id"):
        earlier = world.sent.seen_client_id(key)
        if earlier is not None:
            call.title, call.detail = f"给{name}的模板消息重复了", "同一个客户端编号，没有再发"
            return {"msgid": earlier}
    message_id = world.next_message_id()
    if call.body.get("client_msg_id"):
        world.sent.remember_client_id(key, message_id)
    world.sent.add("template", account.appid, openid, 0, call.body)
    mini = call.body.get("miniprogram")
    _show(call, person, template_id, "template", mini if isinstance(mini, dict) else {})
    call.title = f"给{name}发了模板消息「{_title(call, template_id)}」"
    if world.settings.send_events:
        call.after.append(lambda: _finished(call, openid, message_id))
    return {"msgid": message_id}


@wechat_api("subscribe_send", "/cgi-bin/message/subscribe/send", title="发订阅消息")
def send_subscribe(call: Call) -> Body:
    openid, template_id = call.text("touser", 40003), call.text("template_id", 40037)
    world, account = call.world, call.own
    person = world.people.owner_of(openid, account.appid)
    name = person.name if person else "陌生人"
    try:
        if account.kind != "mini":
            raise ApiError(48001)
        check_follows(call, openid, person, errcode=40003)
        _check(call, template_id)
        state = call.body.get("miniprogram_state", "formal")
        if state not in ("developer", "trial", "formal"):
            raise ApiError(47003, "argument invalid! miniprogram_state invalid")
        if not world.grants.spend(openid, template_id):
            raise ApiError(43101)
    except ApiError as error:
        call.title = f"想给{name}发订阅消息，没有发成"
        world.sent.add("subscribe", account.appid, openid, error.errcode, call.body)
        raise
    message_id = world.next_message_id()
    world.sent.add("subscribe", account.appid, openid, 0, call.body)
    page = str(call.body.get("page", ""))
    _show(call, person, template_id, "subscribe", {"appid": account.appid, "pagepath": page})
    call.title = f"给{name}发了订阅消息「{_title(call, template_id)}」"
    call.detail = f"用掉一次授权，还剩 {world.grants.left(openid, template_id)} 次"
    if world.settings.send_events:
        call.after.append(lambda: _subscribe_sent(call, openid, template_id, message_id))
    return {"msgid": message_id}


def _check(call: Call, template_id: str, *, historical: bool = False) -> None:
    known = call.own.templates.values()
    if known and template_id not in known:
        raise ApiError(40037)
    wanted = call.world.settings.template_fields.get(template_id, {})
    fields.check(call.body.get("data"), wanted, historical=historical)


def _title(call: Call, template_id: str) -> str:
    return call.world.settings.template_titles.get(template_id) or "服务提醒"


def _show(
    call: Call, person: Person | None, template_id: str, kind: str, mini: dict[str, Any]
) -> None:
    if person is None or person.role == "crowd":
        return
    path = str(mini.get("pagepath", ""))
    call.world.chats.add(
        person,
        call.own.appid,
        sender="account",
        kind=kind,
        title=_title(call, template_id),
        rows=fields.rows(
            call.body["data"], call.world.settings.template_fields.get(template_id, {})
        ),
        url=call.body.get("url") or "",
        appid=mini.get("appid", ""),
        path="/" + path.lstrip("/") if path else "",
    )


def _person(call: Call, openid: str) -> Person:
    person = call.world.people.owner_of(openid, call.own.appid)
    assert person is not None
    return person


def _finished(call: Call, openid: str, message_id: int) -> None:
    person = _person(call, openid)
    _event(
        call,
        openid,
        f"模板消息送到了{person.name}手里",
        Event="TEMPLATESENDJOBFINISH",
        MsgID=message_id,
        Status="success",
    )


def _subscribe_sent(call: Call, openid: str, template_id: str, message_id: int) -> None:
    person = _person(call, openid)
    row = {
        "TemplateId": template_id,
        "MsgID": str(message_id),
        "ErrorCode": "0",
        "ErrorStatus": "success",
    }
    _event(
        call,
        openid,
        f"订阅消息送到了{person.name}手里",
        Event="subscribe_msg_sent_event",
        SubscribeMsgSentEvent={"List": [row]},
    )


def _event(call: Call, openid: str, title: str, **event: Any) -> None:
    person = _person(call, openid)
    push = pushes.build(
        call.world,
        call.own,
        person,
        openid,
        MsgType="event",
        title=title,
        shown=False,
        **event,
    )
    pushes.send(call.world, push)
