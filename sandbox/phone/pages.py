"""The page itself and the pictures of codes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from io import BytesIO

import segno
from flask import Blueprint, Response, current_app, render_template, request

blueprint = Blueprint(
    "phone", __name__, url_prefix="/sandbox", template_folder="templates", static_folder="static"
)

LONGEST_CODE = 1024


@dataclass(frozen=True, kw_only=True)
class PhoneSetup:
    """What the phones stand for: whose chat, whose mini-program, and where that is served.

    `backend` is an origin (http://127.0.0.1:8000): its /m/ and console are framed. `templates`
    gives the names of subscribe templates by their ids.
    """

    backend: str
    official_appid: str
    official_name: str
    mini_appid: str
    templates: Mapping[str, str] = field(default_factory=dict)


def setup() -> PhoneSetup:
    """The set-up of the server that mounted this page."""
    found: PhoneSetup = current_app.config["PHONE"]
    return found


def policy(backend: str) -> str:
    """Own scripts, styles and calls only; the backend may be framed and its pictures shown."""
    return "; ".join(
        [
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "connect-src 'self'",
            f"img-src 'self' data: {backend}",
            "media-src 'self'",
            f"frame-src 'self' {backend}",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        ]
    )


@blueprint.get("/")
def phone() -> Response:
    """The virtual phone."""
    found = setup()
    response = Response(render_template("phone.html", setup=found))
    response.headers["Content-Security-Policy"] = policy(found.backend)
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Cache-Control"] = "no-store"
    return response


@blueprint.get("/qr.svg")
def picture() -> tuple[str, int] | Response:
    """A picture of the code that holds `text`, as the scan dialog shows it."""
    text = request.args.get("text", "")
    if not text or len(text) > LONGEST_CODE:
        return "", 404
    out = BytesIO()
    segno.make(text, micro=False).save(out, kind="svg", border=0, scale=1, omitsize=True)
    response = Response(out.getvalue(), mimetype="image/svg+xml")
    response.headers["Cache-Control"] = "max-age=86400"
    return response
