"""The blueprint that every page hangs on, and what is true of every answer it gives."""

from typing import Any

from flask import Blueprint, Response, current_app, request, send_from_directory
from werkzeug.exceptions import HTTPException

from console import csrf, reply, scanning, state
from core import web
from core.database import is_away
from core.errors import LinliError, NotFound
from core.logs import log
from core.web import public

console = Blueprint("console", __name__, url_prefix="/console", template_folder="templates")

# Everything comes from our own host, nothing is written into a page but JSON, and nobody frames it.
# Where a code is scanned inside WeChat, `scanning` adds WeChat's script.
POLICY = (
    "default-src 'none'; script-src 'self'{scripts};{frames} style-src 'self'; "
    "img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors {ancestors}"
)


class TooLarge(LinliError):
    status, code, title = 413, "too_large", "文件太大了，最多 10 MB"


@console.before_request
def check_csrf() -> None:
    """Reads the form, so whoever takes files says first how large that may be."""
    view = current_app.view_functions.get(request.endpoint or "")
    largest = getattr(view, "largest_body", None)
    if largest is not None:
        request.max_content_length = largest
    csrf.check()


@console.after_request
def protect(response: Response) -> Response:
    scripts, frames = scanning.sources()
    response.headers["Content-Security-Policy"] = POLICY.format(
        scripts=scripts, frames=frames, ancestors=reply.ancestors()
    )
    response.headers["Permissions-Policy"] = scanning.permissions()
    response.headers["Cross-Origin-Opener-Policy"] = "same-origin"
    if request.endpoint != "console.static":
        response.headers["Cache-Control"] = "no-store"
        response.headers.add("Vary", "HX-Request")
    csrf.remember(response)
    reply.carry_toast(response)
    return response


@console.errorhandler(LinliError)
def refused(error: LinliError) -> Any:
    log.info("refused", code=error.code, status=error.status)
    return reply.failure(error)


@console.errorhandler(HTTPException)
def refused_by_http(error: HTTPException) -> Any:
    if error.response is not None or (error.code or 500) < 400:
        return error
    found = {404: NotFound, 413: TooLarge}.get(error.code or 500, LinliError)
    return reply.failure(found(), status=error.code or 500)


@console.errorhandler(Exception)
def broken(error: Exception) -> Any:
    if is_away(error):
        return reply.failure(web.database_away(error))
    log.error("unexpected_error", exc_info=error)
    return reply.failure(LinliError())


@console.get("/static/<path:filename>")
@public
def static(filename: str) -> Response:
    """Built files; those in dist/ carry a hash in their name and never change."""
    forever = 31_536_000 if filename.startswith("dist/assets/") else 300
    response = send_from_directory(f"{console.root_path}/static", filename, max_age=forever)
    if filename.startswith("dist/assets/"):
        response.headers["Cache-Control"] = f"public, max-age={forever}, immutable"
    return response


@console.context_processor
def globals_of_templates() -> dict[str, Any]:
    return {"me": state.find("me"), "htmx": reply.is_htmx(), "toast": reply.toast_shown()}
