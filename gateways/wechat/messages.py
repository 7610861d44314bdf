"""A message or an event of WeChat, as it came and as we name it."""

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from json import dumps as json_of
from typing import Any

from gateways.wechat.errors import MalformedMessage

_MAX_NAME = 64
_MAX_ID = 120
_TOLD_BY_ALL = ("subscribe_msg_", "notify_service_msg_", "trade_manage_", "wxa_trade_")
"""Events of one second and one sender that only all that they say tells apart."""


@dataclass(frozen=True)
class Message:
    """`fields` holds everything under WeChat's own names; the rest is what every message has.

    `msg_id` is the same for every repetition of one message and differs between messages: MsgId
    for ordinary messages; sender, time, event and key (of answers to a dialog about subscribe
    messages all that they say) for events, which have none.
    """

    appid: str
    to_user: str
    openid: str
    kind: str
    event: str | None
    event_key: str
    msg_id: str
    created_at: datetime
    fields: dict[str, Any]
    sealed: bool
    raw: str
    json: bool = False
    key_index: int = field(default=0, repr=False)

    @property
    def text(self) -> str:
        """What the user wrote; empty for everything but text messages."""
        return _text(self.fields, "Content") if self.kind == "text" else ""


def build_message(
    appid: str, fields: dict[str, Any], *, sealed: bool, raw: str, json: bool, key_index: int = 0
) -> Message:
    """Name the parts. Raises MalformedMessage when one that every message has is missing."""
    openid = _name(fields, "FromUserName")
    kind = _name(fields, "MsgType").lower()
    event = _name(fields, "Event").lower() if kind == "event" else None
    event_key = _text(fields, "EventKey")
    created = _seconds(fields)
    return Message(
        appid=appid,
        to_user=_name(fields, "ToUserName"),
        openid=openid,
        kind=kind,
        event=event,
        event_key=event_key,
        msg_id=_message_id(fields, openid, created, kind, event, event_key),
        created_at=datetime.fromtimestamp(created, UTC),
        fields=fields,
        sealed=sealed,
        raw=raw,
        json=json,
        key_index=key_index,
    )


def _message_id(
    fields: dict[str, Any], openid: str, created: int, kind: str, event: str | None, key: str
) -> str:
    own = _text(fields, "MsgId")
    if own and event is None:
        chosen = own
    else:
        # Results of sendings share a second and a receiver; their MsgID tells them apart. Answers
        # to two dialogs in one second have no number: what was answered does.
        number = key or _text(fields, "MsgID") or own
        if event is not None and event.startswith(_TOLD_BY_ALL):
            number = _digest(fields)
        chosen = f"{openid}:{created}:{event or kind}:{number}"
    if len(chosen) <= _MAX_ID:
        return chosen
    return hashlib.sha256(chosen.encode()).hexdigest()


def _digest(fields: dict[str, Any]) -> str:
    """Of all that an event says, in whatever order: a repetition says the same again."""
    said = json_of(fields, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(said.encode("utf-8", "replace")).hexdigest()[:16]


def _name(fields: dict[str, Any], key: str) -> str:
    value = _text(fields, key)
    if not value or len(value) > _MAX_NAME:
        raise MalformedMessage(f"缺少 {key} 或其格式不正确")
    return value


def _text(fields: dict[str, Any], key: str) -> str:
    value = fields.get(key)
    if isinstance(value, str):
        return value.strip() if key != "Content" else value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return ""


def _seconds(fields: dict[str, Any]) -> int:
    value = _text(fields, "CreateTime")
    # ASCII only: int() also reads the digits of other scripts.
    if not (value.isascii() and value.isdigit() and len(value) <= 11):
        raise MalformedMessage("CreateTime 不正确")
    return int(value)
