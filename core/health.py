"""Liveness, readiness, metrics and the API's description."""

import hmac
from importlib.resources import files
from pathlib import Path
from typing import Any

from flask import Blueprint, Response, current_app, redirect, request, send_from_directory
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from sqlalchemy import func, select, text
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.wrappers import Response as BaseResponse

from core import clock
from core.config import current_config
from core.database import reading
from core.errors import NotFound
from core.metrics import OUTBOX, OUTBOX_LAG, REGISTRY
from core.outbox import JobState, OutboxJob
from core.redis import is_available
from core.web import Audience, declare, public

blueprint = Blueprint("health", __name__)

SWAGGER = Path(str(files("flask_openapi3_swagger") / "templates" / "swagger"))
DOCS_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'"
)
DOCS_PAGE = """<!doctype html><html lang="zh-CN"><meta charset="utf-8"><title>邻里 API</title>
<link rel="icon" href="/console/static/favicon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/docs/assets/css/swagger-ui.css"><div id="swagger-ui"></div>
<script src="/docs/assets/js/swagger-ui-bundle.js"></script><script src="/docs/start.js"></script>
"""
DOCS_START = 'SwaggerUIBundle({url: "/openapi.json", dom_id: "#swagger-ui"});\n'


def _check_docs() -> None:
    if not current_config().app.shows_docs:
        raise NotFound


documented = declare(Audience("public", gate=_check_docs))
"""Open to everybody where `app.docs` says so, else not there."""


@blueprint.get("/")
@public
def root() -> BaseResponse:
    """In the demo whoever opens the bare address is led to where it begins."""
    app = current_config().app
    if not app.demo:
        raise NotFound
    return redirect(f"{app.sandbox_url}/sandbox/" if app.sandbox_url else "/console/")


@blueprint.get("/healthz")
@public
def healthz() -> dict[str, str]:
    """The process answers; nothing else is asked."""
    return {"status": "ok"}


@blueprint.get("/readyz")
@public
def readyz() -> tuple[dict[str, Any], int]:
    """503 while the database is away. Without Redis the shop still sells, so that only shows."""
    try:
        with reading() as session:
            session.execute(text("SELECT 1"))
        database = True
    except SQLAlchemyError:
        database = False
    parts = {"database": database, "redis": is_available()}
    return {"status": "ok" if database else "unavailable", **parts}, 200 if database else 503


@blueprint.get("/metrics")
@public
def metrics() -> Response:
    """Prometheus text; with a configured token only for its bearer, else only on this machine.

    What a proxy on this machine passes on comes from elsewhere, whoever forgot to count the proxy.
    """
    token = current_config().metrics.token
    if token is not None:
        given = request.headers.get("Authorization", "").removeprefix("Bearer ")
        allowed = hmac.compare_digest(given.encode(), token.get_secret_value().encode())
    else:
        proxied = "X-Forwarded-For" in request.headers or "Forwarded" in request.headers
        allowed = request.remote_addr in ("127.0.0.1", "::1") and not proxied
    if not allowed:
        raise NotFound
    _measure_outbox()
    return Response(generate_latest(REGISTRY), content_type=CONTENT_TYPE_LATEST)


@blueprint.get("/openapi.json")
@documented
def openapi() -> Any:
    return current_app.api_doc  # type: ignore[attr-defined]


@blueprint.get("/docs")
@documented
def docs() -> Response:
    response = Response(DOCS_PAGE, content_type="text/html; charset=utf-8")
    response.headers["Content-Security-Policy"] = DOCS_POLICY
    return response


@blueprint.get("/docs/start.js")
@documented
def docs_start() -> Response:
    return Response(DOCS_START, content_type="text/javascript; charset=utf-8")


@blueprint.get("/docs/assets/<path:name>")
@documented
def docs_asset(name: str) -> Response:
    return send_from_directory(SWAGGER, name, max_age=86_400)


def _measure_outbox() -> None:
    now = clock.now()
    with reading() as session:
        live = (JobState.waiting, JobState.pushed, JobState.dead)
        counts = dict(
            session.execute(
                select(OutboxJob.state, func.count())
                .where(OutboxJob.state.in_(live))
                .group_by(OutboxJob.state)
            ).all()
        )
        oldest = session.scalar(
            select(func.min(OutboxJob.run_at)).where(OutboxJob.state == JobState.waiting)
        )
    for state in live:
        OUTBOX.labels(state.value).set(counts.get(state, 0))
    lag = (now - oldest).total_seconds() if oldest else 0.0
    OUTBOX_LAG.set(max(0.0, lag))
