"""The camera of a phone on pages that read a code: WeChat's own scanner, or the browser's.

Only pages marked `scans` may open a camera, and of those only what WeChat's browser asks for may
load WeChat's script: it is somebody else's code on a page that moves money.
"""

from typing import Any

from flask import Response, current_app, jsonify, request

import gateways
from console import reply
from console.access import me
from core import limits
from core.clock import now as clock_now
from core.config import current_config
from core.errors import Malformed, NotFound
from messaging.accounts import officials_of

WECHAT_SCRIPTS = "https://res.wx.qq.com"
SDK = f"{WECHAT_SCRIPTS}/open/js/jweixin-1.6.0.js"


def scans(view: Any) -> Any:
    """This page has a button that opens the camera."""
    view.scans = True
    return view


def is_scanning() -> bool:
    view = current_app.view_functions.get(request.endpoint or "")
    return bool(getattr(view, "scans", False))


def sources() -> tuple[str, str]:
    """What beside our own host a page may take scripts from, and what it may frame. On an iPhone
    WeChat's script speaks to the app through frames of an address of its own."""
    if is_scanning() and in_wechat():
        return f" {WECHAT_SCRIPTS}", " frame-src weixin:;"
    return "", ""


def permissions() -> str:
    return f"camera=({'self' if is_scanning() else ''})"


def in_wechat() -> bool:
    """WeChat's real browser: the virtual phone's frame has no camera."""
    return "MicroMessenger" in request.headers.get("User-Agent", "")


def sdk() -> str:
    """Where the script is that a page has to load for WeChat's scanner; "": it has none."""
    return SDK if in_wechat() and officials_of(me().merchant_code) else ""


def signature() -> Response:
    """What `wx.config` wants for a page of the console: its path and query are signed under our
    own address, whatever else is sent."""
    limits.check("jssdk", ip=request.remote_addr)
    path = request.args.get("page", "")
    if not path or reply.local(path, "") != path:
        raise Malformed("不是后台的网页")
    accounts = officials_of(me().merchant_code)
    if not accounts:
        raise NotFound("没有公众号，用不了微信扫一扫")
    official = gateways.wechat().official(accounts[0].appid)
    signed = official.sign_page(current_config().app.base_url + path, now=clock_now())
    return jsonify(
        appId=signed.appid,
        timestamp=signed.timestamp,
        nonceStr=signed.nonce,
        signature=signed.signature,
    )
