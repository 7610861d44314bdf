"""The sandbox's own switches: reset, clock, faults, feed, codes, state."""

import fnmatch
from typing import Any

from flask import Response, jsonify, request
from flask.typing import ResponseReturnValue

from sandbox.acts import PAY_CODE
from sandbox.alipay.door import NAMES as ALIPAY_NAMES
from sandbox.api.door import Refused, account_of, body, control, need, the_world
from sandbox.clock import rfc3339
from sandbox.faults import describe
from sandbox.pay.door import NAMES
from sandbox.people import openid_of
from sandbox.unionpay.door import NAMES as UNIONPAY_NAMES
from sandbox.wechat.door import ROUTES


@control.post("/reset")
def reset() -> ResponseReturnValue:
    """People, chats and money begin again; menus, codes, tags too if {"everything": true}.

    {"story": true}: only customers and chats do, for a shop that goes on remembering.
    """
    if body().get("story") is True:
        the_world().restart()
    else:
        the_world().reset(everything=body().get("everything") is True)
    return jsonify(ok=True)


@control.get("/clock")
def read_clock() -> ResponseReturnValue:
    clock = the_world().clock
    return jsonify(now=rfc3339(clock.now()), offset_seconds=clock.offset, shared=clock.shared)


@control.post("/clock")
def advance_clock() -> ResponseReturnValue:
    world, seconds = the_world(), need(body(), "advance_seconds", object)
    if not isinstance(seconds, int | float) or seconds < 0:
        raise Refused(400, "advance_seconds must not be negative")
    world.clock.advance(seconds)
    world.feed.add(
        f"沙箱时间快进了 {_duration(seconds)}", direction="plan", api="clock", tone="info"
    )
    return read_clock()


@control.get("/faults")
def list_faults() -> ResponseReturnValue:
    return jsonify(faults=the_world().faults.list(), apis=sorted(_apis()))


@control.post("/faults")
def add_fault() -> ResponseReturnValue:
    """{"api", "kind", "times" (null: until removed), "seconds", "copies", "errcode", …}."""
    world, data = the_world(), body()
    for part in str(data.get("api", "")).split(","):
        if not fnmatch.filter(_apis(), part.strip()):
            raise Refused(400, f"没有叫「{part.strip()}」的接口；GET faults 列出全部")
    try:
        fault = world.faults.add(data)
    except (ValueError, TypeError) as error:
        raise Refused(400, str(error)) from error
    world.feed.add(describe(fault), direction="plan", api=fault.api, tag="故意出错", tone="warn")
    return jsonify(next(f for f in world.faults.list() if f["id"] == fault.id)), 201


def _apis() -> set[str]:
    called = {route.name for route in ROUTES.values()} | NAMES | ALIPAY_NAMES | UNIONPAY_NAMES
    return called | {"official.push", "mini.push", "pay.notify"}


@control.delete("/faults")
@control.delete("/faults/<int:fault_id>")
def remove_faults(fault_id: int | None = None) -> ResponseReturnValue:
    """All, one by its id, or those of one `?kind=`."""
    faults, kind = the_world().faults, request.args.get("kind")
    for fault in faults.list():
        if fault_id in (None, fault["id"]) and kind in (None, fault["kind"]):
            faults.remove(fault["id"])
    return list_faults()


@control.get("/feed")
def feed() -> ResponseReturnValue:
    entries = the_world().feed.after(request.args.get("after", 0, int))
    return jsonify(events=entries, last=entries[-1]["id"] if entries else None)


@control.get("/feed/stream")
def feed_stream() -> ResponseReturnValue:
    last = request.headers.get("Last-Event-ID", request.args.get("after", 0, int), int)
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return Response(the_world().feed.stream(last), mimetype="text/event-stream", headers=headers)


@control.get("/qrs")
def list_qrs() -> ResponseReturnValue:
    """Everything a camera could be pointed at: screens of phones first, then printed codes."""
    world = the_world()
    screens: list[dict[str, Any]] = [
        {
            "text": person.screen,
            "title": f"{person.name}的{person.screen_title or '屏幕'}",
            "note": "正显示在手机上",
            "kind": "screen",
            "person": person.id,
        }
        for person in world.people.list()
        if person.screen
    ]
    printed = [
        {
            "text": qr.content,
            "title": qr.title or qr.scene,
            "note": qr.note or world.account(qr.appid).name,
            "kind": qr.kind,
            "appid": qr.appid,
            "scene": qr.scene,
            "expired": world.qrs.is_expired(qr),
            "scans": qr.scans,
        }
        for qr in world.qrs.list()
    ]
    shown = [
        {
            "text": PAY_CODE + prepay_id,
            "title": f"收款码 ¥{order.total_fen / 100:.2f}",
            "note": f"{order.request['description']}，亮在店里的屏幕上",
            "kind": "pay",
        }
        for prepay_id, order in world.ledger.open_codes()
    ]
    return jsonify(qrs=screens + shown + printed)


@control.post("/qrs")
def name_qr() -> ResponseReturnValue:
    """Give a printed code the words that stand under it: {"scene", "title", "note"}.

    The code may be made later: the words wait for it.
    """
    world, data = the_world(), body()
    scene = need(data, "scene")
    with world.lock:
        world.qrs.name(scene, data.get("title", ""), data.get("note", ""))
    return jsonify(scene=scene)


@control.get("/story")
def read_story() -> ResponseReturnValue:
    """What has happened in the story so far; the page ticks off its steps by it."""
    return jsonify(facts=the_world().story.facts())


@control.post("/story")
def tell_story() -> ResponseReturnValue:
    """{"facts": ["follow", …]}: what the page has just seen."""
    world, facts = the_world(), need(body(), "facts", list)
    if len(facts) > 20 or not all(isinstance(f, str) and 0 < len(f) <= 32 for f in facts):
        raise Refused(400, "facts are a few short words")
    with world.lock:
        world.story.learn(facts)
    return read_story()


@control.post("/crowd")
def make_crowd() -> ResponseReturnValue:
    """People without phones, who all follow: {"size": n, "grants": {template_id: each}}.

    Answers how their openids are built: prefix by appid and a number of 16 digits from 0.
    """
    world, data = the_world(), body()
    with world.lock:
        world.people.crowd_size = need(data, "size", int)
        world.grants.crowd_each.update(data.get("grants", {}))
        if data.get("open_windows"):
            account = account_of(data, "official")
            for number in range(world.people.crowd_size):
                openid = openid_of(account.appid, f"crowd-{number}")
                world.windows.open(account.appid, openid, "message")
    prefixes = {a: world.people.crowd_openid(a, 0)[:-16] for a in world.settings.accounts}
    return jsonify(size=world.people.crowd_size, prefixes=prefixes)


@control.post("/tokens/invalidate")
def invalidate_token() -> ResponseReturnValue:
    """As if another process had forced a new access token."""
    world, account = the_world(), account_of(body())
    with world.lock:
        world.tokens.invalidate(account.appid)
    return jsonify(ok=True)


@control.get("/state")
def state() -> ResponseReturnValue:
    """What every channel knows of payments, notices and messages: the newest `limit` of each;
    `openid`: only theirs."""
    world = the_world()
    limit = request.args.get("limit", 1000, int)
    with world.lock:
        return jsonify(
            **world.ledger.overview(limit),
            trades=world.trades.dump()["trades"][-limit:],
            moves=world.moves.dump()["moves"][-limit:],
            shares=world.sharings.dump()["shares"][-limit:],
            sent=world.sent.list(limit, request.args.get("openid")),
            sent_counts=dict(world.sent.counts),
        )


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:g} 秒"
    if seconds < 3600:
        return f"{seconds / 60:g} 分钟"
    if seconds >= 86_400 and not seconds % 86_400:
        return f"{seconds / 86_400:g} 天"
    hours, rest = divmod(round(seconds / 60), 60)
    return f"{hours} 小时 {rest} 分钟" if rest else f"{hours} 小时"
