"""`/m/`: the mini-program's browser build, and what it must know before it can call us.

Nothing here tells a browser from WeChat: the page logs in with a code like any mini-program. In the
demo it is framed by the virtual phone, whose origin alone may frame it; beside it, and in any
browser where a website is configured, the code comes from WeChat's log-in page.
"""

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from flask import Blueprint, Response, redirect, request, send_from_directory
from werkzeug.wrappers import Response as BaseResponse

import gateways
from core.config import current_config
from core.errors import Unavailable
from core.web import public

blueprint = Blueprint("browser_build", __name__)

BUILD = Path(__file__).resolve().parent.parent / "miniprogram" / "dist" / "build" / "h5"
HOUR, YEAR = 3_600, 31_536_000


class NotBuilt(Unavailable):
    code, title = "not_built", "小程序的浏览器版还没有构建"


@blueprint.get("/m")
@public
def without_slash() -> BaseResponse:
    return redirect("/m/", 308)


@blueprint.get("/m/")
@public
def index() -> Response:
    if not (BUILD / "index.html").exists():
        raise NotBuilt("先运行 make setup")
    page = send_from_directory(BUILD, "index.html", max_age=0)
    page.headers["Cache-Control"] = "no-cache"
    page.headers["Content-Security-Policy"] = _policy()
    return page


@blueprint.get("/m/config.json")
@public
def config() -> dict[str, Any]:
    """The appid to log in with; in the demo also the origin of the phone around the page."""
    programs = current_config().wechat.mini_programs
    wanted = request.args.get("appid", "")
    known = [program for program in programs if program.appid == wanted] or programs[:1]
    appid, merchant = (known[0].appid, known[0].merchant) if known else ("", None)
    answer: dict[str, Any] = {"appid": appid, "api_base": ""}
    if phone := _phone_origin():
        answer["phone_origin"] = phone
    # Of the same merchant: whoever logs in becomes a member there.
    if websites := [each for each in current_config().wechat.websites if each.merchant == merchant]:
        web = websites[0]
        url = gateways.wechat().website(web.appid).login_url
        answer["website"] = {"appid": web.appid, "login_url": url}
    return answer


@blueprint.get("/m/<path:name>")
@public
def asset(name: str) -> Response:
    """Hashed files may be kept for ever, drawings for an hour."""
    hashed = name.startswith("assets/")
    file = send_from_directory(BUILD, name, max_age=YEAR if hashed else HOUR)
    if hashed:
        file.headers["Cache-Control"] = f"public, max-age={YEAR}, immutable"
    return file


def _phone_origin() -> str:
    url = current_config().app.sandbox_url
    if not url:
        return ""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _policy() -> str:
    """Vue sets styles from script, so they are allowed; scripts are ours alone."""
    ancestors = _phone_origin() or "'none'"
    return (
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data: https:; font-src 'self' data:; connect-src 'self'; "
        f"base-uri 'none'; form-action {_forms()}; frame-ancestors {ancestors}"
    )


def _forms() -> str:
    """Where the cashier may post: UnionPay's gateway, which sends on within its own domain."""
    unionpay = current_config().unionpay
    if not unionpay.accounts:
        return "'none'"
    parts = urlsplit(unionpay.gateway)
    domain = ".".join((parts.hostname or "").split(".")[-2:])
    within = f" https://*.{domain}" if parts.scheme == "https" else ""
    return f"{parts.scheme}://{parts.netloc}{within}"
