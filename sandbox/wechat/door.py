"""The gate of every call to api.weixin.qq.com: token, body, faults, answer, feed.

It stands in front of Flask as a WSGI layer of its own: mass sends are measured against the sandbox,
and half of what such a call would cost is routing and request objects that it does not need.
"""

import contextlib
import json
import secrets
import socket
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from flask import Blueprint, Response

from sandbox.settings import Account
from sandbox.state import World
from sandbox.wechat.errors import MESSAGES

api = Blueprint("wechat", __name__)  # pages and pictures; the interfaces are in ROUTES
Body = dict[str, Any]
LARGEST, LARGEST_FILE = 2_000_000, 12_000_000
_JSON = json.JSONEncoder(ensure_ascii=False)


class ApiError(Exception):
    """Answered as {"errcode", "errmsg"} with status 200, as WeChat does."""

    def __init__(self, errcode: int, errmsg: str = "", **more: Any) -> None:
        super().__init__(errmsg or MESSAGES.get(errcode, "invalid request"))
        self.errcode, self.more = errcode, more


@dataclass(slots=True)
class Call:
    """One call from the shop; handlers set the sentence for the feed."""

    world: World
    account: Account | None
    body: Body
    query: dict[str, str]
    raw: bytes = b""  # of a form with a file
    content_type: str = ""
    title: str = ""
    detail: str = ""
    person: str | None = None
    after: list[Callable[[], object]] = field(default_factory=list)

    @property
    def own(self) -> Account:
        assert self.account is not None
        return self.account

    def text(self, name: str, errcode: int) -> str:
        """A required text of the body."""
        value = self.body.get(name)
        if not isinstance(value, str) or not value:
            raise ApiError(errcode)
        return value


Handler = Callable[[Call], "Body | Response"]


@dataclass(frozen=True, slots=True)
class Route:
    name: str
    method: str
    token: bool
    title: str
    handler: Handler
    file: bool


@dataclass(frozen=True, slots=True)
class Sent:
    """The request as it came."""

    method: str
    path: str
    query: dict[str, str]
    raw: bytes
    content_type: str


ROUTES: dict[str, Route] = {}


def wechat_api(
    name: str,
    path: str,
    *,
    method: str = "POST",
    token: bool = True,
    title: str = "",
    file: bool = False,
) -> Callable[[Handler], Handler]:
    """Serve `path`; `name` is what faults and the feed call it ("api.<name>").

    With `file` the body is a form that carries one, not JSON.
    """

    def wrap(handler: Handler) -> Handler:
        ROUTES[path] = Route(f"api.{name}", method, token, title, handler, file)
        return handler

    return wrap


class Door:
    """The WSGI layer: paths of ROUTES are answered here, everything else goes on to Flask."""

    def __init__(self, inner: Any, world: World) -> None:
        self._inner, self._world = inner, world

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        route = ROUTES.get(environ.get("PATH_INFO", ""))
        if route is None:
            passed_on: Iterable[bytes] = self._inner(environ, start_response)
            return passed_on
        answer = serve(self._world, route, _sent(environ, LARGEST_FILE if route.file else LARGEST))
        if isinstance(answer, Response):
            return answer(environ, start_response)
        raw = _JSON.encode(answer).encode()
        headers = [
            ("Content-Type", "application/json; encoding=utf-8"),
            ("Content-Length", str(len(raw))),
        ]
        start_response("200 OK", headers)
        return [raw]


def serve(world: World, route: Route, sent: Sent) -> Body | Response:
    started = time.perf_counter()
    faults = world.faults.take(route.name)
    if "delay" in faults:
        time.sleep(faults["delay"].seconds)
    call = Call(world, None, {}, sent.query, title=route.title)
    answer: Body | Response
    try:
        if "error" in faults:
            raise ApiError(faults["error"].errcode, faults["error"].message)
        if sent.method != route.method:
            raise ApiError(43001 if route.method == "GET" else 43002)
        if route.token:
            call.account = _account_of_token(world, sent.query.get("access_token", ""))
        if route.file:
            call.raw, call.content_type = sent.raw, sent.content_type
        elif sent.method == "POST":
            call.body = _json_body(sent.raw)
        with world.lock:
            answer = route.handler(call)
        if route.token and isinstance(answer, dict):
            answer = {"errcode": 0, "errmsg": "ok", **answer}
    except ApiError as error:
        answer = {"errcode": error.errcode, "errmsg": f"{error} rid: {_rid()}", **error.more}
    _tell(call, route.name, sent, answer, (time.perf_counter() - started) * 1000)
    for work in call.after:
        world.timer.soon(work)
    if "late_answer" in faults:
        time.sleep(faults["late_answer"].seconds)
    return cut_off() if "drop_after" in faults else answer


def cut_off() -> Response:
    """An answer that breaks off: done here, and the caller never learns it."""
    answer = Response(b"", status=200)
    answer.headers["Content-Length"] = "64"
    answer.headers["Connection"] = "close"
    return answer


def hang_up(environ: dict[str, Any]) -> Response:
    """The line is dead: nothing was done, nothing comes back."""
    line = environ.get("werkzeug.socket") or environ.get("gunicorn.socket")
    if line is not None:
        with contextlib.suppress(OSError):
            line.shutdown(socket.SHUT_RDWR)
    return cut_off()


def _sent(environ: dict[str, Any], largest: int) -> Sent:
    query = dict(parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True))
    length, raw = environ.get("CONTENT_LENGTH") or "", b""
    if length.isdigit():
        raw = environ["wsgi.input"].read(min(int(length), largest))
    elif environ.get("HTTP_TRANSFER_ENCODING"):
        raw = environ["wsgi.input"].read(largest)
    content_type = environ.get("CONTENT_TYPE", "")
    return Sent(environ["REQUEST_METHOD"], environ["PATH_INFO"], query, raw, content_type)


def _json_body(raw: bytes) -> Body:
    if not raw:
        raise ApiError(44002)
    try:
        body = json.loads(raw)
    except ValueError as error:
        raise ApiError(47001) from error
    if not isinstance(body, dict):
        raise ApiError(47001)
    return body


def _account_of_token(world: World, value: str) -> Account:
    if not value:
        raise ApiError(41001)
    token = world.tokens.find(value)
    if token is None or token.kind not in ("stable", "plain"):
        raise ApiError(40001)
    if world.tokens.is_expired(token):
        raise ApiError(42001)
    return world.account(token.appid)


def _tell(call: Call, name: str, sent: Sent, answer: Body | Response, ms: float) -> None:
    body: Any = answer if isinstance(answer, dict) else f"<{answer.mimetype}>"
    errcode = body.get("errcode", 0) if isinstance(body, dict) else 0
    query = {k: _masked(k, v) for k, v in sent.query.items()}
    call.world.feed.add(
        call.title or name,
        direction="in",
        api=name,
        tag=f"错误 {errcode}" if errcode else "已受理",
        tone="bad" if errcode else "ok",
        detail=str(body["errmsg"]).split(" rid:")[0] if errcode else call.detail,
        ms=ms,
        person=call.person,
        raw={sent.method: sent.path, "query": query, "body": call.body, "answer": body},
    )


def _masked(name: str, value: str) -> str:
    return value[:6] + "…" if name in ("access_token", "secret") else value


def _rid() -> str:
    return f"{int(time.time()):08x}-{secrets.token_hex(4)}-{secrets.token_hex(4)}"
