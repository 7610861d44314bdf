"""Pages of the sandbox that are not the phone: the web view that remembers whose phone it is."""

from flask import Blueprint, redirect, request
from flask.typing import ResponseReturnValue

from sandbox.api.door import Refused, person_of, the_world
from sandbox.wechat.oauth import COOKIE

pages = Blueprint("sandbox_pages", __name__)


@pages.get("/")
def root() -> ResponseReturnValue:
    """Whoever opens the bare address means the phones."""
    return redirect("/sandbox/")


@pages.get("/sandbox/webview")
def webview() -> ResponseReturnValue:
    """Open a page on a person's phone: OAuth on the way answers for this person."""
    person = person_of(request.args.get("person", ""))
    url = request.args.get("url", "")
    if not url.startswith(("http://", "https://", "/")):
        raise Refused(400, "url is missing")
    inside = url.startswith("/") and not url.startswith(("//", "/\\"))
    if not inside and not the_world().settings.knows_host(url):
        raise Refused(400, "url leads elsewhere")
    answer = redirect(url)
    answer.set_cookie(COOKIE, person.id, samesite="Lax", httponly=True)
    return answer
