"""What people do with their phones: follow, talk, tap menus, scan. Each act tells the shop."""

from typing import Any
from urllib.parse import quote, urlencode

from sandbox import pushes
from sandbox.people import Person, openid_of
from sandbox.settings import Account
from sandbox.state import World
from sandbox.wechat import media
from sandbox.wechat.followers import Follow
from sandbox.wechat.qrstore import Qr

Result = dict[str, Any]
PAY_CODE = "weixin://wxpay/bizpayurl?pr="
AMR_HEAD, AMR_FRAME = b"#!AMR\n", b"\x3c" + bytes(31)
"""What a voice is recorded as: fifty frames a second, here of silence."""


class NotPossible(ValueError):
    """A person cannot do that on a phone now; the message says why."""


def follow(
    world: World, person: Person, account: Account, *, qr: Qr | None = None, wait: bool = True
) -> Result:
    """Follow, by a code or by search. Following twice is impossible on a phone and does nothing."""
    openid = openid_of(account.appid, person.id)
    with world.lock:
        if world.followers.find(account.appid, openid):
            return {"kind": "follow", "appid": account.appid, "already": True}
        scene = "ADD_SCENE_QR_CODE" if qr else "ADD_SCENE_SEARCH"
        world.followers.add(
            Follow(account.appid, openid, int(world.clock.stamp()), scene, qr.scene if qr else "")
        )
        world.windows.open(account.appid, openid, "follow")
        how = f"扫「{_label(qr)}」" if qr else ""
        world.chats.add(
            person, account.appid, sender="me", kind="event", text=f"{how}关注了{account.name}"
        )
        extra: dict[str, Any] = {"EventKey": ""}
        if qr:
            extra = {"EventKey": f"qrscene_{qr.scene}", "Ticket": qr.ticket}
    return _event(
        world, account, person, "subscribe", f"{person.name}{how}关注了公众号", wait=wait, **extra
    )


def unfollow(world: World, person: Person, account: Account, *, wait: bool = True) -> Result:
    openid = openid_of(account.appid, person.id)
    with world.lock:
        if not world.followers.remove(account.appid, openid):
            raise NotPossible("还没有关注")
        world.windows.close_all(account.appid, openid)
    title = f"{person.name}取消了关注"
    return _event(world, account, person, "unsubscribe", title, wait=wait, shown=False, EventKey="")


def say(world: World, person: Person, account: Account, text: str, *, wait: bool = True) -> Result:
    shown = {"kind": "text", "text": text}
    title = f"{person.name}说：{text[:40]}"
    return _say(world, person, account, shown, title, wait, MsgType="text", Content=text)


def show(
    world: World,
    person: Person,
    account: Account,
    name: str = "",
    *,
    raw: bytes = b"",
    wait: bool = True,
) -> Result:
    """Send a picture: a file, or, by `name`, one that is drawn."""
    media_id = media.PREFIX + name
    if raw:
        kept = world.media.add(account.appid, "image", media.mime_of(raw), raw, lasting=False)
        media_id = kept.media_id
    address = f"/sandbox/media/{media_id}"
    fields = {"PicUrl": f"{world.settings.sandbox_url}{address}", "MediaId": media_id}
    shown = {"kind": "image", "pic_url": address}
    title = f"{person.name}发了一张图片"
    return _say(world, person, account, shown, title, wait, MsgType="image", **fields)


def speak(
    world: World, person: Person, account: Account, seconds: int, *, wait: bool = True
) -> Result:
    """Send a voice as a phone records it: an AMR file, of silence."""
    raw = AMR_HEAD + AMR_FRAME * 50 * seconds
    kept = world.media.add(account.appid, "voice", "audio/amr", raw, lasting=False)
    shown = {"kind": "text", "text": f"[语音] {seconds}″"}
    title = f"{person.name}说了 {seconds} 秒语音"
    fields = {"MediaId": kept.media_id, "Format": "amr"}
    return _say(world, person, account, shown, title, wait, MsgType="voice", **fields)


def _say(
    world: World,
    person: Person,
    account: Account,
    shown: dict[str, str],
    title: str,
    wait: bool,
    **fields: Any,
) -> Result:
    openid = openid_of(account.appid, person.id)
    with world.lock:
        if account.kind == "official" and not world.followers.find(account.appid, openid):
            raise NotPossible("先关注，才能发消息")
        world.windows.open(account.appid, openid, "message")
        world.chats.add(person, account.appid, sender="me", **shown)
        push = pushes.build(world, account, person, openid, title=title, **fields)
    return _told(pushes.send(world, push, wait=wait))


def tap(
    world: World,
    person: Person,
    account: Account,
    path: list[int],
    *,
    scan: str | None = None,
    wait: bool = True,
) -> Result:
    """Tap a button of the menu as this person sees it; `scan` is what the camera then reads."""
    openid = openid_of(account.appid, person.id)
    follow_row = world.followers.find(account.appid, openid)
    if not follow_row:
        raise NotPossible("先关注，才看得到菜单")
    buttons, _ = world.menus.seen_by(account.appid, follow_row.tags)
    button = _button(buttons, path)
    kind, name = button.get("type", ""), button["name"]
    title = f"{person.name}点了菜单「{name}」"
    if kind in ("click", "scancode_push", "scancode_waitmsg") and (kind == "click" or scan):
        with world.lock:
            world.windows.open(account.appid, openid, "menu")
    if kind == "click":
        key = button["key"]
        return _event(world, account, person, "CLICK", title, wait=wait, EventKey=key)
    if kind == "view":
        url = button["url"]
        told = _event(
            world, account, person, "VIEW", title, wait=False, shown=False, EventKey=url, MenuId=1
        )
        return {**told, "kind": "web", "url": url, "webview": webview(person, url)}
    if kind == "miniprogram":
        page = button.get("pagepath", "")
        told = _event(
            world,
            account,
            person,
            "view_miniprogram",
            title,
            wait=False,
            shown=False,
            EventKey=page,
            MenuId=1,
        )
        return {**told, "kind": "mini", "appid": button["appid"], "path": page}
    if kind in ("scancode_push", "scancode_waitmsg"):
        if not scan:
            raise NotPossible("没有对准任何码")
        told = _event(
            world,
            account,
            person,
            kind,
            f"{title}，扫到一个码",
            wait=wait,
            EventKey=button["key"],
            ScanCodeInfo={"ScanType": "qrcode", "ScanResult": scan},
        )
        return {**told, **(scan_result(world, person, scan) if kind == "scancode_push" else {})}
    raise NotPossible(f"沙箱里还不能点「{kind}」这种按钮")


def scan(world: World, person: Person, content: str, *, wait: bool = True) -> Result:
    """Point the camera at a code: parametric codes of accounts make a follow or a SCAN."""
    qr = world.qrs.read(content)
    if qr is None or qr.kind == "mini":
        return scan_result(world, person, content)
    if world.qrs.is_expired(qr):
        raise NotPossible("这个二维码已经过期")
    account = world.account(qr.appid)
    openid = openid_of(qr.appid, person.id)
    if not world.followers.find(qr.appid, openid):
        told = _heard(world, qr, follow(world, person, account, qr=qr, wait=wait))
        return {"kind": "follow", "appid": qr.appid, **told}
    with world.lock:
        world.windows.open(qr.appid, openid, "scan")
        world.chats.add(person, qr.appid, sender="me", kind="event", text=f"扫了「{_label(qr)}」")
    told = _event(
        world,
        account,
        person,
        "SCAN",
        f"{person.name}又扫了「{_label(qr)}」",
        wait=wait,
        EventKey=qr.scene,
        Ticket=qr.ticket,
    )
    return {"kind": "scan", "appid": qr.appid, **_heard(world, qr, told)}


def _heard(world: World, qr: Qr, told: Result) -> Result:
    """Count a scan that arrived: a code that is good for one scan is not offered again."""
    if told.get("delivered") is not False:
        with world.lock:
            qr.scans += 1
    return told


def scan_result(world: World, person: Person, content: str) -> Result:
    """Where the phone goes after reading this content."""
    qr = world.qrs.read(content)
    if qr is not None and qr.kind == "mini":
        path = f"/{qr.page}?scene={quote(qr.scene)}"
        return {"kind": "mini", "appid": qr.appid, "path": path}
    if content.startswith(PAY_CODE):
        return {"kind": "pay", "code": content}
    if content.startswith(("http://", "https://")):
        return {"kind": "web", "url": content, "webview": webview(person, content)}
    return {"kind": "text", "text": content}


def webview(person: Person, url: str) -> str:
    return "/sandbox/webview?" + urlencode({"person": person.id, "url": url})


def _button(buttons: list[dict[str, Any]], path: list[int]) -> dict[str, Any]:
    chosen: dict[str, Any] = {"sub_button": buttons}
    for index in path:
        below = chosen.get("sub_button") or []
        if not 0 <= index < len(below):
            raise NotPossible("菜单里没有这一项")
        chosen = below[index]
    if "name" not in chosen or chosen.get("sub_button"):
        raise NotPossible("这一项下面还有子菜单")
    return chosen


def _event(
    world: World,
    account: Account,
    person: Person,
    event: str,
    title: str,
    *,
    wait: bool,
    shown: bool = True,
    **fields: Any,
) -> Result:
    openid = openid_of(account.appid, person.id)
    push = pushes.build(
        world,
        account,
        person,
        openid,
        MsgType="event",
        Event=event,
        title=title,
        shown=shown,
        **fields,
    )
    return _told(pushes.send(world, push, wait=wait))


def _told(outcome: pushes.Outcome | None) -> Result:
    if outcome is None:
        return {"delivered": None}
    return {
        "delivered": outcome.accepted,
        "tries": outcome.tries,
        "status": outcome.status,
        "reply": outcome.reply,
    }


def _label(qr: Qr) -> str:
    return qr.title or qr.scene
