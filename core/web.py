"""What every HTTP door shares: request ids, who may call, one rendering of failures, metrics.

A view without a declared audience is refused, and a test counts them; the gate runs before the body
is even validated. A view that the database chose as a deadlock's victim runs once more.
"""

import re
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar, TypeVar
from urllib.parse import urlsplit

import structlog
from flask import Flask, Request, Response, current_app, g, has_request_context, json, request
from flask.sessions import SessionInterface
from flask_openapi3 import Info, OpenAPI
from pydantic import BaseModel, ValidationError
from werkzeug.exceptions import HTTPException
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.routing import IntegerConverter

from core import audit, database, outbox
from core.config import Config
from core.errors import Invalid, LinliError, Malformed, Unavailable
from core.logs import log
from core.metrics import REQUESTS

PROBLEM = "application/problem+json"
DATA_POLICY = "default-src 'none'; frame-ancestors 'none'"
"""Data is no page: opened as one, it may load nothing and be framed by nobody."""
_ON_EVERY_ANSWER = tuple(
    (name, name.lower(), value)
    for name, value in (
        ("X-Content-Type-Options", "nosniff"),
        ("Referrer-Policy", "same-origin"),
        ("Cache-Control", "no-store"),
    )
)
"""Unless the view said something else."""
REQUEST_ID = re.compile(r"^[A-Za-z0-9._-]{8,64}$")
View = TypeVar("View", bound=Callable[..., Any])


class Misdirected(LinliError):
    code, title, status = "unknown_host", "这个地址不是演示的地址", 421


@dataclass(frozen=True)
class Audience:
    """Who may call a view. `gate` raises Unauthorized or Forbidden, or puts the caller into `g`."""

    name: str
    gate: Callable[[], None]
    permission: str = ""


def declare(audience: Audience) -> Callable[[View], View]:
    """Mark a view with its audience; the gate itself runs before the view, in `install`."""

    def mark(view: View) -> View:
        view.audience = audience  # type: ignore[attr-defined]
        return view

    return mark


public = declare(Audience("public", gate=lambda: None))
webhook = declare(Audience("webhook", gate=lambda: None))
"""Called by another company: the view itself verifies a signature over the raw body."""


class Problem(BaseModel):
    """RFC 9457 problem details."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    errors: dict[str, str] = {}
    request_id: str


class _Refused(LinliError):
    """What the framework refuses before a view sees it."""

    TITLES: ClassVar = {
        404: ("not_found", "没有这个地址"),
        405: ("method_not_allowed", "这个地址不支持这种请求"),
        413: ("too_large", "内容太大"),
        415: ("unsupported_type", "要用 JSON"),
    }

    def __init__(self, status: int) -> None:
        other: type[LinliError] = Malformed if status < 500 else LinliError
        self.status = status
        self.code, self.title = self.TITLES.get(status, (other.code, other.title))
        super().__init__()


class Id(IntegerConverter):
    """`<int:…>` in an address: what a BIGINT holds. Anything longer leads nowhere."""

    regex = r"\d{1,18}"


class Web(OpenAPI):
    """Flask with OpenAPI 3.1, repeating a view once when the database broke a deadlock with it."""

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """No view of ours is a coroutine: Flask looks at each function anew in every request."""
        return func

    def dispatch_request(self) -> Any:
        return database.retrying(super().dispatch_request)


class _NoSessions(SessionInterface):
    """Log-ins are rows in the database; Flask's signed cookie is not even looked for."""

    def open_session(self, app: Flask, request: Request) -> None:
        return None


def make_app(name: str) -> Web:
    return Web(
        name,
        info=Info(title="邻里 Linli", version="0.1.0"),
        security_schemes={
            name: {"type": "http", "scheme": "bearer"} for name in ("member", "api_key")
        },
        responses={"4XX": Problem, "5XX": Problem},
        validation_error_callback=_refuse_invalid,
        validation_error_model=Problem,
        doc_ui=False,
        static_folder=None,
    )


def install(app: Flask, config: Config) -> None:
    """Wire request ids, gates, failures and figures into `app`."""
    app.config["MAX_CONTENT_LENGTH"] = config.app.max_body_bytes
    app.session_interface = _NoSessions()
    app.json.ensure_ascii = False  # type: ignore[attr-defined]
    app.json.sort_keys = False  # type: ignore[attr-defined]
    app.url_map.converters["int"] = Id
    if hops := config.app.trusted_proxies:
        # Only what a proxy is told to set; a port that it passes through is the visitor's word.
        app.wsgi_app = ProxyFix(app.wsgi_app, hops, hops, hops)  # type: ignore[method-assign]
    app.before_request(_begin)
    if config.app.demo:
        app.before_request(_only_known_hosts(config))
    app.before_request(_gate)
    app.after_request(_finish)
    app.register_error_handler(LinliError, _render)
    app.register_error_handler(HTTPException, _render_http)
    app.register_error_handler(Exception, _render_unexpected)
    outbox.name_requests(request_id)
    audit.name_origins(lambda: (request_id(), _ip()))


def request_id() -> str:
    """The id of the current request, or "" outside one."""
    return g.get("request_id", "") if has_request_context() else ""


def _ip() -> str:
    return (request.remote_addr or "") if has_request_context() else ""


def _begin() -> None:
    given = request.headers.get("X-Request-Id", "")
    g.request_id = given if REQUEST_ID.match(given) else f"r-{secrets.token_hex(8)}"
    g.began = time.perf_counter()
    structlog.contextvars.bind_contextvars(request_id=g.request_id)


def _only_known_hosts(config: Config) -> Callable[[], None]:
    """The demo's passwords are known: no foreign page may reach it by a name that points here."""
    own = (config.app.base_url, config.app.sandbox_url or "")
    known = {"127.0.0.1", "localhost", "::1", *(urlsplit(url).hostname for url in own if url)}

    def refuse_foreign() -> None:
        try:
            host = urlsplit(f"//{request.host}").hostname
        except ValueError:
            host = None
        if host is None or host not in known:
            raise Misdirected

    return refuse_foreign


def _gate() -> None:
    if request.endpoint is None:
        return  # no route: 404 follows
    view = current_app.view_functions[request.endpoint]
    audience = getattr(view, "audience", None)
    if audience is None:
        raise RuntimeError(f"{request.endpoint} declares no audience")
    audience.gate()


def _finish(response: Response) -> Response:
    headers = response.headers
    given = {name.lower() for name, _ in headers}
    headers.set("X-Request-Id", g.get("request_id", ""))
    for name, key, value in _ON_EVERY_ANSWER:
        if key not in given:
            headers.add(name, value)
    if response.mimetype in ("application/json", PROBLEM):
        headers.setdefault("Content-Security-Policy", DATA_POLICY)
    seconds = time.perf_counter() - g.get("began", time.perf_counter())
    endpoint = request.endpoint or "none"
    _requests(endpoint, response.status_code).observe(seconds)
    log.info(
        "request",
        method=request.method,
        endpoint=endpoint,
        status=response.status_code,
        milliseconds=round(seconds * 1000, 1),
    )
    return response


@cache
def _requests(endpoint: str, status: int) -> Any:
    return REQUESTS.labels(endpoint, status)


def problem(error: LinliError) -> Response:
    """`error` as problem details."""
    document = {
        "type": f"urn:linli:problem:{error.code}",
        "title": error.title,
        "status": error.status,
        "detail": error.detail,
        "code": error.code,
        "errors": error.errors,
        "request_id": request_id(),
        **error.extra,
    }
    response = Response(
        json.dumps(document, ensure_ascii=False), status=error.status, content_type=PROBLEM
    )
    if retry_after := getattr(error, "retry_after", None):
        response.headers["Retry-After"] = str(retry_after)
    if error.status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def _render(error: LinliError) -> Response:
    log.info("refused", code=error.code, status=error.status)
    return problem(error)


def _render_http(error: HTTPException) -> Response:
    status = error.code or 500
    if error.response is not None or status < 400:
        return error.get_response()  # type: ignore[return-value]
    response = problem(_Refused(status))
    if allow := dict(error.get_headers()).get("Allow"):
        response.headers["Allow"] = allow
    return response


def database_away(error: Exception) -> Unavailable:
    """What to tell whoever asked while the database cannot be reached; the cause is logged."""
    cause = str(getattr(error, "orig", error))[:200]
    log.error("database_unavailable", error=type(error).__name__, cause=cause)
    return Unavailable("系统正在恢复，请稍等")


def _render_unexpected(error: Exception) -> Response:
    if database.is_away(error):
        return problem(database_away(error))
    log.error("unexpected_error", exc_info=error)
    return problem(LinliError("服务出了点问题，已经记下，请稍后再试"))


def _refuse_invalid(error: ValidationError) -> Response:
    problems = {
        ".".join(str(part) for part in item["loc"]) or "body": item["msg"]
        for item in error.errors(include_url=False, include_input=False, include_context=False)
    }
    return _render(Invalid("有几项填写不对", errors=problems))
