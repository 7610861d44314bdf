"""Conversations as staff see them: a row of the list, and what was said with one person."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from flask import url_for
from markupsafe import Markup
from sqlalchemy import select
from sqlalchemy.orm import Session

from console import senders, words
from console.access import me
from merchants.models import Staff
from messaging import chat, remote, staff_replies
from messaging.models import (
    ChatMessage,
    Conversation,
    Direction,
    MessageWindow,
    OutboundMessage,
)

SHOWN_FOR = timedelta(days=3)
CLOSING = timedelta(hours=3)
APART = timedelta(minutes=5)
"""A time is written above what was said this long after the last thing."""


def rows(
    session: Session, appid: str, items: Sequence[Conversation], now: datetime
) -> list[dict[str, Any]]:
    """Of one account; four more queries, however many rows."""
    who = senders.find(session, [(appid, each.openid) for each in items])
    windows = staff_replies.find_windows(session, appid, [each.openid for each in items])
    staff = _staff(session, {each.staff_id for each in items if each.staff_id})
    return [
        {
            "id": each.id,
            "who": who[appid, each.openid],
            "text": plain(each.last_text),
            "ours": each.last_direction is Direction.outbound,
            "at": words.when(each.last_at, now),
            "unread": min(each.unread, 99),
            "waits": _waits(each, now),
            "late": bool(each.waiting_since and now - each.waiting_since > timedelta(minutes=10)),
            "staff": staff.get(each.staff_id or 0, ""),
            "window": _window(windows.get(each.openid), now),
        }
        for each in items
    ]


def conversation(session: Session, it: Conversation, now: datetime) -> dict[str, Any]:
    who = senders.find(session, [(it.appid, it.openid)])[it.appid, it.openid]
    window = staff_replies.find_windows(session, it.appid, [it.openid]).get(it.openid)
    said = chat.list_said(session, it.appid, it.openid)
    unsent = staff_replies.list_unsent(session, it.appid, it.openid, since=now - SHOWN_FOR)
    return {
        "id": it.id,
        "who": who,
        "lines": _lines(it.id, said, unsent, now),
        "window": _window(window, now),
        "waits": _waits(it, now),
        "staff": _staff(session, {it.staff_id}).get(it.staff_id or 0, "") if it.staff_id else "",
        "mine": it.staff_id == me().staff_id,
        "quiet": it.quiet_until is not None and it.quiet_until > now,
        "busy": bool(it.staff_id or it.waiting_since or it.quiet_until),
    }


def _waits(it: Conversation, now: datetime) -> str:
    """`等了 4 分钟`; nothing where nobody waits."""
    if it.waiting_since is None:
        return ""
    passed = words.ago(it.waiting_since, now)
    return "刚刚说的" if passed == words.JUST_NOW else f"等了 {passed}"


def _window(window: MessageWindow | None, now: datetime) -> dict[str, Any]:
    """What may still be said: how many, until when (`23:41`, `11-25 10:20`), and whether it ends
    soon. Without `open` nothing may until they speak again."""
    is_open = window is not None and window.expires_at > now
    if window is None or not is_open:
        return {"open": False, "left": 0}
    time = window.expires_at - now
    return {
        "open": True,
        "left": window.remaining or 0,
        "until": words.when(window.expires_at, now),
        "time": _left(time),
        "closing": time < CLOSING,
    }


def _left(time: timedelta) -> str:
    """`47 小时`, `12 分钟`."""
    minutes = int(time.total_seconds() // 60)
    return f"{minutes // 60} 小时" if minutes >= 60 else f"{minutes} 分钟"


def plain(text: str) -> str:
    """Words without the links that the chat shows in them."""
    return str(Markup(text).striptags())  # noqa: S704 - only to strip; it is escaped when shown


def is_picture(message: ChatMessage) -> bool:
    """Sent by the guest, by staff, or as an automatic answer."""
    data = message.data or {}
    return bool(data.get("media_id")) and "image" in (message.kind, data.get("type"))


def voice_of(message: ChatMessage) -> str:
    """The media id of a voice that the guest sent; "" for anything else."""
    is_voice = message.kind == "voice" and message.direction is Direction.inbound
    return str((message.data or {}).get("media_id", "")) if is_voice else ""


def _lines(
    conversation_id: int,
    said: Sequence[ChatMessage],
    unsent: Sequence[OutboundMessage],
    now: datetime,
) -> list[dict[str, Any]]:
    lines: list[tuple[datetime, dict[str, Any]]] = []
    for message in said:
        data = message.data or {}
        picture = is_picture(message)
        by = data.get("by") or ("" if message.direction is Direction.inbound else "自动")
        line = {"text": plain(message.text), "ours": message.direction is Direction.outbound}
        line |= {"by": by, "problem": "", "picture": "", "voice": ""}
        if voice_of(message):
            length = f" {data['seconds']}″" if data.get("seconds") else ""
            line["text"] = plain(message.text).replace("[语音]", f"[语音]{length}", 1)
            line["voice"] = url_for(
                "console.inbox.voice", conversation_id=conversation_id, message_id=message.id
            )
        if picture:
            line["picture"] = url_for(
                "console.inbox.picture", conversation_id=conversation_id, message_id=message.id
            )
        lines.append((message.at, line))
    for waiting in unsent:
        problem = staff_replies.refusal(waiting)
        line = {
            "text": remote.words_of(waiting.payload),
            "ours": True,
            "by": waiting.payload.get("by", ""),
        }
        line |= {"problem": problem, "picture": "", "voice": ""}
        later = (place for place, (at, _) in enumerate(lines) if at > waiting.prepared_at)
        lines.insert(next(later, len(lines)), (waiting.prepared_at, line))
    last: datetime | None = None
    for at, line in lines:
        line["at"] = words.when(at, now) if last is None or at - last > APART else ""
        last = at
    return [line for _, line in lines]


def _staff(session: Session, ids: set[int | None]) -> dict[int, str]:
    if not ids:
        return {}
    found = session.execute(select(Staff.id, Staff.name).where(Staff.id.in_(ids)))
    return dict(found.all())
