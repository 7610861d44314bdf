"""How a page answers: whole or as a fragment, with a toast, or with an error page."""

import json
from typing import Any

from flask import Response, make_response, redirect, render_template, request, url_for
from werkzeug.urls import iri_to_uri

from console import cookies, state
from core.config import current_config
from core.errors import LinliError
from core.web import request_id


def is_htmx() -> bool:
    return request.headers.get("HX-Request") == "true"


def page(template: str, status: int = 200, **context: Any) -> Response:
    """A page, or its main block alone when htmx asks; one template for both."""
    return make_response(render_template(template, **context), status)


def done(to: str, toast: str = "", *, link: str = "", href: str = "") -> Response:
    """After a change: a redirect that shows the result once (303), in whichever way was asked."""
    if toast:
        state.put("toast", {"text": toast, "link": link, "href": href})
    if is_htmx():
        return Response(status=204, headers={"HX-Redirect": iri_to_uri(to)})
    return make_response(redirect(to, 303))


def changed(event: str, to: str, toast: str) -> Response:
    """After a small act on a row: htmx hears an event and asks for the list again."""
    if not is_htmx():
        return done(to, toast)
    events = {event: "", "toast": {"text": toast}}
    return Response(status=204, headers={"HX-Trigger": json.dumps(events)})


def local(to: str | None, otherwise: str) -> str:
    """A place inside the console, whatever the address bar says."""
    inside = to and to.startswith("/console/") and "\\" not in to and to.isprintable()
    return to if to and inside else otherwise


def failure(error: LinliError, status: int | None = None) -> Response:
    """A failure as a page; to htmx as a toast-sized event, since its swap is switched off."""
    code = status or error.status
    if code == 401:
        return _to_login()
    wait = getattr(error, "retry_after", None)
    if is_htmx() and code != 422:
        said = {"failure": {"text": error.detail}}
        response = Response(status=code, headers={"HX-Trigger": json.dumps(said)})
    else:
        retry = wait if code == 503 and request.method == "GET" else None
        response = page(
            "error.html", code, error=error, code=code, retry=retry, request_id=request_id()
        )
    if wait:
        response.headers["Retry-After"] = str(wait)
    return response


def _to_login() -> Response:
    wanted = request.full_path if request.method == "GET" and not is_htmx() else None
    back = local(wanted, "") or None
    to = url_for("console.login.ask", next=back)
    if in_wechat() and (appid := default_appid()):
        to = url_for("console.wechat.enter", appid=appid, next=back)
    if is_htmx():
        return Response(status=401, headers={"HX-Redirect": to})
    return make_response(redirect(to, 303))


def in_wechat() -> bool:
    """Whether WeChat itself can say who this is. In the demo its part is played by a frame."""
    if "MicroMessenger" in request.headers.get("User-Agent", ""):
        return True
    return current_config().app.demo and request.headers.get("Sec-Fetch-Dest") == "iframe"


def default_appid() -> str:
    """The official account to ask when the address names none."""
    accounts = current_config().wechat.official_accounts
    return accounts[0].appid if accounts else ""


def toast_shown() -> dict[str, str] | None:
    """What the last act left to be said; a page shows it and forgets it."""
    try:
        found = json.loads(cookies.read(cookies.TOAST))
    except ValueError:
        return None
    if is_htmx() or not isinstance(found, dict):
        return None
    state.put("toast_seen", True)
    href = local(str(found.get("href", "")), "")
    return {"text": str(found.get("text", "")), "href": href, "link": str(found.get("link", ""))}


def carry_toast(response: Response) -> None:
    if toast := state.find("toast"):
        cookies.write(response, cookies.TOAST, json.dumps(toast))
    elif state.find("toast_seen"):
        cookies.drop(response, cookies.TOAST)


def ancestors() -> str:
    """Who may frame a page: nobody, but the virtual phone in the demo."""
    app = current_config().app
    return app.sandbox_url or "'none'" if app.demo else "'none'"
