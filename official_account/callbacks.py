"""The addresses that WeChat calls, for official accounts and mini-programs."""

from flask import Blueprint, Response, request

import gateways
from core import security_events
from core.clock import now
from core.web import webhook
from gateways.wechat.callback import Callback
from gateways.wechat.errors import BadSignature
from gateways.wechat.wire import MAX_BYTES
from messaging.inbox import MINI, OFFICIAL
from official_account import intake

blueprint = Blueprint("official_account", __name__)


@blueprint.get("/wechat/official/<appid>")
@webhook
def verify_official(appid: str) -> Response:
    return _echo(gateways.wechat().official(appid).callback)


@blueprint.post("/wechat/official/<appid>")
@webhook
def receive_official(appid: str) -> Response:
    return _receive(gateways.wechat().official(appid).callback, OFFICIAL + appid)


@blueprint.get("/wechat/miniprogram/<appid>")
@webhook
def verify_mini(appid: str) -> Response:
    return _echo(gateways.wechat().mini(appid).callback)


@blueprint.post("/wechat/miniprogram/<appid>")
@webhook
def receive_mini(appid: str) -> Response:
    return _receive(gateways.wechat().mini(appid).callback, MINI + appid)


def _echo(callback: Callback) -> Response:
    """WeChat checks that the address is ours: the same text back, nothing around it."""
    try:
        return Response(callback.echo(request.args), mimetype="text/plain")
    except BadSignature as refused:
        _notice(callback.appid, refused)
        raise


def _receive(callback: Callback, source: str) -> Response:
    request.max_content_length = MAX_BYTES  # 413 before it is read
    try:
        message = callback.read(request.args, request.get_data(), now())
    except BadSignature as refused:
        _notice(callback.appid, refused)
        raise
    body, content_type = intake.take_in(callback, source, message)
    return Response(body, content_type=content_type)


def _notice(appid: str, refused: BadSignature) -> None:
    security_events.notice(refused.code, appid, path=request.path, ip=request.remote_addr or "")
