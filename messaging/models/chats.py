"""What is said in a chat, by whom, and what answers by itself."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, Integer, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base, Code, Id, LongText, State
from messaging.reply_rules import DAY_MINUTES, EVERY_DAY, Match


class Direction(StrEnum):
    inbound = "in"
    outbound = "out"


class ChatMessage(Base):
    """What was said in the chat. A passive reply has the key of the message it answers.

    `data` holds what is no text: `url` and `media_id` of a picture, the part of a reply.
    """

    __tablename__ = "chat_messages"
    __table_args__ = (Index(None, "appid", "openid", "at"),)

    id: Mapped[Id]
    appid: Mapped[str] = mapped_column(Code(64))
    openid: Mapped[str] = mapped_column(Code(64))
    direction: Mapped[Direction] = mapped_column(State(Direction))
    kind: Mapped[str] = mapped_column(Code(32))
    text: Mapped[LongText]
    data: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    reply_key: Mapped[str | None] = mapped_column(Code(64), unique=True)
    at: Mapped[datetime]


class ReplyRule(Base):
    """An automatic answer: to words, to a menu key, a scan, a follow, or to anything (`default`).

    `word` holds one word per line, or a pattern; `parts` are `messaging.answers`' parts. The hours
    are minutes of the business day; `weekdays` has Monday in its lowest bit.
    """

    __tablename__ = "reply_rules"
    __table_args__ = (Index(None, "appid", "kind", "word"),)

    id: Mapped[Id]
    appid: Mapped[str] = mapped_column(Code(64))
    kind: Mapped[str] = mapped_column(Code(16))  # keyword | click | scan | default | welcome
    match: Mapped[Match] = mapped_column(State(Match), default=Match.contains)
    word: Mapped[str] = mapped_column(Code(200), default="")
    parts: Mapped[list[dict[str, Any]]] = mapped_column(JSON)
    priority: Mapped[int] = mapped_column(Integer, default=0)
    weekdays: Mapped[int] = mapped_column(Integer, default=EVERY_DAY)
    from_minute: Mapped[int] = mapped_column(Integer, default=0)
    until_minute: Mapped[int] = mapped_column(Integer, default=DAY_MINUTES)
    enabled: Mapped[bool] = mapped_column(default=True)


class Conversation(Base):
    """What waits for a human in the chat with one person.

    `waiting_since` is set while nobody has answered, `quiet_until` while the automatic answers are
    silent, `staff_id` names who has taken it on.
    """

    __tablename__ = "conversations"
    __table_args__ = (
        UniqueConstraint("appid", "openid"),
        Index(None, "appid", "last_at", "id"),
        Index(None, "appid", "waiting_since", "id"),
        Index(None, "appid", "quiet_until"),
        Index(None, "staff_id", "last_at"),
    )

    id: Mapped[Id]
    appid: Mapped[str] = mapped_column(Code(64))
    openid: Mapped[str] = mapped_column(Code(64))
    last_text: Mapped[str] = mapped_column(String(200), default="")
    last_direction: Mapped[Direction] = mapped_column(State(Direction))
    last_at: Mapped[datetime]
    unread: Mapped[int] = mapped_column(Integer, default=0)
    waiting_since: Mapped[datetime | None]
    quiet_until: Mapped[datetime | None]
    staff_id: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))


class QuickReply(Base):
    """Something that staff say often."""

    __tablename__ = "quick_replies"
    __table_args__ = (UniqueConstraint("appid", "place"),)

    id: Mapped[Id]
    appid: Mapped[str] = mapped_column(Code(64))
    place: Mapped[int] = mapped_column(Integer)
    text: Mapped[str] = mapped_column(String(300))


class Dialogue(Base):
    """The question a chat is in the middle of (`messaging.dialogues`).

    `token` names this very dialogue: what it ends in is done once under it.
    """

    __tablename__ = "chat_dialogues"
    __table_args__ = (UniqueConstraint("appid", "openid"),)

    id: Mapped[Id]
    appid: Mapped[str] = mapped_column(Code(64))
    openid: Mapped[str] = mapped_column(Code(64))
    kind: Mapped[str] = mapped_column(Code(32))
    token: Mapped[str] = mapped_column(Code(64))
    data: Mapped[dict[str, Any]] = mapped_column(JSON)
    expires_at: Mapped[datetime]
