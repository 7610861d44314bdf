"""Conversations that a human should look at: who waits, who has taken which, when bots are silent.

A message that no rule answers waits for somebody. Whoever asks for a human, or is talked to by one,
hears no automatic answer for a while.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import and_, delete, func, or_, select, update
from sqlalchemy.orm import Session

from core import cursors, live, rows
from core.database import claim, insert_ignore, place
from gateways.wechat import contents
from gateways.wechat.messages import Message
from messaging import replies, sayings
from messaging.answers import Part
from messaging.models import Conversation, Direction, QuickReply

QUIET = timedelta(hours=24)
"""How long automatic answers stay silent after somebody asked for a human, or heard one."""
STALE_SECONDS = 2.0
MOST_QUICK = 12
PAGE = 50

_quiet: WeakKeyDictionary[Any, dict[str, tuple[float, frozenset[str]]]] = WeakKeyDictionary()
"""Asked for every message, and few: each process keeps them for two seconds."""


@dataclass(frozen=True)
class Page:
    items: list[Conversation]
    next: str | None


def topic(appid: str) -> str:
    """What `core.live` calls the conversations of an account."""
    return f"chats:{appid}"


def tell(session: Session, appid: str) -> None:
    """Whoever has a conversation open looks again."""
    live.tell(session, topic(appid))


def heard(session: Session, said: Sequence[tuple[Message, list[Part]]], now: datetime) -> None:
    """People wrote and were answered with these parts: their conversations go on, or begin.

    In the order of (appid, openid), so that two slices lock the rows in one order.
    """
    for message, parts in sorted(said, key=lambda each: (each[0].appid, each[0].openid)):
        asks = any(part["type"] == "human" for part in parts)
        _heard(session, message, asks, asks or _is_open(session, message, now), now)
    for appid in {message.appid for message, _ in said}:
        tell(session, appid)
    if any(part["type"] == "human" for _, parts in said for part in parts):
        _forget(session)


def _is_open(session: Session, message: Message, now: datetime) -> bool:
    """Whether no rule knows what to say to this."""
    if not message.text:
        return True
    return replies.find_rule(session, message.appid, replies.KEYWORD, message.text, now) is None


def _heard(session: Session, message: Message, asks: bool, waits: bool, now: datetime) -> None:
    at = message.created_at
    text = sayings.describe(contents.read(message))[:200]
    values: dict[str, Any] = {
        "last_text": text,
        "last_direction": Direction.inbound,
        "last_at": at,
        "unread": Conversation.unread + 1,
    }
    if waits:
        values["waiting_since"] = func.coalesce(Conversation.waiting_since, at)
    if asks:
        values["quiet_until"] = now + QUIET
    whose = {"appid": message.appid, "openid": message.openid}
    known = update(Conversation).where(
        Conversation.appid == message.appid, Conversation.openid == message.openid
    )
    if claim(session, known.values(**values)):
        return
    values |= {"unread": 1, "waiting_since": at if waits else None}
    if not insert_ignore(session, Conversation, [whose | values]):
        values["unread"] = Conversation.unread + 1
        claim(session, known.values(**values))


def spoke(session: Session, appid: str, openid: str, text: str, *, now: datetime) -> None:
    """A human's answer has arrived: nobody waits any more, and bots stay silent."""
    mine = update(Conversation).where(Conversation.appid == appid, Conversation.openid == openid)
    values = {
        "last_text": text[:200],
        "last_direction": Direction.outbound,
        "last_at": now,
        "waiting_since": None,
        "unread": 0,
        "quiet_until": now + QUIET,
    }
    claim(session, mine.values(**values))
    tell(session, appid)
    _forget(session)


def read(session: Session, conversation: Conversation) -> None:
    """Somebody has looked at it."""
    claim(session, update(Conversation).where(Conversation.id == conversation.id).values(unread=0))


def assign(session: Session, conversation: Conversation, staff_id: int, *, now: datetime) -> bool:
    """It is this one's from now on; False when it was."""
    mine = update(Conversation).where(
        Conversation.id == conversation.id,
        or_(Conversation.staff_id.is_(None), Conversation.staff_id != staff_id),
    )
    taken = claim(session, mine.values(staff_id=staff_id, quiet_until=now + QUIET)) == 1
    tell(session, conversation.appid)
    _forget(session)
    return taken


def close(session: Session, conversation: Conversation) -> bool:
    """Done: nobody waits, bots answer again. False when it was closed before."""
    open_ = or_(
        Conversation.waiting_since.is_not(None),
        Conversation.staff_id.is_not(None),
        Conversation.quiet_until.is_not(None),
    )
    ending = update(Conversation).where(Conversation.id == conversation.id, open_)
    values = {"waiting_since": None, "staff_id": None, "quiet_until": None, "unread": 0}
    closed = claim(session, ending.values(**values)) == 1
    tell(session, conversation.appid)
    _forget(session)
    return closed


def is_quiet(session: Session, appid: str, openid: str, now: datetime) -> bool:
    """Whether a human has the word; up to STALE_SECONDS late."""
    kept = _quiet.setdefault(place(session), {})
    found = kept.get(appid)
    if found is None or time.monotonic() - found[0] > STALE_SECONDS:
        held = select(Conversation.openid).where(
            Conversation.appid == appid, Conversation.quiet_until > now
        )
        found = time.monotonic(), frozenset(session.scalars(held))
        kept[appid] = found
    return openid in found[1]


def list_page(
    session: Session,
    appid: str,
    *,
    waiting: bool = False,
    staff_id: int | None = None,
    cursor: str = "",
) -> Page:
    """Those that wait, the longest first; one's own; or all, the latest first. Raises Malformed."""
    wanted = select(Conversation).where(Conversation.appid == appid)
    key = Conversation.waiting_since if waiting else Conversation.last_at
    if waiting:
        wanted = wanted.where(Conversation.waiting_since.is_not(None))
    if staff_id is not None:
        wanted = wanted.where(Conversation.staff_id == staff_id)
    if cursor:
        position = cursors.decode(cursor, 2)
        at, last = cursors.moment(position[0]), cursors.number(position[1])
        if waiting:
            wanted = wanted.where(or_(key > at, and_(key == at, Conversation.id > last)))
        else:
            wanted = wanted.where(or_(key < at, and_(key == at, Conversation.id < last)))
    order = (key, Conversation.id) if waiting else (key.desc(), Conversation.id.desc())
    found = list(session.scalars(wanted.order_by(*order).limit(PAGE + 1)))
    more = None
    if len(found) > PAGE:
        edge = found[PAGE - 1]
        edge_at = (edge.waiting_since if waiting else None) or edge.last_at
        more = cursors.encode([edge_at.isoformat(), edge.id])
    return Page(found[:PAGE], more)


def count_waiting(session: Session, appid: str) -> int:
    found = select(func.count()).where(
        Conversation.appid == appid, Conversation.waiting_since.is_not(None)
    )
    return session.scalar(found) or 0


def fingerprint(session: Session, appid: str) -> str:
    """Changes whenever somebody says something, or a conversation changes hands."""
    found = select(
        func.max(Conversation.last_at), func.count(Conversation.waiting_since), func.count()
    ).where(Conversation.appid == appid)
    taken = select(func.sum(Conversation.staff_id)).where(
        Conversation.appid == appid, Conversation.staff_id.is_not(None)
    )
    return "-".join(map(str, (*session.execute(found).one(), session.scalar(taken))))


def get(session: Session, appid: str, conversation_id: int) -> Conversation | None:
    found = session.get(Conversation, conversation_id)
    return found if found is not None and found.appid == appid else None


def list_quick(session: Session, appid: str) -> list[str]:
    found = select(QuickReply.text).where(QuickReply.appid == appid)
    return list(session.scalars(found.order_by(QuickReply.place)))


def set_quick(session: Session, appid: str, texts: Sequence[str]) -> None:
    claim(session, delete(QuickReply).where(QuickReply.appid == appid))
    made = [
        {"appid": appid, "place": place, "text": text}
        for place, text in enumerate(texts[:MOST_QUICK])
    ]
    rows.add_all(session, QuickReply, made)


def _forget(session: Session) -> None:
    """This process asks again at once; the others within STALE_SECONDS."""
    _quiet.pop(place(session), None)
