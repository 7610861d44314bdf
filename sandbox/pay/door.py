"""The gate of every call to WeChat Pay: signature in, strict body, faults, signed answer, feed."""

import functools
import hashlib
import json
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from flask import Blueprint, Response, current_app, request

from sandbox.pay import signing
from sandbox.pay.errors import PayError
from sandbox.settings import Merchant
from sandbox.state import World
from sandbox.wechat.door import cut_off, hang_up

api = Blueprint("wechat_pay", __name__)
Body = dict[str, Any]


@dataclass
class Call:
    world: World
    merchant: Merchant
    body: Body
    query: dict[str, str]
    path: dict[str, str]
    title: str = ""
    detail: str = ""
    person: str | None = None


@dataclass(frozen=True)
class Made:
    """A yes with a status of its own."""

    body: Body
    status: int


Handler = Callable[[Call], "Body | Made | None"]
NAMES: set[str] = set()  # of all interfaces, as faults call them


def pay_api(name: str, path: str, *, method: str, title: str) -> Callable[[Handler], Handler]:
    """Serve `path`; None answers 204. `name` is what faults and the feed call it ("pay.<name>")."""

    def wrap(handler: Handler) -> Handler:
        @functools.wraps(handler)
        def view(**arguments: str) -> Response:
            return _serve(f"pay.{name}", title, handler, arguments)

        NAMES.add(f"pay.{name}")
        api.add_url_rule(path, f"{name}:{path}", view, methods=[method])
        return handler

    return wrap


def _serve(name: str, title: str, handler: Handler, arguments: dict[str, str]) -> Response:
    started = time.perf_counter()
    world: World = current_app.extensions["sandbox"]
    faults = world.faults.take(name)
    if "delay" in faults:
        time.sleep(faults["delay"].seconds)
    if "drop_before" in faults:
        return hang_up(request.environ)
    call: Call | None = None
    merchant: Merchant | None = None
    number, status = 0, 200
    body: Body | None = None
    try:
        merchant = signer(world)
        if "error" in faults:
            fault = faults["error"]
            raise PayError(fault.status, fault.code, fault.message or "系统异常，请稍后重试")
        call = Call(world, merchant, _json_body(), request.args.to_dict(), arguments, title)
        with world.lock:
            made = handler(call)
        body = made.body if isinstance(made, Made) else made
        status = made.status if isinstance(made, Made) else 204 if body is None else 200
    except PayError as error:
        status, body, number = error.status, error.body(), error.number
    _tell(world, call, name, title, status, body, (time.perf_counter() - started) * 1000)
    if "late_answer" in faults:
        time.sleep(faults["late_answer"].seconds)
    if "drop_after" in faults:
        return cut_off()
    return _signed(world, merchant, status, body, number, forged="wrong_signature" in faults)


def signer(world: World) -> Merchant:
    """Whoever signed this very request. Raises PayError."""
    if "User-Agent" not in request.headers or "Accept" not in request.headers:
        raise PayError(400, "PARAM_ERROR", "Http头缺少Accept或User-Agent")
    signed = request.form.get("meta", "").encode() if _is_upload() else request.get_data()
    authorization = request.headers.get("Authorization", "")
    sent = signing.Request(request.method, _targets(), signed, authorization)
    brand = request.path.startswith("/brand/")
    parties = dict(world.settings.brands if brand else world.settings.merchants)
    merchant = signing.merchant_of(sent, parties, world.clock, world.nonces, brand=brand)
    serial = request.headers.get("Wechatpay-Serial")
    platform = world.settings.platform
    known = platform.public_key_id if merchant.public_key_id else platform.serial
    if serial and serial not in (known, *(each.serial for each in platform.certificates)):
        raise PayError(400, "PARAM_ERROR", f"Wechatpay-Serial 不正确：{serial}")
    return merchant


def _targets() -> tuple[str, ...]:
    """Path and query as they stood on the wire: that is what was signed.

    Not every server keeps the raw path; then the two usual spellings of it count.
    """
    raw = request.environ.get("REQUEST_URI") or request.environ.get("RAW_URI")
    if raw and raw.startswith("/"):
        return (str(raw),)
    query = request.query_string.decode()
    paths = [quote(request.path, safe="/:@!$&'()*+,;=~-._" + more) for more in ("", "|")]
    return tuple(dict.fromkeys(f"{path}?{query}" if query else path for path in paths))


def _is_upload() -> bool:
    return request.mimetype == "multipart/form-data"


def _json_body() -> Body:
    if _is_upload():
        return _uploaded()
    if request.method == "GET" or not request.get_data():
        return {}
    try:
        body = json.loads(request.get_data())
    except ValueError as error:
        raise PayError(400, "PARAM_ERROR", "请求体不是合法的 JSON") from error
    if not isinstance(body, dict):
        raise PayError(400, "PARAM_ERROR", "请求体应为 JSON 对象")
    return body


def _uploaded() -> Body:
    """The picture's name and hash, which must be that of the picture."""
    try:
        meta = json.loads(request.form.get("meta", ""))
    except ValueError as error:
        raise PayError(400, "PARAM_ERROR", "meta 不是合法的 JSON") from error
    file = request.files.get("file")
    content = file.read() if file else b""
    if not isinstance(meta, dict) or meta.get("sha256") != hashlib.sha256(content).hexdigest():
        raise PayError(400, "PARAM_ERROR", "图片和 meta 里的 sha256 对不上")
    return {**meta, "bytes": len(content)}


def _signed(
    world: World,
    merchant: Merchant | None,
    status: int,
    body: Body | None,
    number: int,
    *,
    forged: bool,
) -> Response:
    raw = b"" if body is None else json.dumps(body, ensure_ascii=False).encode()
    answer = Response(raw, status=status, mimetype="application/json")
    platform = world.settings.platform
    serial = request.headers.get("Wechatpay-Serial")
    public_key = bool(merchant and merchant.public_key_id) and serial != platform.serial
    answer.headers.extend(
        signing.headers(
            platform,
            raw,
            world.clock.stamp(),
            public_key=public_key,
            broken="forged" if forged else "",
        )
    )
    answer.headers["Request-ID"] = f"08{secrets.token_hex(16).upper()}-{number}"
    return answer


def _tell(
    world: World,
    call: Call | None,
    name: str,
    title: str,
    status: int,
    body: Body | None,
    ms: float,
) -> None:
    fine = status < 300
    world.feed.add(
        call.title if call else title,
        direction="in",
        api=name,
        tag="已受理" if fine else f"拒绝 {status}",
        tone="ok" if fine else "bad",
        detail=(call.detail if call else "") if fine else str((body or {}).get("message", "")),
        ms=ms,
        person=call.person if call else None,
        raw={request.method: request.path, "body": call.body if call else {}, "answer": body},
    )
