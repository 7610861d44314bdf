"""People and their acts: follow, talk, tap, scan."""

from base64 import b64decode
from typing import Any

from flask import jsonify, request
from flask.typing import ResponseReturnValue

from sandbox import acts
from sandbox.api.door import Refused, account_of, body, control, need, person_of, the_world
from sandbox.people import Person, openid_of
from sandbox.wechat.media import mime_of

PICTURES = ("image/jpeg", "image/png", "image/gif")
LARGEST_PICTURE = 4 * 1024 * 1024


@control.get("/accounts")
def list_accounts() -> ResponseReturnValue:
    world = the_world()
    return jsonify(
        accounts=[
            {
                "appid": account.appid,
                "kind": account.kind,
                "name": account.name,
                "mode": account.mode,
                "templates": dict(account.templates),
            }
            for account in world.settings.accounts.values()
        ],
        merchants=[{"mchid": m.mchid, "name": m.name} for m in world.settings.merchants.values()],
    )


@control.post("/accounts")
def change_mode() -> ResponseReturnValue:
    """How messages are sealed from now on: {"mode": "plain" | "compatible" | "safe", "appid"?}."""
    world, data = the_world(), body()
    appid = account_of(data).appid if "appid" in data else None
    try:
        world.set_mode(need(data, "mode"), appid)
    except ValueError as error:
        raise Refused(400, str(error)) from error
    return list_accounts()


@control.get("/people")
def list_people() -> ResponseReturnValue:
    return jsonify(people=[_shown(person) for person in the_world().people.list()])


@control.post("/people")
def create_person() -> ResponseReturnValue:
    data = body()
    person = the_world().people.create(need(data, "name"), data.get("role", "顾客"))
    return jsonify(_shown(person)), 201


@control.post("/people/<person_id>/follow")
def follow(person_id: str) -> ResponseReturnValue:
    data = body()
    account = account_of(data, "official")
    return jsonify(acts.follow(the_world(), person_of(person_id), account, wait=_wait(data)))


@control.post("/people/<person_id>/unfollow")
def unfollow(person_id: str) -> ResponseReturnValue:
    data = body()
    account = account_of(data, "official")
    return jsonify(acts.unfollow(the_world(), person_of(person_id), account, wait=_wait(data)))


@control.post("/people/<person_id>/say")
def say(person_id: str) -> ResponseReturnValue:
    data = body()
    account, text = account_of(data, "official"), need(data, "text")
    return jsonify(acts.say(the_world(), person_of(person_id), account, text, wait=_wait(data)))


@control.post("/people/<person_id>/show")
def show(person_id: str) -> ResponseReturnValue:
    """A picture: {"name": …} is drawn, {"image": base64} is the file itself."""
    data = body()
    account, raw = account_of(data, "official"), b""
    if "image" in data:
        try:
            raw = b64decode(need(data, "image"), validate=True)
        except ValueError:
            raise Refused(400, "image is not base64") from None
        if mime_of(raw) not in PICTURES or len(raw) > LARGEST_PICTURE:
            raise Refused(400, "只收 4 MB 以内的 JPG、PNG、GIF")
    name = "" if raw else need(data, "name")
    told = acts.show(the_world(), person_of(person_id), account, name, raw=raw, wait=_wait(data))
    return jsonify(told)


@control.post("/people/<person_id>/speak")
def speak(person_id: str) -> ResponseReturnValue:
    """A voice of so many seconds."""
    data = body()
    account, seconds = account_of(data, "official"), need(data, "seconds", int)
    if not 1 <= seconds <= 60:
        raise Refused(400, "一段语音 1 到 60 秒")
    who = person_of(person_id)
    return jsonify(acts.speak(the_world(), who, account, seconds, wait=_wait(data)))


@control.post("/people/<person_id>/snapshot")
def look_as_snapshot(person_id: str) -> ResponseReturnValue:
    """Whether web pages learn a made-up identity, as for somebody who did not agree."""
    known = the_world().snapshots
    known.add(person_of(person_id).id) if body().get("on", True) else known.discard(person_id)
    return jsonify({"snapshot": person_id in known})


@control.post("/people/<person_id>/tap")
def tap(person_id: str) -> ResponseReturnValue:
    data = body()
    path = need(data, "path", list)
    if not all(isinstance(index, int) for index in path):
        raise Refused(400, "path is a list of positions")
    account = account_of(data, "official")
    return jsonify(
        acts.tap(
            the_world(),
            person_of(person_id),
            account,
            path,
            scan=data.get("scan"),
            wait=_wait(data),
        )
    )


@control.post("/people/<person_id>/scan")
def scan(person_id: str) -> ResponseReturnValue:
    data = body()
    content = need(data, "qr")
    return jsonify(acts.scan(the_world(), person_of(person_id), content, wait=_wait(data)))


@control.post("/people/<person_id>/screen")
def show_on_screen(person_id: str) -> ResponseReturnValue:
    """What other phones' cameras can see on this one: {"qr": "...", "title"} or {"qr": null}."""
    data, person = body(), person_of(person_id)
    person.screen = data.get("qr") or ""
    person.screen_title = data.get("title") or data.get("label") or ""
    return jsonify(_shown(person))


@control.get("/people/<person_id>/chat")
def chat(person_id: str) -> ResponseReturnValue:
    world, person = the_world(), person_of(person_id)
    account = account_of(dict(request.args), "official")
    openid = openid_of(account.appid, person.id)
    follow_row = world.followers.find(account.appid, openid)
    buttons, conditional = world.menus.seen_by(account.appid, follow_row.tags if follow_row else [])
    return jsonify(
        person=_shown(person),
        account={"appid": account.appid, "kind": account.kind, "name": account.name},
        openid=openid,
        followed=follow_row is not None,
        subtitle=_subtitle(account.kind, conditional),
        tags=follow_row.tags if follow_row else [],
        messages=world.chats.list(person, account.appid),
        menu={"button": buttons, "conditional": conditional} if follow_row and buttons else None,
        windows=world.windows.list(account.appid, openid),
        grants={t: world.grants.left(openid, t) for t in account.templates.values()},
    )


def _subtitle(kind: str, conditional: bool) -> str:
    if kind == "mini":
        return "服务通知"
    return "店员菜单 · 演示账号" if conditional else "已认证 · 演示账号"


def _wait(data: dict[str, Any]) -> bool:
    """By default an act returns when the shop has answered; `"wait": false` returns at once."""
    return data.get("wait", True) is not False


def _shown(person: Person) -> dict[str, Any]:
    world = the_world()
    openids = {appid: openid_of(appid, person.id) for appid in world.settings.accounts}
    return {
        "id": person.id,
        "name": person.name,
        "role": person.role,
        "phone": person.phone,
        "unionid": person.union_id,
        "openids": openids,
        "following": [a for a, openid in openids.items() if world.followers.find(a, openid)],
        "balance_fen": person.balance_fen,
        "screen": person.screen or None,
    }
