"""WeChat's notices about messages: what people allowed, and what arrived."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from gateways.wechat.messages import Message
from messaging import grants, sending


def act(session: Session, message: Message, *, now: datetime) -> None:
    """Follow a subscribe_msg_* event or TEMPLATESENDJOBFINISH; unreadable fields are skipped."""
    match message.event:
        case "subscribe_msg_popup_event":
            for item in _items(message.fields, "SubscribeMsgPopupEvent"):
                _allow(session, message, item, now)
        case "subscribe_msg_change_event":
            for item in _items(message.fields, "SubscribeMsgChangeEvent"):
                _allow(session, message, item, now)
        case "subscribe_msg_sent_event":
            for item in _items(message.fields, "SubscribeMsgSentEvent"):
                code = _text(item, "ErrorCode")
                if code not in ("", "0"):
                    _lost(session, message, _text(item, "MsgID"), code, item, now)
        case "templatesendjobfinish":
            status = _text(message.fields, "Status").replace(" ", "")
            if status != "success":
                remote_id = _text(message.fields, "MsgID")
                _lost(session, message, remote_id, "", {"ErrorStatus": status}, now)


def _allow(session: Session, message: Message, item: dict[str, Any], now: datetime) -> None:
    template_id, status = _text(item, "TemplateId"), _text(item, "SubscribeStatusString")
    if not template_id or len(template_id) > 64:
        return
    appid, openid = message.appid, message.openid
    if status == "accept" and message.event == "subscribe_msg_popup_event":
        grants.add(session, appid=appid, openid=openid, template_id=template_id, now=now)
    elif status == "reject" and message.event == "subscribe_msg_change_event":
        grants.withdraw(session, appid=appid, openid=openid, template_id=template_id, now=now)


def _lost(
    session: Session,
    message: Message,
    remote_id: str,
    code: str,
    item: dict[str, Any],
    now: datetime,
) -> None:
    if remote_id and len(remote_id) <= 64:
        errcode = int(code) if code.isascii() and code.isdigit() and len(code) < 9 else None
        sending.record_receipt(
            session,
            appid=message.appid,
            remote_id=remote_id,
            errcode=errcode,
            reason=_text(item, "ErrorStatus")[:64],
            now=now,
        )


def _items(fields: dict[str, Any], name: str) -> Iterator[dict[str, Any]]:
    """`List` is one object or several, in XML directly, in JSON under the event's own name."""
    outer = fields.get(name)
    given = outer.get("List") if isinstance(outer, dict) else fields.get("List", outer)
    for item in given if isinstance(given, list) else [given]:
        if isinstance(item, dict):
            yield item


def _text(item: dict[str, Any], key: str) -> str:
    value = item.get(key)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value if isinstance(value, str) else ""
