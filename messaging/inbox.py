"""The inbox of chats: each verified message is stored once and acted upon once.

Both happen in one transaction: a second commit would cost more than all the rest of a message. If
the act fails, the row is stored alone and swept; if the process dies in between, WeChat has no
answer and repeats the message.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from core import inbox
from core.database import insert_ignore
from core.inbox import EventState, InboundEvent
from core.numbers import token_hash
from gateways.wechat.messages import Message
from messaging import receiving
from messaging.receiving import Happened

OFFICIAL, MINI = "wechat.official:", "wechat.mini:"
PREFIXES = (OFFICIAL, MINI)


def reply_key(source: str, message: Message) -> str:
    """Under which the reply to a message is kept, for its repetitions."""
    return token_hash(f"{source} {message.msg_id}")


def act_once(session: Session, source: str, message: Message, *, now: datetime) -> Happened | None:
    """Store the message and act on it in this transaction; None: that has been done before.

    The unique row comes first, so a copy of the message that arrives meanwhile waits for us.
    """
    row = _row(source, message, now)
    done = {"state": EventState.done, "outcome": _outcome(message), "done_at": now}
    if insert_ignore(session, InboundEvent, [row | done]) or _claim_left(session, row, now):
        return receiving.act(session, message, now=now)
    return None


def store(session: Session, source: str, message: Message, *, now: datetime) -> None:
    """Only store the message, unless WeChat told it before; the sweep acts on it."""
    waiting = {"state": EventState.received, "outcome": ""}
    insert_ignore(session, InboundEvent, [_row(source, message, now) | waiting])


def list_unacted(session: Session, *, before: datetime, limit: int = 100) -> list[InboundEvent]:
    """Messages that were stored and not acted upon."""
    return [
        event
        for prefix in PREFIXES
        for event in inbox.list_unacted(session, source_prefix=prefix, before=before, limit=limit)
    ]


def _claim_left(session: Session, row: dict[str, Any], now: datetime) -> bool:
    """The message was stored alone before: whoever moves it to `done` acts."""
    found = session.execute(
        select(InboundEvent.id, InboundEvent.state, InboundEvent.outcome).where(
            InboundEvent.source == row["source"],
            InboundEvent.external_id == row["external_id"],
        )
    ).one()
    if found.state is not EventState.received:
        return False
    return inbox.mark_done(session, found.id, outcome="handled", now=now)


def _row(source: str, message: Message, now: datetime) -> dict[str, Any]:
    return {
        "source": source,
        "external_id": message.msg_id,
        "kind": (message.event or message.kind)[:64],
        "body": receiving.to_body(message),
        "raw": message.raw,
        "received_at": now,
    }


def _outcome(message: Message) -> str:
    return "handled" if receiving.is_handled(message) else "ignored"
