"""Pictures that people send, fetched from WeChat once and kept for a day."""

from base64 import b64decode, b64encode

import gateways
from core.redis import find_redis
from gateways.wechat.errors import WechatError

KEPT_SECONDS = 86_400
LARGEST = 4 * 1024 * 1024
_KINDS = (
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"GIF8", "image/gif"),
)


def fetch_picture(appid: str, media_id: str) -> tuple[bytes, str] | None:
    """The picture and its type. None: WeChat has it no more, or it is no picture.

    Asks WeChat by the id, never the address that the message names: that one is whatever somebody
    wrote. Raises WechatUnavailable, or WechatError for what may be asked again.
    """
    key, redis = f"linli:media:{appid}:{media_id}", find_redis()
    kept = redis.get(key) if redis is not None else None
    raw = b64decode(kept) if kept else _ask(appid, media_id)
    kind = next((kind for head, kind in _KINDS if raw.startswith(head)), None)
    if kind is None or len(raw) > LARGEST:
        return None
    if redis is not None and not kept:
        redis.set(key, b64encode(raw), ex=KEPT_SECONDS)
    return raw, kind


def _ask(appid: str, media_id: str) -> bytes:
    try:
        return gateways.wechat().official(appid).media(media_id)
    except WechatError as error:
        if error.transient:
            raise
        return b""
