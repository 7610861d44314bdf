"""Files at WeChat: pictures fetched once and kept for a day, uploads as prepare, call, record."""

from base64 import b64decode, b64encode

import gateways
from core.clock import now as clock_now
from core.database import reading, retrying, transaction
from core.logs import log
from core.redis import find_redis
from gateways.wechat.errors import WechatError, WechatUnavailable
from messaging.materials import files, shelf
from messaging.materials.files import File
from messaging.models import Material

KEPT_SECONDS = 86_400
LARGEST = 4 * 1024 * 1024
_MEANINGS = {
    40004: "微信不收这种文件",
    40005: "微信不收这种文件",
    40006: "文件太大了，微信没有收",
    40007: "微信那边没有这个素材",
    41005: "文件没有传过去，再试一次",
    45001: "文件太大了，微信没有收",
    45007: "语音太长了，最多 60 秒",
    45009: "今天的上传次数或素材的个数用完了",
    48001: "公众号没有素材权限，到公众平台认证",
}
NOT_THERE = 40007
NO_ANSWER = "微信没有回应，不知道传没传到，再传一次"


def fetch_picture(appid: str, media_id: str) -> tuple[bytes, str] | None:
    """The picture and its type. None: WeChat has it no more, or it is no picture.

    It may be one that somebody sent, or a material of ours, which WeChat keeps elsewhere.

    Asks WeChat by the id, never the address that the message names: that one is whatever somebody
    wrote. Raises WechatUnavailable, or WechatError for what may be asked again.
    """
    key, redis = f"linli:media:{appid}:{media_id}", find_redis()
    kept = redis.get(key) if redis is not None else None
    raw = b64decode(kept) if kept else _ask(appid, media_id)
    found = files.recognise(raw)
    if found is None or found.kind != files.IMAGE or len(raw) > LARGEST:
        return None
    if redis is not None and not kept:
        redis.set(key, b64encode(raw), ex=KEPT_SECONDS)
    return raw, found.mime


def fetch_voice(appid: str, media_id: str) -> bytes | None:
    """A voice that somebody sent; None: WeChat has it no more. Raises as `fetch_picture` does."""
    raw = _ask(appid, media_id)
    return raw if 0 < len(raw) <= LARGEST else None


def upload(material: Material, raw: bytes, *, lasting: bool) -> str:
    """Give WeChat a file that was written down; "" or, in words, why WeChat did not take it."""
    file = File(material.kind, material.mime, _ending(raw))
    try:
        media_id = _send(material.appid, file, raw, title=material.name, lasting=lasting)
    except (WechatError, WechatUnavailable) as error:
        why = refusal(error)
        retrying(_record_refused, material.id, why)
        return why
    retrying(_record_uploaded, material.id, media_id, lasting)
    return ""


def upload_for_days(appid: str, file: File, raw: bytes) -> str:
    """A file for one message: its media id, good for three days. Raises as `gateways` does."""
    return _send(appid, file, raw, title="", lasting=False)


def drop(material_id: int) -> None:
    """Take a lasting one away at WeChat; what WeChat does not have is gone already."""
    with reading() as session:
        material = session.get_one(Material, material_id)
    try:
        gateways.wechat().official(material.appid).materials.drop(material.media_id)
    except WechatError as error:
        if error.errcode != NOT_THERE:
            raise


def refusal(error: WechatError | WechatUnavailable) -> str:
    """Why a file was not taken, in words."""
    if isinstance(error, WechatUnavailable):
        return NO_ANSWER
    log.info("material_refused", errcode=error.errcode)
    return _MEANINGS.get(error.errcode, f"微信没有接受（{error.errcode}）")


def _send(appid: str, file: File, raw: bytes, *, title: str, lasting: bool) -> str:
    account = gateways.wechat().official(appid).materials
    name = f"{file.kind}.{file.ending}"
    if lasting:
        return account.keep(file.kind, raw, name=name, mime=file.mime, title=title).media_id
    return account.keep_for_days(file.kind, raw, name=name, mime=file.mime).media_id


def _ending(raw: bytes) -> str:
    found = files.recognise(raw)
    return found.ending if found else ""


def _record_uploaded(material_id: int, media_id: str, lasting: bool) -> None:
    with transaction() as session:
        shelf.record_uploaded(session, material_id, media_id, lasting=lasting, now=clock_now())


def _record_refused(material_id: int, why: str) -> None:
    with transaction() as session:
        shelf.record_refused(session, material_id, why, now=clock_now())


def _ask(appid: str, media_id: str) -> bytes:
    account = gateways.wechat().official(appid)
    for read in (account.media, account.materials.read):
        try:
            return read(media_id)
        except WechatError as error:
            if error.transient:
                raise
    return b""
