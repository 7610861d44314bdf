"""The chat log: what a person and the account said to each other."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from core import rows
from gateways.wechat import contents
from gateways.wechat.messages import Message
from messaging import sayings
from messaging.models import ChatMessage, Direction

Line = dict[str, Any]


def exchange(message: Message, reply: str | None, *, reply_key: str, now: datetime) -> list[Line]:
    """The lines of a person's message and of the passive reply to it; of events only the reply."""
    whose = {"appid": message.appid, "openid": message.openid}
    words = sayings.describe(contents.read(message))
    said = {"kind": message.kind[:32], "text": words, "at": message.created_at}
    lines: list[Line] = []
    if message.event is None:
        lines.append({**whose, "direction": Direction.inbound, **said, "reply_key": None})
    if reply:
        heard = {"kind": "reply", "text": reply, "at": now}
        lines.append({**whose, "direction": Direction.outbound, **heard, "reply_key": reply_key})
    return lines


def log(session: Session, lines: Sequence[Line]) -> None:
    rows.add_all(session, ChatMessage, lines)


def log_outbound(
    session: Session, *, appid: str, openid: str, kind: str, text: str, at: datetime
) -> None:
    """What the account said by itself."""
    line = {"appid": appid, "openid": openid, "direction": Direction.outbound, "kind": kind[:32]}
    rows.add(session, ChatMessage, {**line, "text": text, "reply_key": None, "at": at})


def find_reply(session: Session, reply_key: str) -> str | None:
    """What was answered to a message, so that a repetition of it hears the same."""
    found = select(ChatMessage.text).where(ChatMessage.reply_key == reply_key)
    return session.scalar(found)
