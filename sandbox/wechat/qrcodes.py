"""Parametric QR codes of official accounts and unlimited codes of mini-programs, with pictures."""

import io
import re
from typing import Any

import segno
from flask import Response, current_app, request

from sandbox.state import World
from sandbox.wechat.door import ApiError, Body, Call, api, wechat_api

LONGEST, DEFAULT_SECONDS = 2_592_000, 60
PERMANENT = 100_000
_SCENE = re.compile(r"[0-9A-Za-z!#$&'()*+,/:;=?@\-._~]{1,32}")


@wechat_api("qrcode_create", "/cgi-bin/qrcode/create", title="生成带参数的二维码")
def create_qr(call: Call) -> Body:
    if call.own.kind != "official":
        raise ApiError(48001)
    action = call.body.get("action_name")
    if action not in ("QR_SCENE", "QR_STR_SCENE", "QR_LIMIT_SCENE", "QR_LIMIT_STR_SCENE"):
        raise ApiError(40053)
    scene = _scene(call.body.get("action_info"), action)
    seconds = None
    if "LIMIT" not in action:
        seconds = call.body.get("expire_seconds", DEFAULT_SECONDS)
        if not isinstance(seconds, int) or not 1 <= seconds <= LONGEST:
            raise ApiError(40097)
    elif call.world.qrs.permanent >= PERMANENT:
        raise ApiError(45029, "qrcode count out of limit")
    qr = call.world.qrs.create_official(call.own.appid, scene, seconds)
    call.title = f"生成了二维码「{qr.title or scene}」"
    call.detail = "永久有效" if seconds is None else f"{seconds} 秒内有效"
    answer: Body = {"ticket": qr.ticket, "url": qr.content}
    return answer if seconds is None else {**answer, "expire_seconds": seconds}


@wechat_api("mini_code", "/wxa/getwxacodeunlimit", title="生成小程序码")
def mini_code(call: Call) -> Response:
    if call.own.kind != "mini":
        raise ApiError(48001)
    scene, page = call.text("scene", 40129), str(call.body.get("page", "pages/home/home"))
    if not _SCENE.fullmatch(scene):
        raise ApiError(40129)
    if page.startswith("/") or "?" in page:
        raise ApiError(41030)
    width = call.body.get("width", 430)
    if not isinstance(width, int) or not 280 <= width <= 1280:
        raise ApiError(40097)
    qr = call.world.qrs.create_mini(call.own.appid, scene, page)
    call.title = f"生成了小程序码「{qr.title or scene}」"
    return Response(picture(qr.content, "png"), mimetype="image/png")


@api.get("/cgi-bin/showqrcode")
def show_qr() -> Response:
    """The picture of a ticket: PNG, or SVG with `format=svg`."""
    world: World = current_app.extensions["sandbox"]
    qr = world.qrs.by_ticket(request.args.get("ticket", ""))
    if qr is None:
        return Response("", status=404)
    if request.args.get("format") == "svg":
        return Response(picture(qr.content, "svg"), mimetype="image/svg+xml")
    return Response(picture(qr.content, "png"), mimetype="image/png")


def picture(content: str, kind: str) -> bytes:
    out = io.BytesIO()
    code = segno.make(content, error="m", micro=False)
    code.save(out, kind=kind, scale=10 if kind == "png" else 4, border=2)
    return out.getvalue()


def _scene(info: Any, action: str) -> str:
    scene = info.get("scene") if isinstance(info, dict) else None
    if not isinstance(scene, dict):
        raise ApiError(40053)
    if "STR" in action:
        text = scene.get("scene_str")
        if not isinstance(text, str) or not 1 <= len(text) <= 64:
            raise ApiError(40097)
        return text
    number = scene.get("scene_id")
    most = PERMANENT if "LIMIT" in action else 2**32 - 1
    if not isinstance(number, int) or not 1 <= number <= most:
        raise ApiError(40097)
    return str(number)
