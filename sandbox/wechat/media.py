"""Materials of accounts, uploaded for three days or for ever, and the pictures that people send."""

import io
from typing import Any

from flask import Response, current_app
from werkzeug.formparser import parse_form_data

from sandbox.state import World
from sandbox.wechat.door import ApiError, Body, Call, api, wechat_api
from sandbox.wechat.drawing import spilt_cup
from sandbox.wechat.mediastore import MOST_LASTING, Media
from sandbox.wechat.qrcodes import picture

PREFIX = "sandbox-picture-"
SPILT = f"{PREFIX}spilt"
KILO, MEGA = 1024, 1024 * 1024
MOST = {"image": 10 * MEGA, "voice": 2 * MEGA, "video": 10 * MEGA, "thumb": 64 * KILO}
_KINDS = {
    "image": ("image/jpeg", "image/png", "image/gif", "image/bmp"),
    "voice": ("audio/amr", "audio/mpeg"),
    "video": ("video/mp4",),
    "thumb": ("image/jpeg",),
}
_ENDINGS = {
    "jpg": b"\xff\xd8\xff",
    "png": b"\x89PNG",
    "gif": b"GIF8",
    "amr": b"#!AMR",
    "mp4": b"ftyp",
    "mp3": b"",
}


@wechat_api("media_upload", "/cgi-bin/media/upload", title="上传临时素材", file=True)
def upload(call: Call) -> Body:
    media = _take(call, lasting=False)
    name = "thumb_media_id" if media.kind == "thumb" else "media_id"
    return {"type": media.kind, name: media.media_id, "created_at": int(call.world.clock.stamp())}


@wechat_api("material_add", "/cgi-bin/material/add_material", title="上传永久素材", file=True)
def add_material(call: Call) -> Body:
    media = _take(call, lasting=True)
    answer: Body = {"media_id": media.media_id}
    if media.kind in ("image", "thumb"):
        answer["url"] = f"{call.world.settings.sandbox_url}/sandbox/media/{media.media_id}"
    return answer


@wechat_api("material_del", "/cgi-bin/material/del_material", title="删除永久素材")
def drop_material(call: Call) -> Body:
    media_id = call.text("media_id", 40007)
    found = call.world.media.find(media_id, call.own.appid)
    if found is None or found.ends_at:
        raise ApiError(40007)
    call.world.media.drop(media_id)
    return {}


@wechat_api("material_get", "/cgi-bin/material/get_material", title="取永久素材")
def get_material(call: Call) -> Body | Response:
    found = call.world.media.find(call.text("media_id", 40007), call.own.appid)
    if found is None or found.ends_at:
        raise ApiError(40007)
    return Response(found.raw, mimetype=found.mime)


@wechat_api("media_get", "/cgi-bin/media/get", method="GET", title="取顾客发来的图片")
def get_media(call: Call) -> Body | Response:
    media_id = call.query.get("media_id", "")
    raw, mime = _drawn(media_id) or (b"", "")
    found = call.world.media.find(media_id, call.own.appid)
    if found is not None and found.ends_at:
        raw, mime = found.raw, found.mime
    if not raw:
        raise ApiError(40007)
    return Response(raw, mimetype=mime)


@api.get("/sandbox/media/<media_id>")
def show_media(media_id: str) -> Response:
    """A file as the phones show it."""
    world: World = current_app.extensions["sandbox"]
    found = world.media.find(media_id)
    raw, mime = (found.raw, found.mime) if found else _drawn(media_id) or (b"", "")
    response = Response(raw, mimetype=mime or "text/plain", status=200 if raw else 404)
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


def mime_of(raw: bytes) -> str:
    """By its first bytes; "" for what is no picture."""
    heads = {b"\xff\xd8\xff": "image/jpeg", b"\x89PNG": "image/png", b"GIF8": "image/gif"}
    return next((mime for head, mime in heads.items() if raw.startswith(head)), "")


def sent(call: Call, kind: str, part: dict[str, Any]) -> dict[str, Any]:
    """A file in a message, as the phones show it; 40007 unless the account has it."""
    media_id = str(part.get("media_id", ""))
    found = call.world.media.find(media_id, call.own.appid)
    if found is None or found.kind != kind:
        raise ApiError(40007)
    return {**part, "kind": kind, "pic_url": f"/sandbox/media/{media_id}"}


def _take(call: Call, *, lasting: bool) -> Media:
    """The file of the form, under WeChat's limits."""
    kind = call.query.get("type", "")
    if kind not in MOST:
        raise ApiError(40004)
    environ = {
        "REQUEST_METHOD": "POST",
        "CONTENT_TYPE": call.content_type,
        "CONTENT_LENGTH": str(len(call.raw)),
        "wsgi.input": io.BytesIO(call.raw),
    }
    _, form, files = parse_form_data(environ)
    file = files.get("media")
    raw = file.read() if file is not None else b""
    if file is None or not raw:
        raise ApiError(41005)
    ending = (file.filename or "").rpartition(".")[2].lower()
    head = _ENDINGS.get(ending)
    if head is None or head not in raw[:16] or file.mimetype not in _KINDS[kind]:
        raise ApiError(40005)
    if len(raw) > MOST[kind]:
        raise ApiError(40006)
    if lasting and kind == "video" and "title" not in form.get("description", ""):
        raise ApiError(41005)
    store, appid = call.world.media, call.own.appid
    if lasting and store.count_lasting(appid, kind) >= MOST_LASTING[kind]:
        raise ApiError(45009)
    call.detail = f"{file.filename}，{len(raw) / KILO:.0f} KB"
    return store.add(appid, kind, file.mimetype, raw, lasting=lasting)


def _drawn(media_id: str) -> tuple[bytes, str] | None:
    """Pictures that need no file: one is drawn, the others show what they are called."""
    if media_id == SPILT:
        return spilt_cup(), "image/png"
    if media_id.startswith(PREFIX):
        return picture(media_id.removeprefix(PREFIX), "png"), "image/png"
    return None
