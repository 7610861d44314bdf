"""Conversations as staff see them: a row of the list, and what was said with one person."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from flask import url_for
from markupsafe import Markup
from sqlalchemy import select, tuple_
from sqlalchemy.orm import Session

from console import people, words
from console.access import me
from crm.models import Member
from merchants.models import Staff
from messaging import chat, remote, staff_replies
from messaging.models import ChatMessage, Conversation, Direction, OutboundMessage
from people.models import Identity

SHOWN_FOR = timedelta(days=3)
CLOSING = timedelta(hours=3)
APART = timedelta(minutes=5)
"""A time is written above what was said this long after the last thing."""


def rows(session: Session, items: Sequence[Conversation], now: datetime) -> list[dict[str, Any]]:
    """Two more queries, however many rows."""
    who = _members(session, [(each.appid, each.openid) for each in items])
    staff = _staff(session, {each.staff_id for each in items if each.staff_id})
    return [
        {
            "id": each.id,
            "name": people.name_of(who.get(each.openid)),
            "kind": people.colour(who[each.openid]) if each.openid in who else "",
            "text": plain(each.last_text),
            "ours": each.last_direction is Direction.outbound,
            "at": words.when(each.last_at, now),
            "unread": min(each.unread, 99),
            "waits": _waits(each, now),
            "late": bool(each.waiting_since and now - each.waiting_since > timedelta(minutes=10)),
            "staff": staff.get(each.staff_id or 0, ""),
        }
        for each in items
    ]


def conversation(session: Session, it: Conversation, now: datetime) -> dict[str, Any]:
    member = _members(session, [(it.appid, it.openid)]).get(it.openid)
    window = staff_replies.find_window(session, it.appid, it.openid)
    is_open = window is not None and window.expires_at > now
    left = (window.remaining or 0) if window is not None and is_open else 0
    said = chat.list_said(session, it.appid, it.openid)
    unsent = staff_replies.list_unsent(session, it.appid, it.openid, since=now - SHOWN_FOR)
    return {
        "id": it.id,
        "name": people.name_of(member),
        "href": url_for("console.members.show", no=member.no) if member else "",
        "lines": _lines(it.id, said, unsent, now),
        "open": is_open,
        "left": left,
        "hours": _left(window.expires_at - now) if window and is_open else "",
        "closing": is_open and window is not None and window.expires_at - now < CLOSING,
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
        line |= {"by": by, "problem": "", "picture": ""}
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
        line |= {"problem": problem, "picture": ""}
        later = (place for place, (at, _) in enumerate(lines) if at > waiting.prepared_at)
        lines.insert(next(later, len(lines)), (waiting.prepared_at, line))
    last: datetime | None = None
    for at, line in lines:
        line["at"] = words.when(at, now) if last is None or at - last > APART else ""
        last = at
    return [line for _, line in lines]


def _members(session: Session, pairs: Sequence[tuple[str, str]]) -> dict[str, Member]:
    """The members behind these openids of one account."""
    if not pairs:
        return {}
    found = session.execute(
        select(Identity.openid, Member)
        .join(Member, Member.person_id == Identity.person_id)
        .where(
            tuple_(Identity.appid, Identity.openid).in_(pairs),
            Member.merchant_id == me().merchant_id,
            Member.merged_into_id.is_(None),
        )
    )
    return dict(found.all())


def _staff(session: Session, ids: set[int | None]) -> dict[int, str]:
    if not ids:
        return {}
    found = session.execute(select(Staff.id, Staff.name).where(Staff.id.in_(ids)))
    return dict(found.all())
