"""The gate of every call to api.weixin.qq.com: token, body, faults, answer, feed."""

import functools
import json
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from flask import Blueprint, Response, current_app, request

from sandbox.settings import Account
from sandbox.state import World
from sandbox.wechat.errors import MESSAGES

api = Blueprint("wechat", __name__)
Body = dict[str, Any]


class ApiError(Exception):
    """Answered as {"errcode", "errmsg"} with status 200, as WeChat does."""

    def __init__(self, errcode: int, errmsg: str = "") -> None:
        super().__init__(errmsg or MESSAGES.get(errcode, "invalid request"))
        self.errcode = errcode


@dataclass
class Call:
    """One call from the shop; handlers set the sentence for the feed."""

    world: World
    account: Account | None
    body: Body
    query: dict[str, str]
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


def wechat_api(
    name: str, path: str, *, method: str = "POST", token: bool = True, title: str = ""
) -> Callable[[Handler], Handler]:
    """Serve `path`; `name` is what faults and the feed call it ("api.<name>")."""

    def wrap(handler: Handler) -> Handler:
        @functools.wraps(handler)
        def view() -> Response:
            return _serve(f"api.{name}", method, token, title, handler)

        api.add_url_rule(path, f"{name}:{path}", view, methods=["GET", "POST"])
        return handler

    return wrap


def _serve(name: str, method: str, token: bool, title: str, handler: Handler) -> Response:
    started = time.perf_counter()
    world: World = current_app.extensions["sandbox"]
    faults = world.faults.take(name)
    if "delay" in faults:
        time.sleep(faults["delay"].seconds)
    call = Call(world, None, {}, request.args.to_dict(), title)
    answer: Body | Response
    try:
        if "error" in faults:
            fault = faults["error"]
            raise ApiError(fault.errcode, fault.message)
        _check_method(method)
        if token:
            call.account = _account_of_token(world, call.query.get("access_token", ""))
        if request.method == "POST":
            call.body = _json_body()
        with world.lock:
            answer = handler(call)
        if not isinstance(answer, Response):
            answer = {"errcode": 0, "errmsg": "ok", **answer} if token else answer
    except ApiError as error:
        answer = {"errcode": error.errcode, "errmsg": f"{error} rid: {_rid()}"}
    _tell(call, name, answer, (time.perf_counter() - started) * 1000)
    for work in call.after:
        world.timer.soon(work)
    if "drop_after" in faults:
        return cut_off()
    if isinstance(answer, Response):
        return answer
    return Response(
        json.dumps(answer, ensure_ascii=False), mimetype="application/json; encoding=utf-8"
    )


def cut_off() -> Response:
    """An answer that breaks off: done here, and the caller never learns it."""
    answer = Response(b"", status=200)
    answer.headers["Content-Length"] = "64"
    answer.headers["Connection"] = "close"
    return answer


def _check_method(method: str) -> None:
    if request.method != method:
        raise ApiError(43001 if method == "GET" else 43002)


def _json_body() -> Body:
    raw = request.get_data()
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


def _tell(call: Call, name: str, answer: Body | Response, ms: float) -> None:
    body: Any = answer if isinstance(answer, dict) else f"<{answer.mimetype}>"
    errcode = body.get("errcode", 0) if isinstance(body, dict) else 0
    query = {k: _masked(k, v) for k, v in call.query.items()}
    call.world.feed.add(
        call.title or name,
        direction="in",
        api=name,
        tag="已受理" if errcode == 0 else f"错误 {errcode}",
        tone="ok" if errcode == 0 else "bad",
        detail=call.detail if errcode == 0 else str(body["errmsg"]).split(" rid:")[0],
        ms=ms,
        person=call.person,
        raw={request.method: request.path, "query": query, "body": call.body, "answer": body},
    )


def _masked(name: str, value: str) -> str:
    return value[:6] + "…" if name in ("access_token", "secret") else value


def _rid() -> str:
    return f"{int(time.time()):08x}-{secrets.token_hex(4)}-{secrets.token_hex(4)}"
