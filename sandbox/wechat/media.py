"""Pictures that people send: a media id for three days, and the file behind it."""

from flask import Response

from sandbox.wechat.door import ApiError, Body, Call, wechat_api
from sandbox.wechat.qrcodes import picture

PREFIX = "sandbox-picture-"


@wechat_api("media_get", "/cgi-bin/media/get", method="GET", title="取顾客发来的图片")
def get_media(call: Call) -> Body | Response:
    """Every picture that is sent in the sandbox shows what it is called."""
    media_id = call.query.get("media_id", "")
    if not media_id.startswith(PREFIX):
        raise ApiError(40007)
    return Response(picture(media_id.removeprefix(PREFIX), "png"), mimetype="image/png")
