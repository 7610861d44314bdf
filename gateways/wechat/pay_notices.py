"""A notice of WeChat Pay: verified on the raw bytes and opened. Whose it is, the caller looks."""

from collections.abc import Mapping
from datetime import datetime

from pydantic import SecretStr

from gateways.wechat import pay_crypto, wire
from gateways.wechat.errors import BadSignature, MalformedMessage
from gateways.wechat.pay_channel import PayChannel
from gateways.wechat.pay_records import Notice, is_name, read_time


def open_notice(
    channel: PayChannel, key: SecretStr, headers: Mapping[str, str], raw: bytes, now: datetime
) -> Notice:
    """Raises BadSignature (forged, old, probed) or MalformedMessage."""
    if len(raw) > wire.MAX_BYTES:
        raise MalformedMessage("通知过长")
    if not channel.is_authentic(headers, raw, now):
        raise BadSignature
    notice = wire.read_json(raw)
    try:
        opened = pay_crypto.unseal(key.get_secret_value(), notice.get("resource"))
    except pay_crypto.Unreadable as error:
        raise MalformedMessage("通知无法解密") from error
    notice_id, event_type = notice.get("id"), notice.get("event_type")
    if not is_name(notice_id) or not is_name(event_type):
        raise MalformedMessage("缺少 id 或 event_type")
    resource = wire.read_json(opened)
    return Notice(str(notice_id), str(event_type), resource, read_time(notice.get("create_time")))
