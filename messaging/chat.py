"""The chat log: what a person and the account said to each other."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from core import rows
from core.database import claim
from gateways.wechat import contents
from gateways.wechat.contents import Content
from gateways.wechat.messages import Message
from messaging import answers, sayings
from messaging.answers import Part
from messaging.models import ChatMessage, Direction

Line = dict[str, Any]


def exchange(
    message: Message, parts: Sequence[Part], *, reply_key: str, now: datetime
) -> list[Line]:
    """The lines of a person's message and of the passive reply to it; of events only the reply."""
    whose = {"appid": message.appid, "openid": message.openid}
    lines: list[Line] = []
    if message.event is None:
        content = contents.read(message)
        said = {"kind": message.kind[:32], "text": sayings.describe(content)}
        said |= {"direction": Direction.inbound}
        rest: Line = {"at": message.created_at, "reply_key": None, "data": _media(content)}
        lines.append({**whose, **said, **rest})
    part, _ = answers.split(list(parts))
    if part is not None:
        heard: Line = {"kind": "reply", "text": answers.describe(part), "data": part}
        rest = {"at": now, "reply_key": reply_key}
        lines.append({**whose, "direction": Direction.outbound, **heard, **rest})
    return lines


def log(session: Session, lines: Sequence[Line]) -> None:
    rows.add_all(session, ChatMessage, lines)


def log_outbound(
    session: Session,
    *,
    appid: str,
    openid: str,
    kind: str,
    text: str,
    at: datetime,
    by: str = "",
    media_id: str = "",
) -> None:
    """What the account said by itself, or somebody of the staff did in its name."""
    line = {"appid": appid, "openid": openid, "direction": Direction.outbound, "kind": kind[:32]}
    data = {name: value for name, value in (("by", by), ("media_id", media_id)) if value} or None
    rows.add(
        session, ChatMessage, {**line, "text": text, "reply_key": None, "at": at, "data": data}
    )


def find_reply(session: Session, reply_key: str) -> list[Part]:
    """What was answered to a message, so that a repetition of it hears the same."""
    found = session.execute(
        select(ChatMessage.text, ChatMessage.data).where(ChatMessage.reply_key == reply_key)
    ).first()
    if found is None:
        return []
    return [found.data or answers.text(found.text)]


def list_said(session: Session, appid: str, openid: str, *, limit: int = 60) -> list[ChatMessage]:
    """The last of what was said, in the order in which it was written down: WeChat's own times are
    whole seconds."""
    mine = (ChatMessage.appid == appid, ChatMessage.openid == openid)
    latest = (ChatMessage.at.desc(), ChatMessage.id.desc())
    found = session.scalars(select(ChatMessage).where(*mine).order_by(*latest).limit(limit))
    return sorted(found, key=lambda message: message.id)


def find_said(session: Session, appid: str, openid: str, message_id: int) -> ChatMessage | None:
    """One line of this person's chat."""
    found = session.get(ChatMessage, message_id)
    if found is None or (found.appid, found.openid) != (appid, openid):
        return None
    return found


def find_media(session: Session, appid: str, openid: str, media_id: str) -> ChatMessage | None:
    """The line of this person's chat that came with a file; of the last that they said."""
    said = list_said(session, appid, openid)
    return next((each for each in said if (each.data or {}).get("media_id") == media_id), None)


def note_seconds(session: Session, line: ChatMessage, seconds: int) -> None:
    """How long a voice turned out to be."""
    mine = update(ChatMessage).where(ChatMessage.id == line.id)
    claim(session, mine.values(data={**(line.data or {}), "seconds": seconds}))


def _media(content: Content) -> dict[str, Any] | None:
    """Where a picture, a voice or a film can be had, for the three days that WeChat keeps it."""
    match content:
        case contents.Picture(url, media_id):
            return {"url": url, "media_id": media_id}
        case contents.Voice(media_id, format_) | contents.Film(media_id, format_):
            return {"media_id": media_id, "format": format_}
        case contents.Place(latitude, longitude):
            return {"latitude": latitude, "longitude": longitude}
    return None
